//! Rooms on disk: one SQLite file that a daemon alone writes, in transactions of many messages.
//!
//! # Rules
//! 1. One writer ([`Writer`]), kept alone by a lock on a file beside the database. Everybody else
//!    reads, on a connection of their own ([`Reader`]); a read is one short transaction and never
//!    outlives the call.
//! 2. A turn ([`Writer::begin`]) holds messages of any number of rooms and is committed whole or not
//!    at all. Dropping it takes it back. What an error on [`Turn::commit`] means, [`Failed`] says.
//! 3. A room's head is a column of its row, and so is its first kept number: nothing is counted to
//!    find them. A message's key is its room and number in one integer, so that a room's messages lie
//!    side by side, in order, and appending one is one insert into one tree.
//! 4. Every row carries a sum of its content. What does not match it is damage, and is never served.
//! 5. Commits of `process` wait for no disk; those of `disk` do. The write-ahead log is brought into
//!    the database by somebody else's connection ([`Checkpointer`]), and is bounded.
//! 6. SQLite drops a damaged or deleted end of its log without a word. A witness beside it counts the
//!    turns, so that a start notices, and says so.
//!
//! # Which life of the numbering
//! Each room has an epoch, 64 random bits. All rooms get new ones at a start ([`Opened::anew`]) when
//! numbers could come twice: the file was restored or repaired, or the machine went down in the middle
//! of a life whose commits did not wait for the disk. Not after `kill -9`: what was committed is in
//! the hands of the kernel. A room that has no messages has no row; its epoch follows from its name
//! and from a number of the store ([`Store::epoch_of_new`]), and so is the same after a restart.
//!
//! # Using it
//! ```
//! use chatd::event::{Durability, SessionId};
//! use chatd::name::{Nick, RoomName};
//! use chatd::store::{NewMessage, Opened, Span, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("history.db");
//! let Opened { store, mut writer, rooms, .. } = Store::open(&path, Durability::Process)?;
//! assert!(rooms.is_empty());
//!
//! let name = RoomName::new("lobby").unwrap();
//! let nick = Nick::new("ann").unwrap();
//! let mut turn = writer.begin()?;
//! let room = turn.make_room(&name, store.epoch_of_new(&name))?;
//! let hello = NewMessage::new(SessionId(7), &nick, "hello");
//! turn.append(room, 1, 1_700_000_000_000, &hello)?;
//! turn.settle(room, 1, hello.cost())?;
//! turn.commit().map_err(|failed| failed.error)?;
//!
//! let page = store.reader()?.page(room, Span::Latest, 100)?;
//! assert_eq!((page[0].seq, &*page[0].text), (1, "hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Absent: sockets, lanes, queues, and who may read what.

mod archive;
mod check;
mod checkpoint;
mod error;
mod files;
mod key;
mod life;
mod open;
mod prune;
mod reader;
mod retries;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod witness;
mod writer;

pub use archive::{Archivist, Leaving};
pub use checkpoint::{Checkpointer, Progress};
pub use error::{StoreError, Trouble};
pub use files::{Disk, StoreFiles};
pub use life::Anew;
pub use open::{Opened, Store};
pub use prune::Pruned;
pub use reader::{Reader, Span};
pub use retries::Remembered;
pub use row::{NewMessage, RoomKey, RoomRow, SEQ_END};
pub use writer::{Failed, Turn, Writer};
