//! When to look at which session, and what is found then.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Lane;
use super::farewell::retry_after_ms;
use super::seat::SlotWait;
use crate::close::{CloseReason, Refusal};
use crate::event::SessionId;
use crate::hub::SessionState;
use crate::limits::OnLag;
use crate::session::{Manner, Verdict};
use crate::wire::{Reply, Voice, encode_refusal};

/// At most one time per session. Activity does not move it: whoever is woken looks at its own
/// timers and sets the next time.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, usize)>);

impl Deadlines {
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }
}

/// Never, if there is no time.
pub(super) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Lane {
    /// Wakes the sessions whose time has come.
    pub(super) fn wake_due(&mut self, now: Instant) {
        while let Some((due, at)) = self.deadlines.0.first().copied() {
            if due > now {
                break;
            }
            self.deadlines.0.pop_first();
            if let Some(seat) = self.seats.get_mut(at) {
                seat.armed = None;
                seat.wake();
            }
        }
    }

    /// Sees to it that the session is woken when its next timer is due.
    pub(super) fn arm(&mut self, at: usize, now: Instant) {
        let Some(due) = self.due(at, now) else { return };
        let earlier = self.seats[at].armed.is_none_or(|armed| due < armed);
        if !earlier {
            return;
        }
        self.disarm(at);
        let first = self.deadlines.next().is_none_or(|next| due < next);
        self.deadlines.0.insert((due, at));
        self.seats[at].armed = Some(due);
        if first {
            self.rearmed.notify_one();
        }
    }

    pub(super) fn disarm(&mut self, at: usize) {
        if let Some(armed) = self.seats[at].armed.take() {
            self.deadlines.0.remove(&(armed, at));
        }
    }

    fn due(&self, at: usize, now: Instant) -> Option<Instant> {
        let seat = &self.seats[at];
        if let Some(closing) = &seat.closing {
            return Some(closing.deadline);
        }
        let timers = match seat.timers.judge(now, &self.limits, self.manner(at)) {
            Verdict::Wait(next) => next,
            Verdict::Ping | Verdict::Close(_) => Some(now),
        };
        let listener = (seat.voice == Voice::Unknown && !seat.is_listener)
            .then(|| seat.card.connected + self.limits.hello_timeout)
            .filter(|_| seat.timers.opening.is_none());
        [timers, listener, seat.input.resume_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn manner(&self, at: usize) -> Manner {
        let seat = &self.seats[at];
        Manner {
            spoken: seat.voice != Voice::Unknown,
            // A ping that waits for the socket is no ping; patience is that of `write_stall` then.
            pings: seat.voice == Voice::Full && !seat.is_blocked(),
            paused: self.is_paused(at),
        }
    }

    /// Whether the server itself is not reading the session, for a reason that is no fault of it.
    fn is_paused(&self, at: usize) -> bool {
        let seat = &self.seats[at];
        seat.input.resume_at.is_some()
            || seat.input.barrier
            || matches!(seat.input.slot, SlotWait::Waiting(_))
            || seat.unanswered.len() >= self.limits.unacked
            || seat.output.waiting() >= self.limits.outbox / 2
    }

    /// Judges a session after it was read and written: patience, end of file, drain, failure.
    pub(super) fn watch(&mut self, at: usize, now: Instant, live: bool) {
        if self.seats[at].closing.is_some() {
            return;
        }
        if let Some(reason) = self.seats[at].failed {
            return self.begin_close(at, reason, None);
        }
        match self.seats[at]
            .timers
            .judge(now, &self.limits, self.manner(at))
        {
            Verdict::Close(reason) => return self.begin_close(at, reason, None),
            Verdict::Ping => {
                self.seats[at].timers.pinged = Some(now);
                self.reply(at, &Reply::Ping);
                self.seats[at].wake();
            }
            Verdict::Wait(_) => {}
        }
        self.watch_listener(at, now);
        if self.seats[at].closing.is_some() {
            return;
        }
        let seat = &self.seats[at];
        let answered = seat.unanswered.is_empty() && seat.input.held.is_empty();
        if seat.input.eof && answered && !seat.is_blocked() && self.has_heard_last(at) {
            self.begin_close(at, CloseReason::PeerClosed, None);
        } else if self.stopping || self.draining && answered && live && self.has_heard_all(at) {
            self.begin_close(at, CloseReason::ServerShutdown, None);
        }
    }

    /// A silent session becomes a listener when its time for a first line is over, if there is room.
    fn watch_listener(&mut self, at: usize, now: Instant) {
        let seat = &self.seats[at];
        let is_silent = seat.voice == Voice::Unknown && seat.timers.opening.is_none();
        if !is_silent || seat.is_listener || now < seat.card.connected + self.limits.hello_timeout {
            return;
        }
        if self.hub.add_listener() {
            self.seats[at].is_listener = true;
        } else {
            let why = "too many silent listeners";
            self.begin_silent_close(at, CloseReason::ServerFull, Some(why.into()));
            let outbox = &mut self.seats[at].output.outbox;
            encode_refusal(Refusal::ServerFull, retry_after_ms(), outbox);
        }
    }

    /// Whether a session that sends no more has heard what was in the logs when it was answered, its
    /// own words included.
    fn has_heard_last(&mut self, at: usize) -> bool {
        let seat = &mut self.seats[at];
        let memberships = &seat.memberships;
        let heads = || {
            memberships
                .iter()
                .map(|m| (m.room.id, m.room.head()))
                .collect()
        };
        let last = seat.input.last.get_or_insert_with(heads).clone();
        last.into_iter()
            .all(|(room, head)| self.heard(at, room) >= head)
    }

    /// Whether nothing that is or will be in the logs is still to be heard.
    fn has_heard_all(&self, at: usize) -> bool {
        self.hub.logs_are_final()
            && self.hub.log.is_idle()
            && self.seats[at].memberships.iter().all(|membership| {
                let entry = self.rooms.get(&membership.room.id);
                entry.is_none_or(|entry| {
                    entry.members[membership.member].cursor >= membership.room.head()
                })
            })
    }

    /// Once a second: how far everybody is behind, and who is too far.
    pub(super) fn sweep(&mut self) {
        let now = Instant::now();
        let mut too_far: Vec<SessionId> = Vec::new();
        for (at, seat) in &self.seats {
            if seat.card.state() != SessionState::Behind {
                continue;
            }
            let since = seat.output.behind_since;
            let behind = since.map_or(Duration::ZERO, |since| now.duration_since(since));
            seat.card.set_lag(
                self.lag(at),
                u64::try_from(behind.as_millis()).unwrap_or(u64::MAX),
            );
            if self.limits.on_lag == OnLag::Disconnect && self.is_too_far(at, now) {
                too_far.push(seat.id());
            }
        }
        for id in too_far {
            if let Some(&at) = self.by_id.get(&id) {
                self.begin_close(at, CloseReason::SlowConsumer, None);
                self.seats[at].wake();
            }
        }
        self.chunks.clear();
        if self.draining {
            self.wake_all();
        }
    }

    fn is_too_far(&self, at: usize, now: Instant) -> bool {
        self.seats[at].memberships.iter().any(|membership| {
            !self.is_replaying(at, membership)
                && self.heard(at, membership.room.id) + 1 < self.floor(at, &membership.room, now)
        })
    }

    /// Numbered messages that a session has not been given.
    fn lag(&self, at: usize) -> u64 {
        let memberships = &self.seats[at].memberships;
        memberships
            .iter()
            .map(|m| m.room.head().saturating_sub(self.heard(at, m.room.id)))
            .sum()
    }

    /// The last number of a room that a session has wholly been given.
    pub(super) fn heard(&self, at: usize, room: u64) -> u64 {
        let seat = &self.seats[at];
        if let Some(slice) = seat
            .output
            .slice
            .as_ref()
            .filter(|slice| slice.room == Some(room))
        {
            return slice.encoded.seq_before(slice.at);
        }
        let member = seat.membership(room).map(|membership| membership.member);
        let entry = self.rooms.get(&room);
        entry
            .zip(member)
            .map_or(0, |(entry, index)| entry.members[index].cursor)
    }
}
