//! Full-text search: an index of what is in the store, in a file of its own.
//!
//! # Rules
//! 1. One thread, the follower, reads what was committed and puts it into the index, a chunk at a
//!    time. Nothing that commits ever waits for it, and it holds one chunk in memory.
//! 2. The index says of each room up to which number it is complete. What is above that is not
//!    found yet; whoever searches is told.
//! 3. What retention has taken is never found, and leaves the index some time later.
//! 4. The index can be made again from the store. One that is damaged, or that belongs to another
//!    life of a room's numbers, is thrown away and made anew.
//!
//! Absent: who may search, and what rooms are called.

mod follower;
mod index;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::{Message, Seq};
use crate::store::{Reader, RoomRow, StoreError};
use follower::Progress;

pub use follower::Follower;
pub use index::INDEX_SUFFIX;
pub use words::Words;

/// The index as those see it who search. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Search {
    path: PathBuf,
    progress: Arc<Progress>,
}

/// What was found in one room.
#[derive(Clone, Debug)]
pub struct Found {
    /// The newest first.
    pub messages: Vec<Arc<Message>>,
    /// Up to this number everything that fits was found.
    pub complete_to: Seq,
    /// Whether there are older ones that fit.
    pub more: bool,
}

impl Search {
    /// Begins to follow a store with this database, from where the index stopped last time.
    /// `reader` is the follower's own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn follow(database: &Path, reader: Reader) -> std::io::Result<(Self, Follower)> {
        let search = Self {
            path: index::beside(database),
            progress: Arc::default(),
        };
        let follower = Follower::start(search.path.clone(), reader, search.progress.clone())?;
        Ok((search, follower))
    }

    /// The newest messages of a room below `before` that have all the words, at most `limit`.
    ///
    /// # Errors
    /// Index or store cannot be read.
    pub fn find(
        &self,
        reader: &Reader,
        room: &RoomRow,
        words: &Words,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let index = index::Index::look(&self.path)?;
        let complete_to = index.complete_to(room)?;
        let to = before.map_or(complete_to, |before| {
            before.saturating_sub(1).min(complete_to)
        });
        let mut found = if to < room.first {
            Vec::new()
        } else {
            let numbers = room.key.messages(room.first..=to);
            index.find(words, numbers, limit + 1)?
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let mut messages = Vec::new();
        for seq in found {
            // Retention may have taken it a moment ago.
            messages.extend(reader.range(room.key, seq..=seq)?);
        }
        Ok(Found {
            messages,
            complete_to,
            more,
        })
    }

    /// Messages that are in the store and not in the index, as of the follower's last look.
    pub fn lag(&self) -> u64 {
        self.progress.lag()
    }

    /// Messages put into the index since the start.
    pub fn indexed(&self) -> u64 {
        self.progress.indexed()
    }

    /// What keeps the follower from following, if anything does.
    pub fn trouble(&self) -> Option<StoreError> {
        self.progress.trouble()
    }
}
