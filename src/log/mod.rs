//! Rooms as logs: append → committed, in one order.
//!
//! # Rules
//! 1. The committer ([`Log`]) is the only one that numbers and the only caller of the broadcast's
//!    `send`. In memory that is the critical section of the room: number, push, raise the head, send.
//! 2. No number is heard and no ack sent above the committed head ([`Room::head`]). Heads are raised
//!    before `send`, so whoever registers first and reads the head second misses nothing.
//! 3. Appending takes a slot first ([`Log::try_slot`]). It never blocks; a full log says so, and the
//!    session waits in line with [`Log::slots`].
//! 4. Nothing here waits for a lane or a session.
//!
//! Absent: sockets, sessions, encodings for one session only.

mod batch;
mod committer;
#[cfg(feature = "test-faults")]
mod delayed;
mod room;

pub use batch::{Batch, Budget, Encoded, Line};
pub use committer::{Appended, Draft, Handout, Log, Slot};
pub use room::{Reach, Room, RoomReport};
