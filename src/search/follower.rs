//! The thread that brings the index up to what was committed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::index::{Index, Standing};
use crate::event::{Message, Seq};
use crate::store::{Reader, RoomRow, StoreError};

/// Messages of one chunk.
const CHUNK: u64 = 256;
/// Bytes of texts after which a chunk ends early.
const CHUNK_BYTES: usize = 256 * 1024;
/// Numbers that are taken out at once.
const REMOVED: u64 = 1024;
/// How long it rests when there is nothing to do, and when it cannot.
const REST: Duration = Duration::from_millis(200);
/// How much it lets others go before: a delivery never waits for a search that nobody makes.
const NICE: i32 = 10;

/// What the follower says of itself.
#[derive(Debug, Default)]
pub(super) struct Progress {
    lag: AtomicU64,
    indexed: AtomicU64,
    trouble: Mutex<Option<StoreError>>,
    stopping: Mutex<bool>,
    stop: Condvar,
}

impl Progress {
    pub(super) fn lag(&self) -> u64 {
        self.lag.load(Relaxed)
    }

    pub(super) fn indexed(&self) -> u64 {
        self.indexed.load(Relaxed)
    }

    pub(super) fn trouble(&self) -> Option<StoreError> {
        lock(&self.trouble).clone()
    }

    fn stops_within(&self, rest: Duration) -> bool {
        let waited = self
            .stop
            .wait_timeout_while(lock(&self.stopping), rest, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Notes trouble, and logs it when it begins and when it ends.
    fn note(&self, now: Option<StoreError>) {
        let mut known = lock(&self.trouble);
        match (&*known, &now) {
            (None, Some(error)) => {
                tracing::warn!(event = "search.trouble", %error, "what is said now is not found until it is over");
            }
            (Some(_), None) => tracing::info!(event = "search.mended"),
            _ => {}
        }
        *known = now;
    }
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Follower {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        *lock(&self.progress.stopping) = true;
        self.progress.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was told by the hook; the index is as good as its last commit.
            drop(thread.join());
        }
    }
}

impl Follower {
    pub(super) fn start(
        path: PathBuf,
        reader: Reader,
        progress: Arc<Progress>,
    ) -> std::io::Result<Self> {
        let shared = progress.clone();
        let thread = std::thread::Builder::new()
            .name("search".to_owned())
            .spawn(move || run(&path, &reader, &shared))?;
        Ok(Self {
            progress,
            thread: Some(thread),
        })
    }
}

fn run(path: &std::path::Path, reader: &Reader, progress: &Progress) {
    // Of this thread alone, on Linux. Where it is refused the thread is only less polite.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut index = None;
    let mut rest = Duration::ZERO;
    while !progress.stops_within(rest) {
        let went = open(&mut index, path).and_then(|index| round(index, reader, progress));
        rest = match went {
            Ok(true) => Duration::ZERO,
            _ => REST,
        };
        if went.is_err() {
            index = None;
        }
        progress.note(went.err());
    }
}

fn open<'i>(
    index: &'i mut Option<Index>,
    path: &std::path::Path,
) -> Result<&'i mut Index, StoreError> {
    match index {
        Some(index) => Ok(index),
        None => Ok(index.insert(Index::open(path)?)),
    }
}

/// Each room that is behind gets one chunk: no large room keeps the others waiting. True if there is
/// more to do.
pub(super) fn round(
    index: &mut Index,
    reader: &Reader,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let mut lag = 0;
    let rooms = reader.rooms(None, usize::MAX)?;
    let keys: Vec<_> = rooms.iter().map(|room| room.key).collect();
    index.keep_only(&keys)?;
    for room in rooms {
        let left = follow(index, reader, &room, progress)?;
        lag += left;
        if *lock(&progress.stopping) {
            break;
        }
    }
    progress.lag.store(lag, Relaxed);
    Ok(lag > 0)
}

/// One step for one room; how many messages are left to be put in.
fn follow(
    index: &mut Index,
    reader: &Reader,
    room: &RoomRow,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let fresh = Standing {
        epoch: room.epoch,
        first: room.first,
        complete_to: room.first - 1,
    };
    let standing = match index.standing(room.key)? {
        None => fresh,
        Some(known) if known.epoch == room.epoch => known,
        // Its numbers mean other messages now.
        Some(known) => {
            index.remove(room.key, 1..=known.complete_to.max(1), fresh)?;
            fresh
        }
    };
    if standing.first < room.first && standing.complete_to >= standing.first {
        return shrink(index, room, standing);
    }
    let before = standing.complete_to.max(room.first - 1);
    if before >= room.head {
        return Ok(0);
    }
    let to = room.head.min(before + CHUNK);
    let mut messages = reader.range(room.key, before + 1..=to)?;
    let to = cut(&mut messages).unwrap_or(to);
    let next = Standing {
        complete_to: to,
        first: standing.first.max(room.first),
        ..standing
    };
    index.add(room.key, next, &messages)?;
    progress.indexed.fetch_add(messages.len() as u64, Relaxed);
    Ok(room.head - to)
}

/// Takes out some of what retention has taken.
fn shrink(index: &mut Index, room: &RoomRow, standing: Standing) -> Result<u64, StoreError> {
    let gone = (room.first - 1).min(standing.complete_to);
    let to = gone.min(standing.first + REMOVED - 1);
    let next = if to == standing.complete_to {
        room.first
    } else {
        to + 1
    };
    let after = Standing {
        first: next,
        ..standing
    };
    index.remove(room.key, standing.first..=to, after)?;
    let behind = standing.complete_to.max(room.first - 1);
    Ok((room.head - behind).max(u64::from(next < room.first)))
}

/// Leaves what fits into a chunk; the last number of that, if something was cut off.
fn cut(messages: &mut Vec<Arc<Message>>) -> Option<Seq> {
    let mut bytes = 0;
    let fits = messages
        .iter()
        .take_while(|message| {
            let fits = bytes < CHUNK_BYTES;
            bytes += message.text.len();
            fits
        })
        .count();
    let is_cut = fits < messages.len();
    messages.truncate(fits);
    messages.last().filter(|_| is_cut).map(|last| last.seq)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
