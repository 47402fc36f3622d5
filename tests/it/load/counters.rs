//! What the daemon counts, for the judge to compare with what its clients saw.

use crate::checker::Counters;
use crate::harness::Daemon;

/// The daemon's own counters, at a quiet moment.
pub(crate) async fn counters(chat: &Daemon) -> Counters {
    let metrics = chat.metrics().await;
    Counters {
        committed: metrics.sum("chatd_messages_committed_total", &[]) as u64,
        gapped: metrics.sum("chatd_gap_messages_total", &[]) as u64,
    }
}
