//! The lines and the connections that were refused last, and what was wrong with them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;

use super::{Dialect, Hub, lock};
use crate::close::Refusal;
use crate::event::SessionId;
use crate::fault::Rejection;
use crate::name::Nick;

/// How many of each are remembered; older ones are forgotten.
pub const REFUSALS_KEPT: usize = 256;

/// A line that was refused.
#[derive(Clone, Debug)]
pub struct RefusedLine {
    /// When, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Whose line.
    pub session: SessionId,
    /// Where they come from.
    pub addr: IpAddr,
    /// What they are called.
    pub nick: Option<Nick>,
    /// How they speak.
    pub dialect: Dialect,
    /// Why.
    pub rejection: Rejection,
    /// How long it was, in bytes; 0 if it was not one line.
    pub bytes: usize,
    /// The byte at which it went wrong, where that is known.
    pub offset: Option<usize>,
    /// What stood there, with every letter and digit made unreadable.
    pub excerpt: Box<str>,
}

/// A connection that was refused before it was a session.
#[derive(Clone, Copy, Debug)]
pub struct RefusedConnection {
    /// When, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Where it came from.
    pub addr: IpAddr,
    /// Why.
    pub refusal: Refusal,
}

#[derive(Debug, Default)]
pub(super) struct Refusals {
    lines: Mutex<VecDeque<RefusedLine>>,
    connections: Mutex<VecDeque<RefusedConnection>>,
}

impl Hub {
    /// Remembers a line that was refused.
    pub fn note_refused_line(&self, line: RefusedLine) {
        push(&self.refusals.lines, line);
    }

    /// Remembers a connection that was refused.
    pub fn note_refused_connection(&self, connection: RefusedConnection) {
        push(&self.refusals.connections, connection);
    }

    /// The lines that were refused last, newest last.
    pub fn refused_lines(&self) -> Vec<RefusedLine> {
        lock(&self.refusals.lines).iter().cloned().collect()
    }

    /// The connections that were refused last, newest last.
    pub fn refused_connections(&self) -> Vec<RefusedConnection> {
        lock(&self.refusals.connections).iter().copied().collect()
    }
}

fn push<T>(ring: &Mutex<VecDeque<T>>, one: T) {
    let mut ring = lock(ring);
    if ring.len() == REFUSALS_KEPT {
        ring.pop_front();
    }
    ring.push_back(one);
}
