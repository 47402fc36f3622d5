//! An operator's work on the store, beside the committer and in small turns.

use std::sync::Arc;
use std::time::Duration;

use super::keep::Keep;
use super::queued::or_abort;
use super::shelf::Shelf;
use crate::event::Seq;
use crate::store::{Archivist, Leaving, NewMessage, RoomKey, RoomRow, StoreError};

/// Messages that are cleared away in one turn.
const STEP: u64 = 512;
/// How long the committer is left alone between two turns.
const PAUSE: Duration = Duration::from_millis(2);

/// The hand that does it. Each call keeps the committer out for a moment; so it is for threads that
/// may wait.
#[derive(Debug)]
pub struct Archive {
    keep: Arc<Keep>,
    archivist: Archivist,
}

impl Archive {
    /// A hand for one work.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn open(keep: &Arc<Keep>) -> Result<Self, StoreError> {
        Ok(Self {
            archivist: keep.store.archivist()?,
            keep: keep.clone(),
        })
    }

    /// Nothing up to this number can be read any more, from one moment to the next and for ever. The
    /// messages are left lying.
    ///
    /// # Errors
    /// The store is in trouble; the room is as it was.
    pub fn prune(&mut self, shelf: &Shelf, to: Seq) -> Result<(), StoreError> {
        let to = to.min(shelf.head());
        {
            let _alone = self.keep.gate.hold();
            self.archivist.begin_above(shelf.key, to)?;
        }
        shelf.begin_at(to + 1);
        Ok(())
    }

    /// Clears away what lies there and nobody can read. Ends early with the daemon: the next start
    /// goes on.
    ///
    /// # Errors
    /// The store is in trouble; what is left stays for the next time.
    pub fn clear(&mut self) -> Result<u64, StoreError> {
        let mut cleared = 0;
        for leaving in self.leavings()? {
            loop {
                let (count, bytes) = {
                    let _alone = self.keep.gate.hold();
                    self.archivist.clear(leaving, STEP)?
                };
                if let Leaving::Below(key, _) = leaving
                    && let Some(shelf) = self.keep.shelf(key)
                {
                    shelf.shrink(bytes);
                }
                cleared += count;
                if self.keep.stops_within(PAUSE) {
                    return Ok(cleared);
                }
                if count < STEP {
                    break;
                }
            }
        }
        Ok(cleared)
    }

    fn leavings(&self) -> Result<Vec<Leaving>, StoreError> {
        // An import is noted before its key can be seen from here.
        let _alone = self.keep.gate.hold();
        let mut leavings = self.archivist.leavings()?;
        leavings
            .retain(|leaving| !matches!(leaving, Leaving::Import(key) if self.keep.imports(*key)));
        Ok(leavings)
    }

    /// A key for a room that is brought in.
    ///
    /// # Errors
    /// The store is in trouble.
    pub fn begin_import(&mut self) -> Result<RoomKey, StoreError> {
        let _alone = self.keep.gate.hold();
        let key = self.archivist.begin_import()?;
        self.keep.note_import(Some(key));
        Ok(key)
    }

    /// Puts messages under the key.
    ///
    /// # Errors
    /// The store is in trouble; nothing was put.
    pub fn bring<'a>(
        &mut self,
        room: RoomKey,
        messages: impl IntoIterator<Item = (Seq, i64, NewMessage<'a>)>,
    ) -> Result<(), StoreError> {
        let _alone = self.keep.gate.hold();
        self.archivist.bring(room, messages)
    }

    /// The import is a room from now on.
    ///
    /// # Errors
    /// The store is in trouble; it is no room.
    pub fn end_import(&mut self, room: &RoomRow) -> Result<(), StoreError> {
        {
            let _alone = self.keep.gate.hold();
            self.archivist.end_import(room)?;
        }
        let shelf = self.keep.shelves.add(room.key, &room.name, room.first);
        shelf.grow(room.head, room.bytes);
        self.keep.note_import(None);
        Ok(())
    }

    /// The import will not come to its end: what was brought is cleared away.
    ///
    /// # Errors
    /// The store is in trouble; the next start clears it away.
    pub fn give_up_import(&mut self) -> Result<u64, StoreError> {
        self.keep.note_import(None);
        self.clear()
    }
}

/// Clears away, once, what an earlier life of the daemon has left lying.
///
/// # Errors
/// The system gives no thread.
pub(super) fn clear_at_start(keep: &Arc<Keep>) -> std::io::Result<()> {
    let keep = keep.clone();
    std::thread::Builder::new()
        .name("archive".to_owned())
        .spawn(move || {
            or_abort(|| {
                let cleared = Archive::open(&keep).and_then(|mut archive| archive.clear());
                match cleared {
                    Ok(0) => {}
                    Ok(messages) => tracing::info!(event = "history.cleared", messages),
                    Err(error) => tracing::warn!(event = "history.not_cleared", %error),
                }
            });
        })
        .map(drop)
}
