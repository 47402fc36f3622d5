//! What the daemon finds out about its own data plane by talking to itself.
//!
//! The talking is done above (`server`); here is what became of it, for the metrics and for
//! [`super::Health`].

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::lock;
use crate::words::words;

words! {
    /// What became of a message that the daemon sent itself.
    pub enum ProbeResult {
        /// It came back.
        Ok = "ok",
        /// The chat door did not take the connection.
        Connect = "connect",
        /// The lane did not answer a hello.
        Hello = "hello",
        /// The message did not come back.
        Message = "message",
        /// It could not even be tried, for want of descriptors.
        Unable = "unable",
    }
}

/// A probe that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedProbe {
    /// Through which lane.
    pub lane: usize,
    /// How far it came.
    pub step: ProbeResult,
    /// What happened instead.
    pub error: String,
}

impl fmt::Display for FailedProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, step, error } = self;
        write!(f, "lane {lane} failed at {step}: {error}")
    }
}

/// All probes so far. Until there is a first one nothing is wrong.
#[derive(Debug, Default)]
pub struct Watch {
    counts: [AtomicU64; ProbeResult::ALL.len()],
    last: Mutex<Vec<FailedProbe>>,
}

impl Watch {
    /// Notes one round: a probe through each of so many lanes, and those that failed.
    pub fn note(&self, probes: usize, failed: Vec<FailedProbe>) {
        let ok = probes.saturating_sub(failed.len()) as u64;
        self.counts[ProbeResult::Ok as usize].fetch_add(ok, Relaxed);
        for probe in &failed {
            self.counts[probe.step as usize].fetch_add(1, Relaxed);
        }
        *lock(&self.last) = failed;
    }

    /// Probes by result, in a fixed order.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let count = |result: ProbeResult| {
            let count = self.counts[result as usize].load(Relaxed);
            (result.as_str(), count)
        };
        ProbeResult::ALL.map(count).into()
    }

    /// The probes of the last round that failed.
    pub fn failed(&self) -> Vec<FailedProbe> {
        lock(&self.last).clone()
    }
}
