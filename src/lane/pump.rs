//! The write side of one session: finish the slice, send the replies, read on where it is behind.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::Lane;
use super::chunk::ReadOn;
use super::seat::{Membership, Seat, Slice};
use super::write::{Skip, Written, write_slice};
use crate::close::Detail;
use crate::event::{GapReason, Seq};
use crate::hub::SessionState;
use crate::limits::OnLag;
use crate::log::Room;
use crate::meter::Meter;
use crate::name::RoomName;
use crate::wire::Reply;

/// Chunks that one session reads on with before others get their turn.
const CHUNKS: usize = 4;
/// Bytes that a stalled session has to take within `limits.write_stall` to be given longer.
const PROGRESS: usize = 4096;

/// What is left to do for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Everything is written and it is live everywhere.
    Nothing,
    /// Its socket takes no more.
    Blocked,
    /// What it reads next comes from the store, and then it is woken.
    Reading,
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
            Next::Reading => {
                seat.timers.stalled = None;
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
            let seat = &self.seats[at];
            let (is_told, is_behind) = (seat.telling.is_some(), seat.output.is_behind);
            if chunks == CHUNKS && (is_told || is_behind) {
                return Ok(Next::More);
            }
            chunks += 1;
            // A page and the rooms are served in turn.
            let page_first = !self.seats[at].output.told_last;
            let mut next = Next::Nothing;
            for is_page in [page_first, !page_first] {
                let found = if is_page {
                    self.tell_on(at)
                } else {
                    self.catch_up(at, now)
                };
                if found == Next::More {
                    self.seats[at].output.told_last = is_page;
                    next = found;
                    break;
                }
                if found == Next::Reading {
                    next = found;
                }
            }
            if next != Next::More {
                return Ok(next);
            }
        }
    }

    /// Prepares what comes next for a session that is behind.
    fn catch_up(&mut self, at: usize, now: Instant) -> Next {
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

    fn write_slice(&mut self, at: usize, now: Instant) -> io::Result<Next> {
        let (seat, conn) = self.seats.with_conn(at);
        let Some(slice) = &mut seat.output.slice else {
            return Ok(Next::Nothing);
        };
        let Some(waker) = &seat.waker else {
            return Ok(Next::Blocked);
        };
        let from = slice.at;
        let written = match write_slice(conn, waker, slice) {
            Ok(written) => written,
            Err(error) => {
                // What went out before the error was not counted: the session is gone, and all of
                // it goes with it.
                slice.at = from;
                return Err(error);
            }
        };
        let (replayed, has_left) = (slice.replayed, slice.room.is_none());
        let shown = seat
            .trace
            .is_some()
            .then(|| (slice.encoded.clone(), (from, slice.at), slice.skip));
        if let Some((encoded, went, skip)) = shown {
            seat.show_encoded((self.hub.clock)(), &encoded, went, skip);
        }
        if written.done {
            seat.output.slice = None;
        }
        let counted = if has_left {
            written.after_leaving()
        } else {
            written
        };
        Self::count(&self.meter, seat, &counted, replayed);
        seat.progressed(counted.bytes, now);
        Ok(if counted.done {
            Next::Nothing
        } else {
            Next::Blocked
        })
    }

    fn write_outbox(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> io::Result<Next> {
        let (seat, conn) = self.seats.with_conn(at);
        seat.output.goes_with_turn = false;
        while seat.output.waiting() > 0 {
            let bytes = &seat.output.outbox[seat.output.sent..];
            match conn.poll_write(cx, bytes) {
                Poll::Pending => return Ok(Next::Blocked),
                Poll::Ready(count) => {
                    let count = count?;
                    if count == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    let from = seat.output.sent;
                    seat.output.sent += count;
                    if seat.trace.is_some() {
                        let outbox = std::mem::take(&mut seat.output.outbox);
                        seat.show_bytes((self.hub.clock)(), &outbox, from, from + count);
                        seat.output.outbox = outbox;
                    }
                    self.meter.socket_writes.add(1);
                    self.meter.bytes_out.add(count as u64);
                    seat.card.out_bytes.add(count as u64);
                    seat.progressed(count, now);
                }
            }
        }
        seat.output.clear();
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

    pub(super) fn count(meter: &Meter, seat: &Seat, written: &Written, replayed: bool) {
        Self::count_all(meter, written, replayed);
        seat.card.out_msgs.add(written.messages);
        seat.card.out_bytes.add(written.bytes as u64);
    }

    /// The same for many sessions at once, whose cards are noted apart.
    pub(super) fn count_all(meter: &Meter, written: &Written, replayed: bool) {
        meter.socket_writes.add(written.calls);
        meter.bytes_out.add(written.bytes as u64);
        let messages = if replayed {
            &meter.replayed
        } else {
            &meter.deliveries
        };
        messages.add(written.messages);
        if written.own > 0 {
            meter.own.add(written.own);
        }
        meter.presence_deliveries.add(written.presence);
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

    /// Ends an unfinished write at the end of the line that it is in. Nothing more can be written
    /// to a socket that failed.
    pub(super) fn take_slice(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let has_failed = seat.failed.is_some();
        let output = &mut seat.output;
        let Some(slice) = output.slice.take() else {
            return;
        };
        let end = if has_failed {
            slice.at
        } else {
            slice.line_end()
        };
        let tail = &slice.encoded.bytes[slice.at..end];
        output.outbox.drain(..output.sent);
        output.sent = 0;
        output.outbox.splice(..0, tail.iter().copied());
        let Some(room) = slice.room else { return };
        let finished = Written {
            messages: slice.encoded.count(slice.at, end).0,
            ..Written::default()
        };
        Self::count(&self.meter, &self.seats[at], &finished, slice.replayed);
        self.set_cursor(at, room, slice.encoded.seq_before(end));
        if slice.encoded.has_presence_after(end) {
            // The log has no presence: the roster is given anew.
            let index = self.seats[at]
                .membership(room)
                .map(|membership| membership.member);
            if let Some(member) = index.and_then(|index| self.member(room, index)) {
                member.missed_presence |= member.profile.hears_unnumbered();
            }
        }
        self.seats[at].output.is_behind = true;
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
