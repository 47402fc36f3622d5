//! The sessions that ended last: who was cut, when and why.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use super::{Card, Dialect, lock};
use crate::close::Ending;
use crate::event::{GapReason, SessionId};
use crate::name::Nick;

/// How many are remembered; older ones are forgotten.
pub const CLOSED_KEPT: usize = 4096;

/// A session that ended.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its id.
    pub id: SessionId,
    /// Where it came from.
    pub addr: SocketAddr,
    /// What it was called.
    pub nick: Option<Nick>,
    /// How it spoke.
    pub dialect: Dialect,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub connected_ms: i64,
    /// When it ended, in milliseconds since 1970 UTC.
    pub closed_ms: i64,
    /// Why.
    pub ending: Ending,
    /// What was said about it, if something was.
    pub text: Option<Box<str>>,
    /// Messages that it sent.
    pub in_msgs: u64,
    /// Messages written to it.
    pub out_msgs: u64,
    /// Bytes read from it.
    pub in_bytes: u64,
    /// Bytes written to it.
    pub out_bytes: u64,
    /// The furthest it was ever behind, in messages.
    pub lag_peak: u64,
    /// Messages that it was told it will not hear.
    pub gap_msgs: u64,
    /// Why numbers were missing last, if they ever were.
    pub last_gap: Option<GapReason>,
}

impl Closed {
    pub(super) fn new(card: &Card, closed_ms: i64, ending: Ending, text: Option<Box<str>>) -> Self {
        Self {
            id: card.id,
            addr: card.addr,
            nick: card.text().nick,
            dialect: card.dialect(),
            connected_ms: card.connected_ms,
            closed_ms,
            ending,
            text,
            in_msgs: card.in_msgs.get(),
            out_msgs: card.out_msgs.get(),
            in_bytes: card.in_bytes.get(),
            out_bytes: card.out_bytes.get(),
            lag_peak: card.lag_peak.load(Relaxed),
            gap_msgs: card.gap_msgs.get(),
            last_gap: card.last_gap(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Ring(Mutex<VecDeque<Closed>>);

impl Ring {
    pub(super) fn push(&self, closed: Closed) {
        let mut ring = lock(&self.0);
        if ring.len() == CLOSED_KEPT {
            ring.pop_front();
        }
        ring.push_back(closed);
    }

    pub(super) fn all(&self) -> Vec<Closed> {
        lock(&self.0).iter().cloned().collect()
    }
}
