//! Who is in a room.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use crate::name::Nick;

/// Names by their case folds. Several basic sessions may share one.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<String, Seat>);

#[derive(Debug)]
struct Seat {
    nick: Nick,
    sessions: usize,
}

impl Roster {
    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One more session has this name. True if it is the first.
    pub(super) fn enter(&mut self, nick: &Nick) -> bool {
        let seat = self.0.entry(fold(nick.as_str())).or_insert_with(|| Seat {
            nick: nick.clone(),
            sessions: 0,
        });
        seat.sessions += 1;
        seat.sessions == 1
    }

    /// One session fewer has this name. True if it was the last.
    pub(super) fn leave(&mut self, nick: &Nick) -> bool {
        let key = fold(nick.as_str());
        let Some(seat) = self.0.get_mut(&key) else {
            return false;
        };
        seat.sessions -= 1;
        let is_gone = seat.sessions == 0;
        if is_gone {
            self.0.remove(&key);
        }
        is_gone
    }

    /// At most `limit` names after `after`, in the order of their case folds, and whether there are more.
    pub(super) fn names(&self, after: Option<&str>, limit: usize) -> (Vec<Nick>, bool) {
        let from = after.map(fold);
        let bound = from.as_ref().map_or(Unbounded, Excluded);
        let mut seats = self.0.range::<String, _>((bound, Unbounded));
        let names = seats.by_ref().take(limit);
        let names = names.map(|(_, seat)| seat.nick.clone()).collect();
        (names, seats.next().is_some())
    }
}

fn fold(nick: &str) -> String {
    nick.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nick(name: &str) -> Nick {
        Nick::new(name).unwrap()
    }

    #[test]
    fn a_name_that_several_share_is_there_until_the_last_has_left() {
        let mut roster = Roster::default();
        assert!(roster.enter(&nick("Alice")));
        assert!(!roster.enter(&nick("alice")));
        assert!(!roster.leave(&nick("ALICE")));
        assert_eq!(roster.len(), 1);
        assert!(roster.leave(&nick("alice")));
        assert!(!roster.leave(&nick("alice")));
        assert_eq!(roster.len(), 0);
    }

    #[test]
    fn names_are_read_page_by_page_whatever_their_case() {
        let mut roster = Roster::default();
        for name in ["bob", "Alice", "Carol"] {
            roster.enter(&nick(name));
        }
        let (first, more) = roster.names(None, 2);
        assert_eq!((first, more), (vec![nick("Alice"), nick("bob")], true));
        let (rest, more) = roster.names(Some("BOB"), 2);
        assert_eq!((rest, more), (vec![nick("Carol")], false));
    }
}
