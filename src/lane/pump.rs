//! The write side of one session: finish the slice, send the replies, read on where it is behind.

use std::io;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::Lane;
use super::seat::Seat;
use super::write::{Written, write_slice};
use crate::hub::SessionState;
use crate::meter::Meter;

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
