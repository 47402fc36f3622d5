//! What everybody may know of the store, and what its helpers share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::shelf::{Shelf, Shelves};
use crate::meter::{COMMIT, Counter, Histogram, PerLabel, TURN};
use crate::retention::Retention;
use crate::store::{RoomKey, RoomRow, Store, StoreError, Trouble};
use crate::words::words;

/// A store that logs are kept in, and how it fares.
#[derive(Debug)]
pub struct Keep {
    /// The store.
    pub store: Store,
    /// What was counted.
    pub meter: KeepMeter,
    pub(super) gate: Gate,
    pub(super) shelves: Shelves,
    /// The key of the room that is being brought in.
    import: Mutex<Option<RoomKey>>,
    retention: Mutex<Arc<Retention>>,
    /// Rooms whose rows are to go with the next turn.
    forgotten: Mutex<Vec<RoomKey>>,
    trouble: Mutex<Option<InTrouble>>,
    read_errors: AtomicU64,
    /// Bytes of the write-ahead log, about, since it was brought in last.
    fresh: AtomicU64,
    stopping: (Mutex<bool>, Condvar),
}

/// What the store is in, and since when.
#[derive(Clone, Debug)]
pub struct InTrouble {
    /// Why.
    pub error: StoreError,
    /// Since when.
    pub since: Instant,
}

words! {
    /// Why messages go.
    pub enum PruneReason {
        /// `max_messages`.
        Messages = "messages",
        /// `max_age`.
        Age = "age",
        /// `max_bytes`.
        Bytes = "bytes",
    }
}

/// Counted by the committer's thread, and what is about checkpoints by the one that makes them.
#[derive(Debug)]
pub struct KeepMeter {
    /// How long commits took, with everything written in them.
    pub commit_seconds: Histogram,
    /// Messages that were not taken because the store was in trouble.
    pub refused: Counter,
    /// Failures by kind.
    pub errors: PerLabel<{ Trouble::ALL.len() }>,
    /// Times that the write-ahead log was brought in.
    pub checkpoints: Counter,
    /// Times that it could not be.
    pub checkpoint_errors: Counter,
    /// Messages by turn.
    pub turn_messages: Histogram,
    /// Messages taken away, by reason.
    pub pruned: [Counter; PruneReason::ALL.len()],
    /// Bytes of the database that hold something, as of the last look.
    pub used_bytes: AtomicU64,
}

impl KeepMeter {
    pub(super) fn used_bytes(&self, bytes: u64) {
        self.used_bytes.store(bytes, Relaxed);
    }
}

impl Keep {
    pub(super) fn new(store: Store, rooms: &[RoomRow], retention: Retention) -> Arc<Self> {
        Arc::new(Self {
            shelves: Shelves::of(rooms),
            import: Mutex::default(),
            retention: Mutex::new(Arc::new(retention)),
            forgotten: Mutex::default(),
            store,
            meter: KeepMeter {
                commit_seconds: Histogram::new(&COMMIT),
                refused: Counter::default(),
                errors: PerLabel::default(),
                checkpoints: Counter::default(),
                checkpoint_errors: Counter::default(),
                turn_messages: Histogram::new(&TURN),
                pruned: Default::default(),
                used_bytes: AtomicU64::new(0),
            },
            gate: Gate::default(),
            trouble: Mutex::default(),
            read_errors: AtomicU64::new(0),
            fresh: AtomicU64::new(0),
            stopping: (Mutex::new(false), Condvar::new()),
        })
    }

    /// What the store is in, if messages cannot be kept now.
    pub fn trouble(&self) -> Option<InTrouble> {
        lock(&self.trouble).clone()
    }

    pub(super) fn fail(&self, error: StoreError) {
        self.meter.errors.count(error.trouble as usize);
        let mut trouble = lock(&self.trouble);
        let is_new = trouble
            .as_ref()
            .is_none_or(|known| known.error.trouble != error.trouble);
        if is_new {
            tracing::error!(
                event = "history.trouble",
                trouble = error.trouble.as_str(),
                path = %self.store.files().database.display(),
                %error,
                "messages to rooms are refused until it is over"
            );
        }
        let since = trouble
            .as_ref()
            .map_or_else(Instant::now, |known| known.since);
        *trouble = Some(InTrouble { error, since });
    }

    /// A reader could not read.
    pub(super) fn reading_failed(&self, error: &StoreError) {
        self.read_errors.fetch_add(1, Relaxed);
        tracing::error!(
            event = "history.unreadable",
            trouble = error.trouble.as_str(),
            path = %self.store.files().database.display(),
            %error,
            "whoever is behind waits, or is told that the messages are gone"
        );
    }

    /// Times that the store could not be read.
    pub fn read_errors(&self) -> u64 {
        self.read_errors.load(Relaxed)
    }

    pub(super) fn mended(&self) {
        if let Some(over) = lock(&self.trouble).take() {
            let seconds = over.since.elapsed().as_secs_f64();
            tracing::warn!(
                event = "history.mended",
                seconds,
                "messages to rooms are taken again"
            );
        }
    }

    /// About so many bytes more are in the write-ahead log.
    pub(super) fn appended(&self, bytes: u64) {
        self.fresh.fetch_add(bytes, Relaxed);
    }

    /// About how many since the last call of [`Keep::take_fresh`].
    pub(super) fn fresh(&self) -> u64 {
        self.fresh.load(Relaxed)
    }

    pub(super) fn take_fresh(&self) -> u64 {
        self.fresh.swap(0, Relaxed)
    }

    /// How much is kept.
    pub fn retention(&self) -> Arc<Retention> {
        lock(&self.retention).clone()
    }

    /// Keeps so much from now on.
    pub fn set_retention(&self, retention: Retention) {
        *lock(&self.retention) = Arc::new(retention);
    }

    /// What the store has of a room.
    pub fn shelf(&self, key: RoomKey) -> Option<Arc<Shelf>> {
        self.shelves.get(key)
    }

    /// What the store has of every room, by key.
    pub fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.shelves.all()
    }

    /// Lets a room go that has no messages any more and is not in memory. Its row goes with the next
    /// turn, before anything is written to a room of the same name.
    ///
    /// # Errors
    /// The system gives no random bits; everything is as it was.
    pub fn forget(&self, key: RoomKey) -> Result<(), StoreError> {
        self.store.change_seed()?;
        self.shelves.remove(key);
        lock(&self.forgotten).push(key);
        Ok(())
    }

    pub(super) fn forgotten(&self) -> Vec<RoomKey> {
        lock(&self.forgotten).clone()
    }

    pub(super) fn have_gone(&self, keys: &[RoomKey]) {
        lock(&self.forgotten).retain(|key| !keys.contains(key));
    }

    pub(super) fn note_import(&self, key: Option<RoomKey>) {
        *lock(&self.import) = key;
    }

    /// Whether a room is being brought in under this key.
    pub(super) fn imports(&self, key: RoomKey) -> bool {
        *lock(&self.import) == Some(key)
    }

    /// Ends the helpers.
    pub(super) fn stop(&self) {
        *lock(&self.stopping.0) = true;
        self.stopping.1.notify_all();
    }

    /// Waits, and says whether the helpers are to end.
    pub(super) fn stops_within(&self, wait: Duration) -> bool {
        let stopping = lock(&self.stopping.0);
        let waited = self
            .stopping
            .1
            .wait_timeout_while(stopping, wait, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of two may write: the committer, who comes all the time, or a helper, who comes seldom and
/// then is let in next.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    is_writing: bool,
    is_held: bool,
}

/// Being inside. Leaves when dropped.
#[derive(Debug)]
pub(super) struct Inside<'g> {
    gate: &'g Gate,
    as_helper: bool,
}

impl Gate {
    /// The committer comes in. Waits while a helper is inside or wants to be.
    pub(super) fn enter(&self) -> Inside<'_> {
        let state = lock(&self.state);
        let waited = self.moved.wait_while(state, |state| state.is_held);
        waited.unwrap_or_else(PoisonError::into_inner).is_writing = true;
        Inside {
            gate: self,
            as_helper: false,
        }
    }

    /// A helper comes in, when no other is there.
    pub(super) fn hold(&self) -> Inside<'_> {
        let state = lock(&self.state);
        let waited = self.moved.wait_while(state, |state| state.is_held);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_held = true;
        let waited = self.moved.wait_while(state, |state| state.is_writing);
        drop(waited);
        Inside {
            gate: self,
            as_helper: true,
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        if self.as_helper {
            state.is_held = false;
        } else {
            state.is_writing = false;
            if !state.is_held {
                // Nobody waits for the committer to leave.
                return;
            }
        }
        drop(state);
        self.gate.moved.notify_all();
    }
}
