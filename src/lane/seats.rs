//! The sessions of a lane, and beside each the little that the live path needs of it.
//!
//! A delivery is one write. What it touches besides decides what it costs, because with a thousand
//! members nothing is in the cache any more: so sockets stand side by side, apart from everything
//! else that a session is.

use std::ops::{Index, IndexMut};

use slab::Slab;

use super::Conn;
use super::seat::Seat;
use crate::log::Encoded;

/// All sessions of a lane, by index.
///
/// Invariant: a seat is *plain* only if nothing waits to be written to it and nothing has to be
/// looked at after a write. Whoever gets at a seat to change it makes it not plain; only
/// [`Seats::settle`] makes it plain again.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: Slab<Seat>,
    /// By the same index: whoever is put into one is put into the other.
    sockets: Slab<Socket>,
}

/// What the live path touches.
#[derive(Debug)]
struct Socket {
    conn: Conn,
    is_plain: bool,
    /// Written on the short path and not yet noted on the session's card.
    messages: u64,
    bytes: u64,
}

/// What came of a write on the short path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it went out.
    All,
    /// So many bytes went out; the session is not plain any more.
    Part(usize),
    /// The session is not plain.
    Nothing,
}

impl Seats {
    pub(super) fn insert(&mut self, seat: Seat, conn: Conn) -> usize {
        let at = self.seats.insert(seat);
        let beside = self.sockets.insert(Socket {
            conn,
            is_plain: false,
            messages: 0,
            bytes: 0,
        });
        debug_assert_eq!(at, beside, "both are filled and emptied alike");
        at
    }

    /// Ends a session: its socket is closed.
    pub(super) fn remove(&mut self, at: usize) -> Seat {
        self.complicate(at);
        self.sockets.remove(at);
        self.seats.remove(at)
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        self.seats.contains(at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Seat> {
        if self.contains(at) {
            self.complicate(at);
        }
        self.seats.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Seat)> {
        self.seats.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Seat)> {
        self.note_all();
        for (_, socket) in &mut self.sockets {
            socket.is_plain = false;
        }
        self.seats.iter_mut()
    }

    /// The socket of a session.
    pub(super) fn conn(&mut self, at: usize) -> &mut Conn {
        self.complicate(at);
        &mut self.sockets[at].conn
    }

    /// A session with its socket.
    pub(super) fn with_conn(&mut self, at: usize) -> (&mut Seat, &mut Conn) {
        self.complicate(at);
        (&mut self.seats[at], &mut self.sockets[at].conn)
    }

    /// Makes a session plain if it is one to which there is nothing more than writing.
    pub(super) fn settle(&mut self, at: usize) {
        self.sockets[at].is_plain = self.seats[at].is_plain();
    }

    /// Writes to a plain session, without looking at it.
    ///
    /// An error of the socket counts as nothing sent: the long way meets it again.
    pub(super) fn send(&mut self, at: usize, encoded: &Encoded) -> Sent {
        let socket = &mut self.sockets[at];
        if !socket.is_plain {
            return Sent::Nothing;
        }
        match socket.conn.try_write(&encoded.bytes) {
            Ok(count) if count == encoded.bytes.len() => {
                socket.messages += encoded.messages;
                socket.bytes += count as u64;
                Sent::All
            }
            Ok(count) => {
                self.complicate(at);
                Sent::Part(count)
            }
            Err(_) => {
                self.complicate(at);
                Sent::Nothing
            }
        }
    }

    /// Brings all cards up to date.
    pub(super) fn note_all(&mut self) {
        for (at, seat) in &self.seats {
            self.sockets[at].note(seat);
        }
    }

    /// From here on a session is looked at before it is written to.
    fn complicate(&mut self, at: usize) {
        let socket = &mut self.sockets[at];
        socket.is_plain = false;
        if let Some(seat) = self.seats.get(at) {
            socket.note(seat);
        }
    }
}

impl Socket {
    fn note(&mut self, seat: &Seat) {
        if self.bytes > 0 {
            seat.card.out_msgs.add(std::mem::take(&mut self.messages));
            seat.card.out_bytes.add(std::mem::take(&mut self.bytes));
        }
    }
}

impl Index<usize> for Seats {
    type Output = Seat;

    fn index(&self, at: usize) -> &Seat {
        &self.seats[at]
    }
}

impl IndexMut<usize> for Seats {
    fn index_mut(&mut self, at: usize) -> &mut Seat {
        self.complicate(at);
        &mut self.seats[at]
    }
}
