//! A room as one lane sees it: how far it has handed out, and to whom.

use std::sync::Arc;

use super::Lane;
use crate::event::Seq;
use crate::log::Room;
use crate::wire::Profile;

/// Invariant: every number up to `pos` was handed out by this lane, or the members that have not
/// heard it are behind and read it from the log themselves.
#[derive(Debug)]
pub(super) struct LaneRoom {
    pub(super) room: Arc<Room>,
    pub(super) pos: Seq,
    pub(super) members: Vec<Member>,
}

/// One session in one room. What the live path touches for each delivery.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) seat: usize,
    /// The last number that it was given. Bytes at or below it are never written to it.
    pub(super) cursor: Seq,
    pub(super) profile: Profile,
    /// Presence or a topic went by while it was behind.
    pub(super) missed_presence: bool,
}

impl Lane {
    /// Registers a session and its lane, and only then reads the committed head: nothing above it can
    /// be missed, because heads are raised before batches are sent.
    pub(super) fn add_member(
        &mut self,
        at: usize,
        room: &Arc<Room>,
        profile: Profile,
    ) -> (usize, Seq) {
        let entry = self.rooms.entry(room.id).or_insert_with(|| LaneRoom {
            room: room.clone(),
            pos: 0,
            members: Vec::new(),
        });
        let index = entry.members.len();
        entry.members.push(Member {
            seat: at,
            cursor: 0,
            profile,
            missed_presence: false,
        });
        if index == 0 {
            room.add_lane(self.number);
        }
        let head = room.begin_stay();
        if index == 0 {
            entry.pos = head;
        }
        entry.members[index].cursor = head;
        (index, head)
    }

    /// Takes a member out; the last one moves to its place.
    pub(super) fn remove_member(&mut self, room: u64, index: usize) {
        let Some(entry) = self.rooms.get_mut(&room) else {
            return;
        };
        entry.members.swap_remove(index);
        match entry.members.get(index) {
            Some(moved) => {
                let seat = &mut self.seats[moved.seat];
                if let Some(membership) = seat.membership_mut(room) {
                    membership.member = index;
                }
                // A turn that hands out in slices may have passed this index: it looks for itself.
                seat.fall_behind();
            }
            None if entry.members.is_empty() => {
                entry.room.remove_lane(self.number);
                self.rooms.remove(&room);
            }
            None => {}
        }
    }

    pub(super) fn member(&mut self, room: u64, index: usize) -> Option<&mut Member> {
        self.rooms.get_mut(&room)?.members.get_mut(index)
    }
}
