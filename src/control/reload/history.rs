//! What reloads there have been.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Outcome;
use crate::control::lock;

/// What reloads there have been.
#[derive(Debug)]
pub(in crate::control) struct History {
    /// One at a time.
    pub(in crate::control) turn: tokio::sync::Mutex<()>,
    counts: [AtomicU64; Outcome::ALL.len()],
    last: Mutex<Last>,
}

#[derive(Clone, Debug)]
pub(in crate::control) struct Last {
    pub(in crate::control) outcome: Option<Outcome>,
    /// When a load was last good, in milliseconds since 1970 UTC.
    pub(in crate::control) good_ms: i64,
    /// Keys that take a restart, as of the last good load.
    pub(in crate::control) pending: Vec<&'static str>,
}

impl History {
    pub(in crate::control) fn new(now_ms: i64) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            counts: Default::default(),
            last: Mutex::new(Last {
                outcome: None,
                good_ms: now_ms,
                pending: Vec::new(),
            }),
        }
    }

    pub(in crate::control) fn last(&self) -> Last {
        lock(&self.last).clone()
    }

    /// How many there were, by outcome, in a fixed order.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let count = |outcome: Outcome| self.counts[outcome as usize].load(Relaxed);
        Outcome::ALL
            .map(|outcome| (outcome.as_str(), count(outcome)))
            .into()
    }

    /// One that was good, with the keys that take a restart.
    pub(super) fn note_good(&self, outcome: Outcome, now_ms: i64, pending: Vec<&'static str>) {
        self.note(outcome);
        let mut last = lock(&self.last);
        last.good_ms = now_ms;
        last.pending = pending;
    }

    pub(super) fn note(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Relaxed);
        lock(&self.last).outcome = Some(outcome);
    }
}
