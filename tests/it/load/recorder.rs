//! One client's pen, and the clock that all pens share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::checker::{Dialect, Entry, Event, Log};

/// A clock that ticks at each look: what looked earlier happened earlier.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The next tick.
    pub(crate) fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
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
