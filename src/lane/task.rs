//! The task of a session.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::SharedLane;
use crate::close::CloseReason;

/// One session's steps until it has ended, and its end also when a step panics.
///
/// Written by hand for its size: the runtime keeps each task in memory of its own, in steps of
/// 128 bytes. Two words fit into the first step beside what the runtime needs; what a compiler makes
/// of an `async` block with a guard in it takes three steps.
pub(super) struct Task {
    /// None once it has ended.
    lane: Option<SharedLane>,
    at: usize,
}

impl Task {
    pub(super) fn new(lane: SharedLane, at: usize) -> Self {
        Self {
            lane: Some(lane),
            at,
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let poll = match &self.lane {
            Some(lane) => lane.borrow_mut().poll(at, cx),
            None => Poll::Ready(()),
        };
        if poll.is_ready() {
            self.lane = None;
        }
        poll
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(lane) = &self.lane
            && let Ok(mut lane) = lane.try_borrow_mut()
        {
            lane.abandon(self.at, CloseReason::InternalError);
        }
    }
}
