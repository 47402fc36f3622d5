//! What the store has of each room, as far as everybody may know it without a look at the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::Seq;
use crate::name::RoomName;
use crate::store::{RoomKey, RoomRow};

/// A room in the store. The committer alone changes it, but for what is given up.
#[derive(Debug)]
pub struct Shelf {
    /// Its row.
    pub key: RoomKey,
    /// Its name.
    pub name: RoomName,
    first: AtomicU64,
    head: AtomicU64,
    bytes: AtomicU64,
    /// When a message was numbered, and which: so that the oldest is looked up once.
    time: Mutex<Option<(Seq, i64)>>,
}

impl Shelf {
    /// The oldest number that can be read; `head` + 1 when there is none.
    pub fn first(&self) -> Seq {
        self.first.load(Ordering::Acquire)
    }

    /// The last number that was written.
    pub fn head(&self) -> Seq {
        self.head.load(Ordering::Acquire)
    }

    /// What its messages cost.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Messages that are kept.
    pub fn messages(&self) -> u64 {
        (self.head() + 1).saturating_sub(self.first())
    }

    /// Nothing below this number can be read any more.
    pub(super) fn begin_at(&self, first: Seq) {
        self.first.fetch_max(first, Ordering::AcqRel);
    }

    pub(super) fn grow(&self, head: Seq, bytes: u64) {
        self.head.store(head, Ordering::Release);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// When its oldest message was numbered, if that is known.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        let time = *self.time.lock().unwrap_or_else(PoisonError::into_inner);
        time.filter(|(seq, _)| *seq == self.first())
            .map(|(_, ms)| ms)
    }

    pub(super) fn note_time(&self, seq: Seq, ms: i64) {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = Some((seq, ms));
    }

    pub(super) fn shrink(&self, bytes: u64) {
        let shrunk = self.bytes().saturating_sub(bytes);
        self.bytes.store(shrunk, Ordering::Relaxed);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Shelves(Mutex<BTreeMap<RoomKey, Arc<Shelf>>>);

impl Shelves {
    pub(super) fn of(rows: &[RoomRow]) -> Self {
        let shelves = Self::default();
        for row in rows {
            let shelf = shelves.add(row.key, &row.name, row.first);
            shelf.grow(row.head, row.bytes);
        }
        shelves
    }

    pub(super) fn add(&self, key: RoomKey, name: &RoomName, first: Seq) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf {
            key,
            name: name.clone(),
            first: AtomicU64::new(first),
            head: AtomicU64::new(first - 1),
            bytes: AtomicU64::new(0),
            time: Mutex::new(None),
        });
        self.map().insert(key, shelf.clone());
        shelf
    }

    pub(super) fn get(&self, key: RoomKey) -> Option<Arc<Shelf>> {
        self.map().get(&key).cloned()
    }

    pub(super) fn remove(&self, key: RoomKey) {
        self.map().remove(&key);
    }

    pub(super) fn all(&self) -> Vec<Arc<Shelf>> {
        self.map().values().cloned().collect()
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<RoomKey, Arc<Shelf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
