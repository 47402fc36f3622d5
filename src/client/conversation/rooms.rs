//! The rooms that the user wants to be in, and how far each was heard.
//!
//! Rules:
//! - `cursor` is the last number shown, or covered by a gap that was shown. It never goes back
//!   within one epoch, so nothing is shown twice.
//! - A room stays here over a reconnect; leaving it, or being refused, is what removes it.

use crate::client::wire::{Gap, Joined, Since};

#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: String,
    /// The life of the numbering; `None` until the room was entered once.
    epoch: Option<String>,
    cursor: u64,
    /// The oldest number that could be read when we entered.
    first: u64,
    /// The last number when we entered: at it we have caught up.
    head: u64,
    /// Entered on this connection.
    entered: bool,
}

/// What is to be done with a numbered message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next one: show it.
    Next,
    /// Heard before: drop it.
    Old,
    /// Numbers are missing before it that no gap has named.
    After(u64),
}

impl Room {
    pub(super) fn wanted(name: String) -> Self {
        Self {
            name,
            epoch: None,
            cursor: 0,
            first: 0,
            head: 0,
            entered: false,
        }
    }

    /// Where to go on after a reconnect.
    pub(super) fn since(&self) -> Option<Since> {
        self.epoch.clone().map(|epoch| Since {
            epoch,
            seq: self.cursor,
        })
    }

    /// Whether the user has been in this room before, on this or an earlier connection.
    pub(super) fn is_known(&self) -> bool {
        self.epoch.is_some()
    }

    pub(super) fn is_entered(&self) -> bool {
        self.entered
    }

    /// Entered, and everything up to then was heard or is covered by a gap.
    pub(super) fn has_caught_up(&self) -> bool {
        self.entered && self.cursor >= self.head
    }

    pub(super) fn left_behind(&mut self) {
        self.entered = false;
    }

    /// Takes `joined`. The place to go on from is ours if the numbering is still the same.
    pub(super) fn enter(&mut self, joined: &Joined) {
        self.name.clone_from(&joined.room);
        match &self.epoch {
            None => self.cursor = joined.seq,
            Some(epoch) if *epoch == joined.epoch && self.cursor <= joined.seq => {}
            Some(_) => self.cursor = joined.first.saturating_sub(1),
        }
        self.epoch = Some(joined.epoch.clone());
        self.first = joined.first;
        self.head = joined.seq;
        self.entered = true;
    }

    /// Takes the number of a message.
    pub(super) fn hear(&mut self, seq: u64) -> Place {
        if seq <= self.cursor {
            return Place::Old;
        }
        let missing = seq - self.cursor - 1;
        self.cursor = seq;
        if missing == 0 {
            Place::Next
        } else {
            Place::After(missing)
        }
    }

    /// Takes a gap. `None` if it is no news; otherwise how many messages it stands for, if known.
    pub(super) fn skip(&mut self, gap: &Gap) -> Option<Option<u64>> {
        if gap.reason == "epoch_changed" {
            self.epoch = Some(gap.epoch.clone());
            self.cursor = self.first.saturating_sub(1);
            return Some(gap.count);
        }
        let Some(to) = gap.to else {
            return Some(gap.count);
        };
        if to <= self.cursor {
            return None;
        }
        let missing = to - self.cursor;
        self.cursor = to;
        Some(Some(missing))
    }
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
}

impl Rooms {
    pub(super) fn new(names: Vec<String>) -> Self {
        let mut rooms = Self::default();
        for name in names {
            rooms.want(name);
        }
        rooms
    }

    pub(super) fn want(&mut self, name: String) -> &mut Room {
        let at = self.position(&name).unwrap_or_else(|| {
            self.rooms.push(Room::wanted(name));
            self.rooms.len() - 1
        });
        &mut self.rooms[at]
    }

    pub(super) fn find(&mut self, name: &str) -> Option<&mut Room> {
        let at = self.position(name)?;
        self.rooms.get_mut(at)
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(at) = self.position(name) {
            self.rooms.remove(at);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room> {
        self.rooms.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The server has the last word on which names are the same; for what a person types,
    /// exact first and then without ASCII case is near enough.
    fn position(&self, name: &str) -> Option<usize> {
        let exact = self.rooms.iter().position(|room| room.name == name);
        exact.or_else(|| {
            self.rooms
                .iter()
                .position(|room| room.name.eq_ignore_ascii_case(name))
        })
    }
}
