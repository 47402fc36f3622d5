//! History that an operator takes away.

use serde::{Deserialize, Serialize};

use crate::control::{Control, Refused};
use crate::event::Seq;
use crate::log::Archive;
use crate::store::RoomRow;

/// What is to go; exactly one of `before`, `keep` and `older_than_seconds`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneOrder {
    /// Of which room.
    pub room: String,
    /// Everything below this number.
    pub before: Option<Seq>,
    /// Everything but the last so many.
    pub keep: Option<u64>,
    /// Everything that is older than this, up to the first that is not.
    pub older_than_seconds: Option<f64>,
    /// Only say how much it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What went.
#[derive(Clone, Debug, Serialize)]
pub struct PruneReport {
    /// The room, as its maker wrote it.
    pub room: String,
    /// How many messages cannot be read any more.
    pub messages: u64,
    /// The oldest number that can be read now; above the head if there is none.
    pub first: Seq,
}

impl Control {
    /// Takes the oldest messages of a room away: none of them can be read any more from one moment to
    /// the next, and after any restart. The disk gets its room back a little later.
    ///
    /// # Errors
    /// There is no such room or no store, the order makes no sense, or the store is in trouble.
    pub async fn prune(&self, order: &PruneOrder) -> Result<PruneReport, Refused> {
        let (keep, row) = self.stored(&order.room)?;
        let limit = limit(order, (self.hub().clock)())?;
        let dry_run = order.dry_run;
        let working = keep.clone();
        let report = self
            .on_disk(move || {
                let to = match limit {
                    Limit::To(to) => to,
                    Limit::Keep(count) => row.head.saturating_sub(count),
                    Limit::Time(time_ms) => working.store.reader()?.last_before(&row, time_ms)?,
                };
                let report = report(&row, to);
                if dry_run || report.messages == 0 {
                    return Ok(report);
                }
                let shelf = working
                    .shelf(row.key)
                    .ok_or_else(|| Refused::NoMatch("the room is gone".to_owned()))?;
                Archive::open(&working)?.prune(&shelf, report.first - 1)?;
                Ok(report)
            })
            .await?;
        if !dry_run && report.messages > 0 {
            // Nobody waits for it: what is left when the daemon ends, the next start clears away.
            drop(tokio::task::spawn_blocking(move || {
                let cleared = Archive::open(&keep).and_then(|mut archive| archive.clear());
                if let Err(error) = cleared {
                    tracing::warn!(event = "history.not_cleared", %error);
                }
            }));
        }
        Ok(report)
    }
}

enum Limit {
    To(Seq),
    Keep(u64),
    Time(i64),
}

fn limit(order: &PruneOrder, now_ms: i64) -> Result<Limit, Refused> {
    match (order.before, order.keep, order.older_than_seconds) {
        (Some(before), None, None) => Ok(Limit::To(before.saturating_sub(1))),
        (None, Some(count), None) => Ok(Limit::Keep(count)),
        (None, None, Some(seconds)) if seconds >= 0.0 => {
            let age_ms = (seconds * 1000.0).min(i64::MAX as f64) as i64;
            Ok(Limit::Time(now_ms.saturating_sub(age_ms)))
        }
        _ => Err(Refused::Invalid(
            "say one of `before`, `keep` and `older_than_seconds`".to_owned(),
        )),
    }
}

fn report(row: &RoomRow, to: Seq) -> PruneReport {
    let first = (to.min(row.head) + 1).max(row.first);
    PruneReport {
        room: row.name.to_string(),
        messages: first - row.first,
        first,
    }
}
