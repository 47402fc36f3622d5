//! Safe retry: the same message twice is one message.
//!
//! The key is (identity, room or recipient, `cid`). The first outcome is remembered for
//! `limits.dedup_age`, in at most `limits.dedup_entries` entries; the oldest make place. A retry
//! whose first try is still under way waits for its outcome. A refused message is forgotten, so
//! that it can be tried again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Outcome, Ticket};
use crate::event::Stamp;
use crate::fault::ErrorCode;

/// Where the message was to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RetryTarget {
    /// To the room with this id.
    Room(u64),
    /// To the person with this name.
    Nick(Box<str>),
}

/// What makes two messages one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey {
    /// The author's identity.
    pub identity: u128,
    /// Where it was to go.
    pub target: RetryTarget,
    /// The author's own id of it.
    pub cid: Box<str>,
}

/// The memory of all messages with a `cid`.
#[derive(Debug, Default)]
pub struct Retries(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    entries: HashMap<Arc<RetryKey>, Entry>,
    /// Every entry once, oldest first.
    ages: VecDeque<(Instant, Arc<RetryKey>)>,
    evicted: u64,
}

#[derive(Debug)]
enum Entry {
    UnderWay(Vec<Ticket>),
    Known(Outcome),
}

/// What is known of a message when it arrives.
#[derive(Debug)]
pub enum Begun {
    /// It is new. The ticket now remembers its outcome.
    New(Ticket),
    /// It was answered before.
    Known(Outcome),
    /// Its first try is under way; the ticket will be resolved with that.
    Waits,
}

/// The duty to remember an outcome. Dropped without one, the message is forgotten.
#[derive(Debug)]
pub struct Retry {
    memory: Arc<Retries>,
    key: Arc<RetryKey>,
    settled: bool,
}

impl Retries {
    /// Looks a message up, and begins it if it is new.
    pub fn begin(
        self: &Arc<Self>,
        key: RetryKey,
        mut ticket: Ticket,
        (age, most): (Duration, usize),
    ) -> Begun {
        let mut memory = self.memory();
        memory.forget(age, most);
        #[cfg(feature = "test-faults")]
        if crate::sabotage::is_on("dedup_ignored") {
            memory.entries.remove(&key);
        }
        match memory.entries.get_mut(&key) {
            Some(Entry::Known(outcome)) => Begun::Known(outcome.again()),
            Some(Entry::UnderWay(waiting)) => {
                waiting.push(ticket);
                Begun::Waits
            }
            None => {
                let key = Arc::new(key);
                memory
                    .entries
                    .insert(key.clone(), Entry::UnderWay(Vec::new()));
                memory.ages.push_back((Instant::now(), key.clone()));
                ticket.retry = Some(Retry {
                    memory: self.clone(),
                    key,
                    settled: false,
                });
                Begun::New(ticket)
            }
        }
    }

    /// Takes in what was committed in a former run of the daemon, so long ago, oldest first.
    pub fn remember(&self, known: impl IntoIterator<Item = (RetryKey, Stamp, Instant)>) {
        let mut memory = self.memory();
        for (key, stamp, at) in known {
            let key = Arc::new(key);
            let duplicate = false;
            let entry = Entry::Known(Outcome::Committed { stamp, duplicate });
            memory.entries.insert(key.clone(), entry);
            memory.ages.push_back((at, key));
        }
    }

    /// How many messages are remembered, and how many were forgotten before their age.
    pub fn counts(&self) -> (usize, u64) {
        let memory = self.memory();
        (memory.entries.len(), memory.evicted)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Makes place for one more. What is under way stays: its author waits for it.
    fn forget(&mut self, age: Duration, most: usize) {
        let now = Instant::now();
        while let Some((begun, key)) = self.ages.front() {
            let old = now.duration_since(*begun) >= age;
            // Bounded by `ages`: a message that was refused and tried again stands there twice.
            let full = self.ages.len() >= most;
            let entry = self
                .entries
                .get_key_value(key)
                .filter(|(held, _)| Arc::ptr_eq(held, key));
            let under_way = matches!(entry, Some((_, Entry::UnderWay(_))));
            if !(old || full) || under_way {
                return;
            }
            if entry.is_some() {
                self.entries.remove(key);
                self.evicted += u64::from(!old);
            }
            self.ages.pop_front();
        }
    }
}

impl Retry {
    /// Remembers the outcome and tells everyone who waited for it.
    pub(super) fn settle(mut self, outcome: &Outcome) {
        self.settled = true;
        self.finish(outcome);
    }

    fn finish(&self, outcome: &Outcome) {
        let waiting = {
            let mut memory = self.memory.memory();
            let before = match outcome {
                Outcome::Refused { .. } => memory.entries.remove(&*self.key),
                known => memory
                    .entries
                    .insert(self.key.clone(), Entry::Known(known.clone())),
            };
            match before {
                Some(Entry::UnderWay(waiting)) => waiting,
                _ => Vec::new(),
            }
        };
        for ticket in waiting {
            ticket.post(outcome.again());
        }
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        if !self.settled {
            self.finish(&Outcome::Refused {
                code: ErrorCode::StoreUnavailable,
                text: "the first try of this message was lost; try again",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SessionId;
    use crate::mail::{Mailbox, Note};

    const BOUNDS: (Duration, usize) = (Duration::from_secs(60), 2);

    fn key(cid: &str) -> RetryKey {
        RetryKey {
            identity: 1,
            target: RetryTarget::Room(1),
            cid: cid.into(),
        }
    }

    fn ticket(lane: &Arc<Mailbox>, number: u64) -> Ticket {
        Ticket {
            lane: lane.clone(),
            session: SessionId(1),
            number,
            retry: None,
        }
    }

    fn delivered(duplicate: bool) -> Outcome {
        Outcome::Delivered {
            time_ms: 7,
            duplicate,
        }
    }

    fn new(begun: Begun) -> Ticket {
        match begun {
            Begun::New(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_in_flight_waits_for_the_first() {
        let (lane, retries) = (Arc::new(Mailbox::default()), Arc::new(Retries::default()));
        let first = new(retries.begin(key("a"), ticket(&lane, 1), BOUNDS));
        assert!(matches!(
            retries.begin(key("a"), ticket(&lane, 2), BOUNDS),
            Begun::Waits
        ));
        first.resolve(delivered(false));
        let mut notes = Vec::new();
        lane.take(&mut notes);
        let told: Vec<_> = notes
            .into_iter()
            .map(|note| match note {
                Note::Outcome {
                    ticket, outcome, ..
                } => (ticket, outcome),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(2, delivered(true)), (1, delivered(false))]);
        let known = retries.begin(key("a"), ticket(&lane, 3), BOUNDS);
        assert!(matches!(known, Begun::Known(outcome) if outcome == delivered(true)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_or_lost_may_be_tried_again() {
        let (lane, retries) = (Arc::new(Mailbox::default()), Arc::new(Retries::default()));
        let refused = Outcome::Refused {
            code: ErrorCode::RecipientBusy,
            text: "busy",
        };
        new(retries.begin(key("a"), ticket(&lane, 1), BOUNDS)).resolve(refused);
        drop(new(retries.begin(key("a"), ticket(&lane, 2), BOUNDS)));
        new(retries.begin(key("a"), ticket(&lane, 3), BOUNDS));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_by_age_and_number() {
        let (lane, retries) = (Arc::new(Mailbox::default()), Arc::new(Retries::default()));
        for cid in ["a", "b", "c"] {
            new(retries.begin(key(cid), ticket(&lane, 1), BOUNDS)).resolve(delivered(false));
        }
        assert_eq!(retries.counts(), (2, 1));
        new(retries.begin(key("a"), ticket(&lane, 1), BOUNDS)).resolve(delivered(false));
        tokio::time::advance(Duration::from_secs(61)).await;
        new(retries.begin(key("c"), ticket(&lane, 1), BOUNDS)).resolve(delivered(false));
        assert_eq!(retries.counts(), (1, 2));
    }
}
