//! Into rooms, out of rooms, and under another name.

use std::sync::Arc;

use super::Lane;
use super::seat::{Membership, Replay};
use crate::close::Detail;
use crate::event::{Change, GapReason, Presence, Seq};
use crate::fault::{self, ErrorCode};
use crate::hub::NoRoom;
use crate::log::Room;
use crate::name::{Nick, RoomName};
use crate::wire::{Cursor, Flaw, Profile, Reply, Voice};

/// What a session is told when it comes into a room.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) room: Arc<Room>,
    pub(super) head: Seq,
    pub(super) first: Seq,
    /// It asked for a place in another life of the numbering, or beyond the head.
    pub(super) epoch_changed: bool,
}

impl Lane {
    /// A connection that has said nothing hears the default room, and stands in no roster. Most say
    /// who they are at once, and never come here.
    pub(super) fn hear_in_silence(&mut self, at: usize) {
        let seat = &self.seats[at];
        if seat.voice != Voice::Unknown || !seat.memberships.is_empty() || seat.closing.is_some() {
            return;
        }
        let name = self.hub.default_room.clone();
        if let Ok(room) = self.hub.enter_room(&name) {
            self.enter(at, room, false, None);
        }
    }

    /// The silent listening ends.
    pub(super) fn end_listening(&mut self, at: usize) {
        self.leave_all(at, &Change::Part);
    }

    /// Puts a session into a room. Where it is in already, nothing moves.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`, `store_unavailable`.
    pub(super) fn join(
        &mut self,
        at: usize,
        name: &str,
        since: Option<&Cursor<'_>>,
    ) -> Result<Entered, Flaw> {
        let name = RoomName::new(name).map_err(|why| Flaw::new(ErrorCode::RoomInvalid, why))?;
        if let Some(room) = self.own_room(at, name.as_str()) {
            let reach = room.reach();
            return Ok(Entered {
                room,
                head: reach.head,
                first: reach.first,
                epoch_changed: false,
            });
        }
        if self.seats[at].memberships.len() >= self.limits.rooms_per_client {
            return Err(Flaw::new(
                fault::Detail::RoomsPerClient,
                "you are in too many rooms",
            ));
        }
        let room = self.hub.enter_room(&name).map_err(|no| match no {
            NoRoom::TooMany => Flaw::new(fault::Detail::Rooms, "there are too many rooms"),
            NoRoom::TooManyKept => Flaw::new(
                fault::Detail::MaxRooms,
                "there are too many rooms with a past; no new one can be made",
            ),
            NoRoom::Reserved => Flaw::new(
                ErrorCode::StoreUnavailable,
                "the room is being brought in from elsewhere; try again",
            ),
            NoRoom::NoRandomness => {
                Flaw::new(ErrorCode::StoreUnavailable, "the room cannot be made now")
            }
        })?;
        Ok(self.enter(at, room, true, since))
    }

    /// Registers first, reads the head second. The room has counted its hearer already.
    fn enter(
        &mut self,
        at: usize,
        room: Arc<Room>,
        on_roster: bool,
        since: Option<&Cursor<'_>>,
    ) -> Entered {
        let (member, head) = self.add_member(at, &room, Profile::Basic);
        let reach = room.reach();
        let place = since.map(|since| self.place(&room, since, head));
        let epoch_changed = place == Some(Place::Elsewhere);
        let cursor = match place {
            None => head,
            Some(Place::At(seq)) => seq,
            Some(Place::Elsewhere) => reach.first.min(head + 1) - 1,
        };
        self.meter.replays_asked.add(head - cursor);
        let replay = place.map(|place| {
            Box::new(Replay {
                from: cursor,
                gapped: 0,
                floor: self.replay_floor(place, head),
            })
        });
        let memberships = &mut self.seats[at].memberships;
        if memberships.is_empty() {
            // Most are in one room for life.
            memberships.reserve_exact(1);
        }
        memberships.push(Membership {
            room: room.clone(),
            member,
            on_roster,
            replay,
            joined_at: head,
        });
        self.refresh_profiles(at);
        self.set_cursor(at, room.id, cursor);
        self.seats[at].output.is_behind |= cursor < head;
        let seat = &self.seats[at];
        let name = room.name.clone();
        tracing::debug!(event = "room.entered", client = %seat.card.id, room = %name);
        seat.card.edit(|text| {
            text.enter(name);
        });
        if let (true, Some(nick)) = (on_roster, seat.nick.clone()) {
            self.come(at, &room, &nick);
        }
        Entered {
            room,
            head,
            first: reach.first,
            epoch_changed,
        }
    }

    /// Who comes from another life of the numbering is not given all of this one.
    fn replay_floor(&self, place: Place, head: Seq) -> Seq {
        match place {
            Place::At(_) => 0,
            Place::Elsewhere => (head + 1).saturating_sub(self.limits.recent_messages as u64),
        }
    }

    fn place(&self, room: &Room, since: &Cursor<'_>, head: Seq) -> Place {
        if since.epoch != room.epoch.as_str() || since.seq > head {
            return Place::Elsewhere;
        }
        #[cfg(feature = "test-faults")]
        if crate::sabotage::is_on("resume_off_by_one") {
            return Place::At((since.seq + 1).min(head));
        }
        Place::At(since.seq)
    }

    /// Answers a `join`.
    pub(super) fn tell_joined(&mut self, at: usize, entered: &Entered, label: Option<&str>) {
        let room = &entered.room;
        let members_total = room.members();
        let topic = room.topic();
        let members = self
            .roster_that_fits(room)
            .filter(|members| members.len() == members_total);
        let joined = Reply::Joined {
            room: &room.name,
            epoch: &room.epoch,
            seq: entered.head,
            first: entered.first,
            topic: topic.as_ref().map_or("", |topic| &topic.text),
            members_total,
            members: members.as_deref(),
        };
        self.reply_to(at, &joined, label);
        if entered.epoch_changed {
            let reason = GapReason::EpochChanged;
            self.tell_of_gap(at, &room.name, reason, 0);
            let (room, epoch) = (&room.name, &room.epoch);
            self.reply(
                at,
                &Reply::Gap {
                    room,
                    epoch,
                    from_to: None,
                    reason,
                    recoverable: false,
                },
            );
        }
    }

    /// Takes a session out of a room.
    pub(super) fn leave(&mut self, at: usize, room: u64, change: &Change) {
        let Some(index) = self.seats[at]
            .memberships
            .iter()
            .position(|m| m.room.id == room)
        else {
            return;
        };
        self.close_account(at, index);
        let membership = self.seats[at].memberships.remove(index);
        self.remove_member(room, membership.member);
        let seat = &mut self.seats[at];
        if let Some(slice) = seat
            .output
            .slice
            .as_mut()
            .filter(|slice| slice.room == Some(room))
        {
            // It is written to its end, and moves no cursor of a later stay in the room.
            slice.room = None;
        }
        if seat.current == Some(room) {
            seat.current = seat.memberships.last().map(|membership| membership.room.id);
        }
        let name = membership.room.name.clone();
        tracing::debug!(event = "room.left", client = %seat.card.id, room = %name);
        seat.card.edit(|text| text.leave(&name));
        if let (true, Some(nick)) = (membership.on_roster, seat.nick.clone()) {
            self.go(at, &membership.room, &nick, change.clone());
        }
        membership.room.remove_hearer();
        self.refresh_profiles(at);
    }

    /// Takes a session out of all its rooms.
    pub(super) fn leave_all(&mut self, at: usize, change: &Change) {
        while let Some(membership) = self.seats[at].memberships.last() {
            let room = membership.room.id;
            self.leave(at, room, change);
        }
    }

    /// A session goes by another name from now on, in all its rooms.
    pub(super) fn rename(&mut self, at: usize, nick: &Nick) {
        let seat = &mut self.seats[at];
        let previous = seat.nick.replace(nick.clone());
        let known = nick.clone();
        seat.card.edit(|text| text.nick = Some(known));
        tracing::debug!(event = "client.named", client = %seat.card.id, username = %nick);
        // A ban that came since the name was claimed: who said it has not seen it here yet.
        if self.hub.is_banned_nick(nick) {
            seat.card.close(Detail::BannedNick, None);
        }
        if let Some(identity) = seat.identity {
            self.hub.note_nick(identity, seat.card.id, nick);
        }
        let Some(previous) = previous else { return };
        let rooms: Vec<_> = self.seats[at]
            .memberships
            .iter()
            .filter(|membership| membership.on_roster)
            .map(|membership| membership.room.clone())
            .collect();
        for room in rooms {
            let author = self.seats[at].card.id;
            let (gone, new) = (room.leave(&previous), room.enter(nick));
            let (nick, change) = match (gone, new) {
                (true, true) => (previous.clone(), Change::Nick(nick.clone())),
                // The name stays with another window of the same person, or was there already.
                (false, true) => (nick.clone(), Change::Join),
                (true, false) => (previous.clone(), Change::Part),
                (false, false) => continue,
            };
            self.hub.announce(
                &room,
                Presence {
                    author,
                    nick,
                    change,
                },
            );
        }
    }

    /// The name appears in the roster.
    pub(super) fn come(&self, at: usize, room: &Arc<Room>, nick: &Nick) {
        if room.enter(nick) {
            let author = self.seats[at].card.id;
            self.hub.announce(
                room,
                Presence {
                    author,
                    nick: nick.clone(),
                    change: Change::Join,
                },
            );
        }
    }

    /// The name disappears from the roster.
    fn go(&self, at: usize, room: &Arc<Room>, nick: &Nick, change: Change) {
        if room.leave(nick) {
            let author = self.seats[at].card.id;
            self.hub.announce(
                room,
                Presence {
                    author,
                    nick: nick.clone(),
                    change,
                },
            );
        }
    }

    /// The room with this name, if the session is in it.
    pub(super) fn own_room(&self, at: usize, name: &str) -> Option<Arc<Room>> {
        let memberships = &self.seats[at].memberships;
        if memberships.is_empty() {
            return None;
        }
        if let Some(found) = memberships.iter().find(|m| m.room.name.as_str() == name) {
            return Some(found.room.clone());
        }
        // Names are compared by their looks: only for what can be one.
        let name = RoomName::new(name).ok()?;
        let room = self.hub.find_room(name.as_str())?;
        self.seats[at].membership(room.id).map(|_| room)
    }

    /// Tells the rooms which bytes the session gets from now on.
    pub(super) fn refresh_profiles(&mut self, at: usize) {
        let profile = self.seats[at].profile();
        for membership in &self.seats[at].memberships {
            if let Some(entry) = self.rooms.get_mut(&membership.room.id) {
                entry.members[membership.member].profile = profile;
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    At(Seq),
    Elsewhere,
}
