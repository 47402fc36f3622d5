//! Brings the store's write-ahead log into its database, beside the committer and not in its way.
//!
//! The log begins anew only when all of it is in the database. While messages pour in it never is,
//! so from a size on the committer is kept out for the little that is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keep::Keep;
use super::queued::or_abort;
use crate::store::{Checkpointer, StoreError};

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of the log, about, after which it is brought in.
const FRESH: u64 = 16 * 1024 * 1024;
/// The time after which less is brought in too: what the machine takes with it when it goes down.
const OLDEST: Duration = Duration::from_secs(5);
/// Bytes of the log from which on the committer waits for the rest. The log is never much larger
/// than twice this, but for a reader that takes its time.
const LARGE: u64 = 64 * 1024 * 1024;

/// Starts the thread. It ends with the store.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(keep: &Arc<Keep>) -> std::io::Result<()> {
    let keep = keep.clone();
    std::thread::Builder::new()
        .name("checkpoints".to_owned())
        .spawn(move || or_abort(|| run(&keep)))
        .map(drop)
}

fn run(keep: &Keep) {
    let mut checkpointer = None;
    let mut last = Instant::now();
    while !keep.stops_within(LOOK) {
        let fresh = keep.fresh();
        if fresh == 0 || fresh < FRESH && last.elapsed() < OLDEST {
            continue;
        }
        last = Instant::now();
        keep.take_fresh();
        if let Err(error) = bring_in(keep, &mut checkpointer) {
            // The committer finds out for itself whether it can write; here nobody waits.
            keep.meter.checkpoint_errors.add(1);
            tracing::warn!(event = "history.checkpoint_failed", %error);
            checkpointer = None;
            keep.appended(fresh);
            if keep.stops_within(OLDEST) {
                return;
            }
        }
    }
}

fn bring_in(keep: &Keep, kept: &mut Option<Checkpointer>) -> Result<(), StoreError> {
    let checkpointer = match kept {
        Some(checkpointer) => checkpointer,
        None => kept.insert(keep.store.checkpointer()?),
    };
    let mut progress = checkpointer.bring_in()?;
    if progress.left > 0 && progress.log_bytes > LARGE {
        let _alone = keep.gate.hold();
        progress = checkpointer.bring_in()?;
        if progress.left == 0 {
            checkpointer.begin_anew()?;
        }
    } else if progress.left == 0 {
        let _alone = keep.gate.hold();
        // Only if nobody wrote in between: else the next time will do.
        if keep.fresh() == 0 {
            checkpointer.begin_anew()?;
        }
    }
    keep.meter.checkpoints.add(1);
    Ok(())
}
