//! Promises broken on purpose, so that the checks can be seen to turn red.
//!
//! Only in builds with the feature `test-faults`. `CHATD_FAULT` is a list, separated by commas, of
//!
//! | fault | what goes wrong |
//! |---|---|
//! | `gap_not_sent` | who misses something is not told |
//! | `resume_off_by_one` | `since` continues one too late |
//! | `ack_before_commit` | a message is acknowledged before it is numbered (with `commit_delay`) |
//! | `deliver_before_commit` | a message is heard before the store has it (with `commit_delay`) |
//! | `catch_up_twice` | the last message of a replay is written once more |
//! | `batch_reordered` | two messages of one turn change places |
//! | `dedup_ignored` | a retry is numbered again |
//! | `fault_by_name` | sessions called `reader`, `writer`, `stumbler` or `unstored` meet a fault of their own |
//! | `top_panics` | the key `!` makes `chatctl top` panic |
//! | `commit_delay=2ms` | nothing: the log takes its time, as a store does |

use std::sync::OnceLock;
use std::time::Duration;

fn faults() -> &'static [String] {
    static FAULTS: OnceLock<Vec<String>> = OnceLock::new();
    FAULTS.get_or_init(|| {
        let list = std::env::var("CHATD_FAULT").unwrap_or_default();
        list.split(',')
            .filter(|fault| !fault.is_empty())
            .map(str::to_owned)
            .collect()
    })
}

/// Whether this promise is to be broken.
pub fn is_on(fault: &str) -> bool {
    faults().iter().any(|on| on == fault)
}

/// How long the artificial committer takes for each turn, if it is on.
pub fn commit_delay() -> Option<Duration> {
    let text = faults()
        .iter()
        .find_map(|fault| fault.strip_prefix("commit_delay="))?;
    text.strip_suffix("ms")?
        .parse()
        .ok()
        .map(Duration::from_millis)
}
