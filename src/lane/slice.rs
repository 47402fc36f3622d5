//! A write of a room's bytes that is not finished.

use std::sync::Arc;

use crate::event::SessionId;
use crate::log::{Encoded, Line};
use crate::wire::Silence;

/// A shared stretch of a room's bytes that a session has taken in part.
#[derive(Debug)]
pub(super) struct Slice {
    /// Whose bytes they are; none once the session has left that room.
    pub(super) room: Option<u64>,
    pub(super) encoded: Arc<Encoded>,
    pub(super) at: usize,
    /// What of the session's own doings is left out.
    pub(super) skip: Option<Skip>,
    /// Whether it was read from the log.
    pub(super) replayed: bool,
}

impl Slice {
    /// Where the line ends that was begun; `at` itself if none was.
    pub(super) fn line_end(&self) -> usize {
        let begins = |at: usize| {
            at == 0
                || self
                    .encoded
                    .lines
                    .binary_search_by_key(&(at as u32), |line| line.end)
                    .is_ok()
        };
        if begins(self.at) {
            self.at
        } else {
            self.encoded.line_end(self.at)
        }
    }
}

/// Whose lines are left out of a write, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) author: SessionId,
    pub(super) silence: Silence,
}

impl Skip {
    pub(super) fn skips(self, line: &Line) -> bool {
        line.author == self.author && (self.silence == Silence::Everything || line.seq.is_none())
    }
}
