//! When to look at which session, and what is found then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Lane;
use super::farewell::retry_after_ms;
use super::seat::{LastLook, SlotWait};
use crate::close::{CloseReason, Detail, Refusal};
use crate::event::SessionId;
use crate::hub::SessionState;
use crate::limits::OnLag;
use crate::meter::Meter;
use crate::session::{Manner, Verdict};
use crate::wire::{Reply, Voice, encode_refusal};

/// From the end of somebody's patience to the last look at their socket.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// A lane looks at its clock at least once a second. If it has not for this long, it stood still.
const STANDSTILL: Duration = Duration::from_secs(2);

/// At most one time per session. Activity does not move it: whoever is woken looks at its own
/// timers and sets the next time.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, usize)>);

impl Deadlines {
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }
}

/// The time, once it has come. Never, if there is no time.
pub(super) async fn sleep_until(due: Option<Instant>) -> Instant {
    match due {
        Some(due) => {
            tokio::time::sleep_until(due).await;
            due
        }
        None => std::future::pending().await,
    }
}

/// Looks every so often how late this thread's clock comes: as late comes everything else here.
pub(super) async fn note_lateness(meter: Arc<Meter>) {
    const EVERY: Duration = Duration::from_millis(250);
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tick.tick().await;
        meter.lateness.observe_time(due.elapsed(), 1);
    }
}

impl Lane {
    /// This thread runs. Time in which it did not (the process was stopped or starved, the machine
    /// slept) counts for nobody's patience: nobody could be heard, and nobody was asked.
    pub(super) fn wakes(&mut self, now: Instant) {
        let missed = now.saturating_duration_since(self.awake);
        self.awake = now;
        if missed >= STANDSTILL {
            self.forgive(missed);
        }
    }

    #[cold]
    fn forgive(&mut self, missed: Duration) {
        for (_, seat) in self.seats.iter_mut() {
            seat.timers.forgive(missed);
            if let Some(since) = &mut seat.output.behind_since {
                *since += missed;
            }
        }
    }

    /// Wakes the sessions whose time has come, by the clock that went off: later ones have clocks
    /// of their own.
    pub(super) fn wake_due(&mut self, clock: Instant) {
        while let Some((due, at)) = self.deadlines.0.first().copied() {
            if due > clock {
                break;
            }
            self.deadlines.0.pop_first();
            if let Some(seat) = self.seats.get_mut(at) {
                seat.armed = None;
                if matches!(seat.last_look, LastLook::Awaited(_)) {
                    seat.last_look = LastLook::Taken;
                }
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
        if let LastLook::Awaited(look) = seat.last_look {
            return Some(look);
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
            || seat.telling.is_some()
            || matches!(seat.input.slot, SlotWait::Waiting(_))
            || seat.unanswered.len() >= self.limits.unacked
            || seat.output.waiting() >= self.limits.outbox / 2
    }

    /// Judges a session after it was read and written: patience, end of file, drain, failure.
    pub(super) fn watch(&mut self, at: usize, now: Instant, live: bool) {
        if self.seats[at].closing.is_some() {
            return;
        }
        if let Some(ending) = self.seats[at].failed {
            return self.begin_close(at, ending, None);
        }
        match self.seats[at]
            .timers
            .judge(now, &self.limits, self.manner(at))
        {
            Verdict::Close(_) if self.looks_again(at, now) => return,
            Verdict::Close(ending) => return self.begin_close(at, ending, None),
            Verdict::Ping => {
                self.seats[at].timers.pinged = Some(now);
                self.reply(at, &Reply::Ping);
                self.seats[at].wake();
            }
            Verdict::Wait(_) => {}
        }
        if self.is_silent_too_long(at, now) {
            if self.looks_again(at, now) {
                return;
            }
            self.take_for_listener(at);
            if self.seats[at].closing.is_some() {
                return;
            }
        }
        self.seats[at].last_look = LastLook::NotDue;
        let seat = &self.seats[at];
        let answered =
            seat.unanswered.is_empty() && seat.telling.is_none() && seat.input.held.is_empty();
        if seat.input.eof && answered && !seat.is_blocked() && self.has_heard_last(at) {
            self.begin_close(at, CloseReason::PeerClosed, None);
        } else if self.stopping || self.draining && answered && live && self.has_heard_all(at) {
            self.begin_close(at, CloseReason::ServerShutdown, None);
        }
    }

    /// Whether the session's socket has to be looked at once more before its patience has ended.
    fn looks_again(&mut self, at: usize, now: Instant) -> bool {
        if self.seats[at].last_look == LastLook::NotDue {
            // In place of the clock that is set already: that one may have gone off before.
            self.disarm(at);
            self.seats[at].last_look = LastLook::Awaited(now + LAST_LOOK);
        }
        self.seats[at].last_look != LastLook::Taken
    }

    /// Whether a session that has not begun to speak has had its time for a first line.
    fn is_silent_too_long(&self, at: usize, now: Instant) -> bool {
        let seat = &self.seats[at];
        let is_silent = seat.voice == Voice::Unknown && seat.timers.opening.is_none();
        is_silent && !seat.is_listener && now >= seat.card.connected + self.limits.hello_timeout
    }

    /// A silent session becomes a listener, if there is room.
    fn take_for_listener(&mut self, at: usize) {
        if self.hub.add_listener() {
            self.seats[at].is_listener = true;
        } else {
            let why = "too many silent listeners";
            self.begin_silent_close(at, Detail::Listeners, Some(why.into()));
            let outbox = &mut self.seats[at].output.outbox;
            encode_refusal(Refusal::Listeners, retry_after_ms(), outbox);
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
        last.iter()
            .all(|&(room, head)| self.heard(at, room) >= head)
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
        self.wakes(now);
        let mut too_far: Vec<SessionId> = Vec::new();
        let mut outbox_bytes = 0;
        self.seats.note_all();
        for (at, seat) in self.seats.iter() {
            outbox_bytes += seat.output.waiting();
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
        self.meter.outbox_bytes.set(outbox_bytes as u64);
        for id in too_far {
            if let Some(&at) = self.by_id.get(&id) {
                self.begin_close(at, Detail::Lag, None);
                self.seats[at].wake();
            }
        }
        self.chunks.clear();
        self.try_pages_again();
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
