//! What was said: shown, searched, brought in, taken away, copied.
//!
//! - Everything comes in pieces that the operator's side asks for, one request after another: a long
//!   work costs the daemon one piece, and ends with the connection on which it began, or when nobody
//!   asks for the next piece within [`IDLE`].
//! - The disk is met on threads of their own, so that this floor answers meanwhile.
//! - An export is made of pages ([`Control::past`]): messages never change and numbers never come
//!   twice in one epoch, so that pages between two fixed numbers are a whole.

mod backup;
mod import;
mod prune;
mod search;
mod show;

use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use backup::{BackupPart, BackupQuery, BackupReport};
pub use import::{ImportEnd, ImportOrder, ImportPart, ImportReport};
pub use prune::{PruneOrder, PruneReport};
pub use search::{SearchQuery, SearchReport};
pub use show::{PastPage, PastQuery, PastRow};

use super::{Control, Refused, lock};
use crate::hub::Past;
use crate::log::Keep;
use crate::search::Search;
use crate::store::{RoomRow, StoreError};

/// How long an import or a backup waits for the operator's next request.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// The works that are under way.
pub(super) struct Works {
    pub(super) search: Option<Search>,
    import: Mutex<Option<import::Import>>,
    backup: Mutex<Option<backup::Copy>>,
}

impl Works {
    pub(super) fn new(search: Option<Search>) -> Self {
        Self {
            search,
            import: Mutex::default(),
            backup: Mutex::default(),
        }
    }
}

impl Control {
    /// Ends works that nobody goes on with. To be called now and then.
    pub fn sweep_history(&self) {
        let works = &self.0.works;
        lock(&works.backup).take_if(|copy| copy.is_idle());
        let idle = lock(&works.import).take_if(|import| import.is_idle());
        if let Some(import) = idle {
            self.give_up(import);
        }
    }

    /// Ends the works that this operator began.
    pub fn abandon_works_of(&self, owner: u64) {
        let works = &self.0.works;
        lock(&works.backup).take_if(|copy| copy.owner == owner);
        let import = lock(&works.import).take_if(|import| import.owner == owner);
        if let Some(import) = import {
            self.give_up(import);
        }
    }

    /// The search, if there is a store to be searched.
    pub fn search(&self) -> Option<&Search> {
        self.0.works.search.as_ref()
    }

    fn past_of(&self, room: &str) -> Result<Past, Refused> {
        let past = self.hub().past_of(room);
        past.ok_or_else(|| Refused::NoMatch(format!("there is no room {room:?}")))
    }

    /// The store, and the room in it.
    fn stored(&self, room: &str) -> Result<(Arc<Keep>, RoomRow), Refused> {
        let keep = self.kept()?;
        match self.past_of(room)? {
            Past::Stored(row) => Ok((keep, row)),
            Past::Memory(_) => Err(Refused::NoMatch(format!(
                "nothing was said in {room:?} so far"
            ))),
        }
    }

    fn kept(&self) -> Result<Arc<Keep>, Refused> {
        let keep = self.hub().log.kept().cloned();
        keep.ok_or_else(|| {
            Refused::State("nothing is kept: history.durability is \"none\"".to_owned())
        })
    }

    /// Meets the disk on a thread that may wait for it, with descriptors of the spares where clients
    /// have taken all others.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let spares = self.spares().clone();
        let done = tokio::task::spawn_blocking(move || {
            let _loan = spares.lend_if_none();
            work()
        });
        let failed = |error| Refused::Failed(format!("the work broke off: {error}"));
        done.await.unwrap_or_else(|error| Err(failed(error)))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What names a work of several requests.
fn work_id() -> Result<String, Refused> {
    let bits = getrandom::u64();
    bits.map(|bits| format!("{bits:016x}"))
        .map_err(|error| Refused::Failed(format!("the system gives no random bits: {error}")))
}

fn over(what: &str) -> Refused {
    Refused::State(format!(
        "this {what} is over: it ended, was given up, or nobody went on with it for {} s",
        IDLE.as_secs()
    ))
}
