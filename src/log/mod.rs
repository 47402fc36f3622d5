//! Rooms as logs: append → committed, in one order.
//!
//! # Rules
//! 1. The committer ([`Log`]) is the only one that numbers and the only caller of the broadcast's
//!    `send`. In memory that is the critical section of the room: number, push, raise the head, send.
//!    With a store it is one thread: number and write, commit, raise the heads, send, tell the authors.
//!    A failed commit gives no numbers. Of one that failed in its last step nobody hears anything
//!    before the store was opened anew and asked.
//! 2. No number is heard and no ack sent above the committed head ([`Room::head`]). Heads are raised
//!    before `send`, so whoever registers first and reads the head second misses nothing.
//! 3. Appending takes a slot first ([`Log::try_slot`]). It never blocks; a full log says so, and the
//!    session waits in line with [`Log::slots`].
//! 4. Nothing here waits for a lane or a session.
//!
//! Absent: sockets, sessions, encodings for one session only.

mod archive;
mod batch;
mod checkpoints;
mod committer;
mod disk;
mod keep;
mod page;
mod past;
mod pruner;
mod queue;
mod queued;
mod readers;
mod recent;
mod room;
mod roster;
#[cfg(feature = "test-faults")]
mod sabotaged;
mod shelf;
mod tempo;
mod turn;

pub use archive::Archive;
pub use batch::{Batch, Budget, Encoded, Line};
pub use committer::{Appended, Draft, Handout, Log, RETRY_AFTER, Slot};
pub use keep::{InTrouble, Keep, KeepMeter, PruneReason};
pub use page::Page;
pub use readers::{Question, Readers};
pub use room::{Reach, Room, RoomReport};
pub use shelf::Shelf;
