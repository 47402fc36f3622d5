//! The write side of one session: finish the slice, send the replies, read on where it is behind.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::Lane;
use super::seat::{Membership, Seat, Slice};
use super::write::{Skip, Written, write_slice};
use crate::close::CloseReason;
use crate::event::{GapReason, Seq};
use crate::hub::SessionState;
use crate::limits::OnLag;
use crate::log::Room;
use crate::meter::Meter;
use crate::wire::Reply;

/// Chunks that one session reads on with before others get their turn.
const CHUNKS: usize = 4;
/// Bytes that a stalled session has to take within `limits.write_stall` to be given longer.
const PROGRESS: usize = 4096;

/// What is left to do for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Everything is written and it is live everywhere.
    Nothing,
    /// Its socket takes no more.
    Blocked,
    /// It has been served enough for now.
    More,
}

impl Lane {
    /// Writes what can be written. True if nothing waits and the session is live everywhere.
    pub(super) fn pump(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = match self.write_on(at, cx, now) {
            Ok(next) => next,
            Err(error) => {
                self.fail(at, &error);
                return false;
            }
        };
        let seat = &mut self.seats[at];
        match next {
            Next::Nothing => {
                if seat.timers.stalled.take().is_some() && seat.timers.pinged.is_some() {
                    // The ping has only now left.
                    seat.timers.pinged = Some(now);
                }
                seat.output.behind_since = None;
            }
            Next::Blocked => {
                seat.timers.stalled.get_or_insert(now);
                seat.output.behind_since.get_or_insert(now);
            }
            Next::More => {
                seat.timers.stalled = None;
                seat.output.behind_since.get_or_insert(now);
                cx.waker().wake_by_ref();
            }
        }
        if seat.closing.is_none() {
            let state = match (next, seat.card.state()) {
                (Next::Nothing, SessionState::New) => SessionState::New,
                (Next::Nothing, _) => SessionState::Live,
                _ => SessionState::Behind,
            };
            seat.card.set_state(state);
            if next == Next::Nothing {
                seat.card.set_lag(0, 0);
            }
        }
        if next != Next::Nothing {
            self.keep_budget();
        }
        next == Next::Nothing
    }

    fn write_on(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> io::Result<Next> {
        let mut chunks = 0;
        loop {
            if self.write_slice(at, now)? == Next::Blocked
                || self.write_outbox(at, cx, now)? == Next::Blocked
            {
                return Ok(Next::Blocked);
            }
            if self.seats[at].closing.is_some() {
                return Ok(Next::Nothing);
            }
            let Some(room) = self.room_behind(at) else {
                if self.reset_roster(at) {
                    continue;
                }
                return Ok(Next::Nothing);
            };
            if chunks == CHUNKS {
                return Ok(Next::More);
            }
            chunks += 1;
            self.read_on(at, &room, now);
        }
    }

    fn write_slice(&mut self, at: usize, now: Instant) -> io::Result<Next> {
        let seat = &mut self.seats[at];
        let Some(slice) = &mut seat.output.slice else {
            return Ok(Next::Nothing);
        };
        let Some(waker) = &seat.waker else {
            return Ok(Next::Blocked);
        };
        let written = write_slice(&mut seat.conn, waker, slice)?;
        let replayed = slice.replayed;
        if written.done {
            seat.output.slice = None;
        }
        Self::count(&self.meter, seat, &written, replayed);
        seat.progressed(written.bytes, now);
        Ok(if written.done {
            Next::Nothing
        } else {
            Next::Blocked
        })
    }

    fn write_outbox(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> io::Result<Next> {
        let seat = &mut self.seats[at];
        while seat.output.waiting() > 0 {
            let bytes = &seat.output.outbox[seat.output.sent..];
            match seat.conn.poll_write(cx, bytes) {
                Poll::Pending => return Ok(Next::Blocked),
                Poll::Ready(count) => {
                    let count = count?;
                    if count == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    seat.output.sent += count;
                    self.meter.socket_writes.add(1);
                    self.meter.bytes_out.add(count as u64);
                    seat.card.out_bytes.add(count as u64);
                    seat.progressed(count, now);
                }
            }
        }
        // An idle session owns no buffer.
        seat.output.outbox = Vec::new();
        seat.output.sent = 0;
        Ok(Next::Nothing)
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
    /// the log that all who are at the same place share.
    fn read_on(&mut self, at: usize, room: &Arc<Room>, now: Instant) {
        self.end_replay(at, room.id);
        let Some((cursor, replaying)) = self.standing(at, room.id) else {
            return;
        };
        let floor = self.floor(at, room, now);
        if floor > cursor + 1 {
            self.gap(at, room, cursor, floor - 1, replaying);
            return;
        }
        let seat = &mut self.seats[at];
        let profile = seat.profile();
        let chunk = self.chunks.read(room, profile, cursor, &self.hub.budget);
        if chunk.last <= cursor {
            return;
        }
        let start = chunk.after(cursor);
        seat.output.slice = Some(Slice {
            room: Some(room.id),
            at: start,
            skip: Some(Skip {
                author: seat.card.id,
                silence: profile.silence(),
            }),
            replayed: true,
            encoded: chunk.clone(),
        });
        self.set_cursor(at, room.id, chunk.last);
    }

    /// Where a session stands in a room, and whether it is still reading what it asked for at `join`.
    fn standing(&mut self, at: usize, room: u64) -> Option<(Seq, bool)> {
        let membership = self.seats[at].membership(room)?;
        let (index, replaying) = (membership.member, membership.replaying);
        Some((self.member(room, index)?.cursor, replaying))
    }

    /// What a session asked for at `join` is read: from here on its lag counts, from now.
    fn end_replay(&mut self, at: usize, room: u64) {
        let Some(membership) = self.seats[at].membership(room) else {
            return;
        };
        if !membership.replaying || self.is_replaying(at, membership) {
            return;
        }
        let seat = &mut self.seats[at];
        seat.output.behind_since = None;
        if let Some(membership) = seat.membership_mut(room) {
            membership.replaying = false;
        }
    }

    /// Whether a session still reads what it asked for at `join`.
    pub(super) fn is_replaying(&self, at: usize, membership: &Membership) -> bool {
        membership.replaying && self.heard(at, membership.room.id) < membership.joined_at
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
            return reach.first;
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
            self.begin_close(at, CloseReason::SlowConsumer, None);
            return;
        }
        let reason = if replaying {
            GapReason::HistoryExpired
        } else {
            GapReason::SlowConsumer
        };
        self.set_cursor(at, room.id, to);
        self.meter.gaps.count(reason as usize);
        self.meter.gap_messages.add(to - cursor);
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

    /// Gives a session that was behind the roster of one room anew. True if there was one to give.
    fn reset_roster(&mut self, at: usize) -> bool {
        let rooms = &mut self.rooms;
        let missed = self.seats[at].memberships.iter().find(|membership| {
            let entry = rooms.get_mut(&membership.room.id);
            let member = entry.and_then(|entry| entry.members.get_mut(membership.member));
            member.is_some_and(|member| std::mem::take(&mut member.missed_presence))
        });
        let Some(room) = missed.map(|membership| membership.room.clone()) else {
            return false;
        };
        if let Some(members) = self.roster_that_fits(&room) {
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

    pub(super) fn count(meter: &Meter, seat: &Seat, written: &Written, replayed: bool) {
        meter.socket_writes.add(written.calls);
        meter.bytes_out.add(written.bytes as u64);
        let messages = if replayed {
            &meter.replayed
        } else {
            &meter.deliveries
        };
        messages.add(written.messages);
        meter.presence_deliveries.add(written.presence);
        seat.card.out_msgs.add(written.messages);
        seat.card.out_bytes.add(written.bytes as u64);
    }

    /// Takes slices away until `limits.buffer_bytes` is kept, from those who are furthest behind
    /// first. They finish the line they are in, and read on from the log when they can.
    pub(super) fn keep_budget(&mut self) {
        let limit = self.limits.buffer_bytes;
        if self.hub.budget.used() <= limit {
            return;
        }
        self.chunks.clear();
        let mut held: Vec<(u64, usize)> = self
            .seats
            .iter()
            .filter_map(|(at, seat)| {
                let slice = seat.output.slice.as_ref()?;
                let room = slice.room.and_then(|room| self.rooms.get(&room));
                // Who has left the room has the least use for its bytes.
                let lag = room.map_or(u64::MAX, |entry| {
                    entry
                        .room
                        .head()
                        .saturating_sub(slice.encoded.seq_before(slice.at))
                });
                Some((lag, at))
            })
            .collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        for (_, at) in held {
            if self.hub.budget.used() <= limit {
                break;
            }
            self.take_slice(at);
            self.meter.slices_taken.add(1);
        }
    }

    /// Ends an unfinished write at the end of the line that it is in.
    pub(super) fn take_slice(&mut self, at: usize) {
        let output = &mut self.seats[at].output;
        let Some(slice) = output.slice.take() else {
            return;
        };
        let end = slice.line_end();
        let tail = &slice.encoded.bytes[slice.at..end];
        output.outbox.drain(..output.sent);
        output.sent = 0;
        output.outbox.splice(..0, tail.iter().copied());
        let Some(room) = slice.room else { return };
        self.set_cursor(at, room, slice.encoded.seq_before(end));
        if slice.encoded.has_presence_after(end) {
            // The log has no presence: the roster is given anew.
            let index = self.seats[at]
                .membership(room)
                .map(|membership| membership.member);
            if let Some(member) = index.and_then(|index| self.member(room, index)) {
                member.missed_presence |= member.profile.keeps_roster();
            }
        }
    }
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

impl Seat {
    /// Bytes were taken. Crumbs do not count as progress.
    fn progressed(&mut self, bytes: usize, now: Instant) {
        if self.timers.stalled.is_none() {
            self.output.progress = 0;
            return;
        }
        self.output.progress += bytes;
        if self.output.progress >= PROGRESS {
            self.output.progress = 0;
            self.timers.stalled = Some(now);
        }
    }
}
