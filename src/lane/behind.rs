//! A session that is behind: what it reads next, and what it will not hear.

use std::sync::Arc;

use tokio::time::Instant;

use super::Lane;
use super::chunk::ReadOn;
use super::pump::Next;
use super::seat::Membership;
use super::slice::{Skip, Slice};
use crate::close::Detail;
use crate::event::{GapReason, Seq};
use crate::limits::OnLag;
use crate::log::Room;
use crate::name::RoomName;
use crate::wire::Reply;

impl Lane {
    /// Prepares what comes next for a session that is behind.
    pub(super) fn catch_up(&mut self, at: usize, now: Instant) -> Next {
        if !self.seats[at].output.is_behind {
            return Next::Nothing;
        }
        if let Some(room) = self.room_behind(at) {
            return self.read_on(at, &room, now);
        }
        let is_reset = self.reset_room(at);
        self.seats[at].output.is_behind = is_reset;
        if is_reset { Next::More } else { Next::Nothing }
    }

    /// A room in which the session has not heard what its lane has handed out.
    fn room_behind(&mut self, at: usize) -> Option<Arc<Room>> {
        let seat = &mut self.seats[at];
        let rooms = &self.rooms;
        let is_behind = |room: u64, member: usize| {
            rooms
                .get(&room)
                .is_some_and(|entry| entry.members[member].cursor < entry.pos)
        };
        let found = seat
            .memberships
            .iter()
            .position(|m| is_behind(m.room.id, m.member))?;
        // Rooms are served in turn.
        let room = seat.memberships[found].room.clone();
        seat.memberships[found..].rotate_left(1);
        Some(room)
    }

    /// Prepares the next bytes of a room for a session that is behind there: a gap, or a chunk of
    /// the log that all who are at the same place share. [`Next::Reading`] if it has to be waited for.
    pub(super) fn read_on(&mut self, at: usize, room: &Arc<Room>, now: Instant) -> Next {
        self.end_replay(at, room.id);
        let Some((cursor, replaying)) = self.standing(at, room.id) else {
            return Next::More;
        };
        let floor = self.floor(at, room, now);
        if floor > cursor + 1 {
            self.gap(at, room, cursor, floor - 1, replaying);
            return Next::More;
        }
        let seat = &mut self.seats[at];
        let profile = seat.profile();
        let chunk = match self.chunks.read(room, profile, cursor, &self.hub.budget) {
            ReadOn::With(chunk) => chunk,
            ReadOn::Wait(chunk) => {
                self.wait_for_page(at, room, chunk);
                return Next::Reading;
            }
        };
        if chunk.last <= cursor {
            return Next::More;
        }
        let start = chunk.after(cursor);
        seat.output.slice = Some(Box::new(Slice {
            room: Some(room.id),
            at: start,
            skip: Some(Skip {
                author: seat.card.id,
                silence: profile.silence(),
            }),
            replayed: true,
            encoded: chunk.clone(),
        }));
        self.set_cursor(at, room.id, chunk.last);
        #[cfg(feature = "test-faults")]
        self.catch_up_twice(at, room.id, chunk.last);
        Next::More
    }

    /// Where a session stands in a room, and whether it is still reading what it asked for at `join`.
    fn standing(&mut self, at: usize, room: u64) -> Option<(Seq, bool)> {
        let membership = self.seats[at].membership(room)?;
        let (index, replaying) = (membership.member, membership.replay.is_some());
        Some((self.member(room, index)?.cursor, replaying))
    }

    /// What a session asked for at `join` is read: from here on its lag counts, from now.
    fn end_replay(&mut self, at: usize, room: u64) {
        let Some(membership) = self.seats[at].membership(room) else {
            return;
        };
        if membership.replay.is_none() || self.is_replaying(at, membership) {
            return;
        }
        self.settle_replay(at, room);
        self.seats[at].output.behind_since = None;
    }

    /// Whether a session still reads what it asked for at `join`.
    pub(super) fn is_replaying(&self, at: usize, membership: &Membership) -> bool {
        membership.replay.is_some() && self.heard(at, membership.room.id) < membership.joined_at
    }

    pub(super) fn set_cursor(&mut self, at: usize, room: u64, cursor: Seq) {
        let Some(membership) = self.seats[at].membership_mut(room) else {
            return;
        };
        let index = membership.member;
        if let Some(member) = self.member(room, index) {
            member.cursor = cursor;
        }
    }

    /// The oldest number that this session may still hear: what is kept, within `limits.lag_bytes`
    /// and `limits.lag_age`. What it asked for at `join` does not count as lag.
    pub(super) fn floor(&self, at: usize, room: &Room, now: Instant) -> Seq {
        let reach = room.reach();
        let seat = &self.seats[at];
        let Some(membership) = seat.membership(room.id) else {
            return reach.first;
        };
        if self.is_replaying(at, membership) {
            let floor = membership.replay.as_ref().map_or(0, |replay| replay.floor);
            return reach.first.max(floor);
        }
        let mut floor = reach.first;
        if let Some(bytes) = self.limits.lag_bytes {
            let within = room.within_bytes(bytes as u64);
            if self.heard(at, room.id) + 1 < within {
                // Half way, so that one gap makes place for a while and is not followed by the next.
                floor = floor.max(room.within_bytes(bytes as u64 / 2));
            }
        }
        let since = seat.output.behind_since;
        if let (Some(age), Some(since)) = (self.limits.lag_age, since)
            && now.duration_since(since) > age
        {
            floor = reach.head + 1;
        }
        floor
    }

    /// Tells a session which numbers it will not hear, or ends it, as `limits.on_lag` says.
    fn gap(&mut self, at: usize, room: &Arc<Room>, cursor: Seq, to: Seq, replaying: bool) {
        if !replaying && self.limits.on_lag == OnLag::Disconnect {
            self.begin_close(at, Detail::Lag, None);
            return;
        }
        let reason = if replaying {
            GapReason::HistoryExpired
        } else {
            GapReason::SlowConsumer
        };
        self.set_cursor(at, room.id, to);
        self.tell_of_gap(at, &room.name, reason, to - cursor);
        self.note_gap(at, room.id, cursor, to);
        #[cfg(feature = "test-faults")]
        if crate::sabotage::is_on("gap_not_sent") {
            return;
        }
        let recoverable = room.reach().first <= to;
        self.reply(
            at,
            &Reply::Gap {
                room: &room.name,
                epoch: &room.epoch,
                from_to: Some((cursor + 1, to)),
                reason,
                recoverable,
            },
        );
    }

    /// Counts a gap and tells operators of it. `messages` is 0 where nobody knows how many are missing.
    pub(super) fn tell_of_gap(&self, at: usize, room: &RoomName, reason: GapReason, messages: u64) {
        self.meter.gaps.count(reason as usize);
        self.meter.gap_messages.add(messages);
        let card = &self.seats[at].card;
        card.note_gap(reason, messages);
        let reason = reason.as_str();
        tracing::debug!(event = "client.gap", client = %card.id, %room, reason, messages);
    }

    /// Tells a session that was behind anew what the log of one room does not keep: who is there, and
    /// what the room is about. True if there was one to tell of.
    fn reset_room(&mut self, at: usize) -> bool {
        let rooms = &mut self.rooms;
        let missed = self.seats[at].memberships.iter().find(|membership| {
            let entry = rooms.get_mut(&membership.room.id);
            let member = entry.and_then(|entry| entry.members.get_mut(membership.member));
            member.is_some_and(|member| std::mem::take(&mut member.missed_presence))
        });
        let Some(room) = missed.map(|membership| membership.room.clone()) else {
            return false;
        };
        if room.topic().is_some() {
            self.tell_topic(at, &room, None);
        }
        let keeps_roster = self.seats[at].profile().keeps_roster();
        if let Some(members) = self.roster_that_fits(&room).filter(|_| keeps_roster) {
            let more = members.len() < room.members();
            let names = Reply::Names {
                room: &room.name,
                members: &members,
                more,
                reset: true,
            };
            self.reply(at, &names);
        }
        true
    }
}
