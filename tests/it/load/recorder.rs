//! One client's pen, and the clock that all pens share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::checker::{Dialect, Entry, Event, Log};

/// The monotonic clock of the machine, in nanoseconds: what looked earlier happened earlier, in this
/// process and in others. No two looks of one clock are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Now.
    pub(crate) fn tick(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let last = self.0.fetch_max(now, Ordering::SeqCst);
        if last < now {
            return now;
        }
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A log that is still being written.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    clock: Clock,
    log: Arc<Mutex<Log>>,
}

impl Recorder {
    /// An empty log.
    pub(crate) fn new(clock: &Clock, username: &str, dialect: Dialect) -> Self {
        let log = Log {
            username: username.to_owned(),
            dialect,
            entries: Vec::new(),
        };
        Self {
            clock: clock.clone(),
            log: Arc::new(Mutex::new(log)),
        }
    }

    /// Writes down what is about to be done, or was just heard.
    pub(crate) fn note(&self, event: Event) {
        let at = self.clock.tick();
        self.log.lock().unwrap().entries.push(Entry { at, event });
    }

    /// The whole log.
    pub(crate) fn into_log(self) -> Log {
        self.log.lock().unwrap().clone()
    }
}
