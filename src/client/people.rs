//! Who was met lately, for whoever completes their names.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::item::{Change, Item};
use crate::escape::visible;

/// Names that are kept; the one that was met longest ago goes first.
const KEPT: usize = 500;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct People {
    /// The one met last is last.
    met: Mutex<VecDeque<String>>,
}

impl People {
    /// Takes the names out of what is shown.
    pub(super) fn meet(&self, item: &Item) {
        match item {
            Item::Said { username, .. } | Item::Private { username, .. } => self.met_one(username),
            Item::Presence { change, .. } => match change {
                Change::Joined(nick) | Change::Left(nick, _) => self.met_one(nick),
                Change::Renamed(_, nick) => self.met_one(nick),
            },
            Item::Joined {
                members: Some(members),
                ..
            }
            | Item::Names { members, .. } => {
                members.iter().for_each(|nick| self.met_one(nick));
            }
            _ => {}
        }
    }

    /// Names that begin so, without regard to ASCII case; the one met last comes first.
    pub(super) fn beginning(&self, begun: &str) -> Vec<String> {
        let begins = |nick: &&String| {
            nick.get(..begun.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(begun))
        };
        self.met
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .rev()
            .filter(begins)
            .cloned()
            .collect()
    }

    fn met_one(&self, nick: &str) {
        // Completed names are shown and typed as they are.
        if visible(nick) != nick {
            return;
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        match met.iter().position(|known| known == nick) {
            Some(at) => drop(met.remove(at)),
            None if met.len() >= KEPT => drop(met.pop_front()),
            None => {}
        }
        met.push_back(nick.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(nick: &str) -> Item {
        Item::Said {
            room: None,
            username: nick.to_owned(),
            text: String::new(),
        }
    }

    #[test]
    fn whoever_spoke_last_comes_first() {
        let people = People::default();
        for nick in ["Bob", "alice", "bobby", "Bob"] {
            people.meet(&says(nick));
        }
        assert_eq!(people.beginning("bo"), ["Bob", "bobby"]);
        assert_eq!(people.beginning("").len(), 3);
        assert!(people.beginning("bobbyx").is_empty());
    }

    #[test]
    fn a_crowd_and_a_hostile_name_are_not_kept() {
        let people = People::default();
        people.meet(&says("x\u{1b}[2J"));
        assert!(people.beginning("x").is_empty());
        (0..KEPT + 10).for_each(|number| people.meet(&says(&format!("n{number}"))));
        let kept = people.beginning("n");
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT, "n509"));
    }
}
