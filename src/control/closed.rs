//! Who was connected, and why it ended.

use serde::{Deserialize, Serialize};

use super::{Control, rfc3339};
use crate::cidr::Cidr;
use crate::escape::visible;
use crate::event::GapReason;
use crate::hub::Closed;

/// Rows when nobody says how many.
const LIMIT: usize = 100;
/// Rows at most: what is remembered fits on one line of the admin protocol in this many.
const MOST: usize = 1000;

/// Which of the closed sessions that are still remembered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClosedQuery {
    /// Rows at most, newest first; 100 if nothing is said, never more than 1000.
    pub limit: Option<usize>,
    /// Who was called this, by case fold.
    pub username: Option<String>,
    /// Who came from this range.
    pub addr: Option<Cidr>,
    /// Whose session ended for this reason.
    pub reason: Option<String>,
    /// Of these, who for exactly this.
    pub detail: Option<String>,
}

/// A session that ended.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedRow {
    /// Its id.
    pub id: u64,
    /// What it was called.
    pub username: Option<String>,
    /// Where it came from.
    pub addr: String,
    /// How it spoke.
    pub dialect: &'static str,
    /// When it was accepted.
    pub connected_at: String,
    /// When it ended.
    pub closed_at: String,
    /// How long it lasted.
    pub age_seconds: f64,
    /// Why it ended.
    pub reason: &'static str,
    /// What exactly, where the reason does not say: a word of a closed set, or empty.
    pub detail: &'static str,
    /// What was said about it by who chose it, made safe to show.
    pub text: String,
    /// Messages that it sent.
    pub in_msgs: u64,
    /// Messages written to it.
    pub out_msgs: u64,
    /// Bytes read from it.
    pub in_bytes: u64,
    /// Bytes written to it.
    pub out_bytes: u64,
    /// The furthest it was ever behind.
    pub lag_peak_msgs: u64,
    /// Messages that it was told it will not hear.
    pub gap_msgs: u64,
    /// Why numbers were missing last; empty if they never were.
    pub gap_reason: &'static str,
}

impl Control {
    /// The sessions that ended last and fit, newest first.
    pub fn closed(&self, query: &ClosedQuery) -> Vec<ClosedRow> {
        let limit = query.limit.unwrap_or(LIMIT).min(MOST);
        let closed = self.hub().closed();
        closed
            .iter()
            .rev()
            .filter(|closed| query.fits(closed))
            .take(limit)
            .map(ClosedRow::of)
            .collect()
    }
}

impl ClosedQuery {
    fn fits(&self, closed: &Closed) -> bool {
        let is_called = |name: &String| {
            let nick = closed.nick.as_ref();
            nick.is_some_and(|nick| nick.as_str().to_lowercase() == name.to_lowercase())
        };
        let [reason, detail] = closed.ending.words();
        self.username.as_ref().is_none_or(is_called)
            && self
                .addr
                .is_none_or(|range| range.contains(closed.addr.ip()))
            && self.reason.as_ref().is_none_or(|word| word == reason)
            && self.detail.as_ref().is_none_or(|word| word == detail)
    }
}

impl ClosedRow {
    fn of(closed: &Closed) -> Self {
        let lasted = closed.closed_ms.saturating_sub(closed.connected_ms);
        let [reason, detail] = closed.ending.words();
        let text: String = closed
            .text
            .as_deref()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        Self {
            id: closed.id.0,
            username: closed.nick.as_ref().map(ToString::to_string),
            addr: closed.addr.to_string(),
            dialect: closed.dialect.as_str(),
            connected_at: rfc3339(closed.connected_ms),
            closed_at: rfc3339(closed.closed_ms),
            age_seconds: lasted as f64 / 1000.0,
            reason,
            detail,
            text: visible(&text).into_owned(),
            in_msgs: closed.in_msgs,
            out_msgs: closed.out_msgs,
            in_bytes: closed.in_bytes,
            out_bytes: closed.out_bytes,
            lag_peak_msgs: closed.lag_peak,
            gap_msgs: closed.gap_msgs,
            gap_reason: closed.last_gap.map_or("", GapReason::as_str),
        }
    }
}
