//! The messages of one session that wait for their answer.
//!
//! Outcomes may come in any order; they are given out in the order of sending.

use std::collections::VecDeque;

use crate::log::Room;
use crate::mail::Outcome;
use std::sync::Arc;

/// A message that was taken and is not answered.
#[derive(Debug)]
pub struct Pending {
    /// Its number among the messages of this session.
    pub ticket: u64,
    /// What its answer carries back.
    pub label: Option<Box<str>>,
    /// What its answer carries back.
    pub cid: Option<Box<str>>,
    /// The room that it went to.
    pub room: Option<Arc<Room>>,
    /// The person that it went to.
    pub to: Option<Box<str>>,
    /// What became of it.
    pub outcome: Option<Outcome>,
}

/// A queue that is never longer than `limits.unacked`: its owner does not read at that.
#[derive(Debug, Default)]
pub struct Unanswered {
    queue: VecDeque<Pending>,
    next: u64,
}

impl Unanswered {
    /// The number that the next message gets.
    pub fn next_ticket(&self) -> u64 {
        self.next
    }

    /// Takes one in. Its ticket is [`Unanswered::next_ticket`].
    pub fn push(&mut self, pending: Pending) {
        debug_assert_eq!(pending.ticket, self.next);
        self.next += 1;
        self.queue.push_back(pending);
    }

    /// Notes what became of one.
    pub fn resolve(&mut self, ticket: u64, outcome: Outcome) {
        let Some(first) = self.queue.front() else {
            return;
        };
        let at = ticket
            .checked_sub(first.ticket)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(pending) = at.and_then(|at| self.queue.get_mut(at)) {
            pending.outcome = Some(outcome);
        }
    }

    /// The oldest, if its answer is known.
    pub fn pop_answered(&mut self) -> Option<Pending> {
        self.queue.front()?.outcome.as_ref()?;
        let answered = self.queue.pop_front();
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        answered
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(ticket: u64) -> Pending {
        Pending {
            ticket,
            label: None,
            cid: None,
            room: None,
            to: None,
            outcome: None,
        }
    }

    #[test]
    fn answers_come_in_the_order_of_sending() {
        let mut unanswered = Unanswered::default();
        for ticket in 0..3 {
            unanswered.push(pending(ticket));
        }
        let outcome = Outcome::Delivered {
            time_ms: 1,
            duplicate: false,
        };
        unanswered.resolve(1, outcome.clone());
        assert!(unanswered.pop_answered().is_none());
        unanswered.resolve(0, outcome.clone());
        assert_eq!(unanswered.pop_answered().map(|p| p.ticket), Some(0));
        assert_eq!(unanswered.pop_answered().map(|p| p.ticket), Some(1));
        assert!(unanswered.pop_answered().is_none());
        unanswered.resolve(9, outcome);
        assert_eq!(unanswered.len(), 1);
    }
}
