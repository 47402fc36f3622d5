//! The read side of one session: bytes, lines, and when not to read.

use std::task::{Context, Poll};

use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;

use super::farewell::broken_by;
use super::reply::About;
use super::seat::SlotWait;
use super::{Lane, READ};
use crate::close::{CloseReason, Detail};
use crate::fault::{self, ErrorCode};
use crate::hub::{Dialect, SessionState};
use crate::log::{Log, Slot};
use crate::wire::{
    FIRST_LINE, Flaw, Frame, Opening, Reply, Voice, WILL_TIMING_MARK, foreign_start, open,
};

/// Lines of one session that are carried out before others get their turn.
const LINES: usize = 32;
/// Reads of one session before others get their turn, for those whose lines do not end.
const READS: usize = 8;

/// What follows from a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It was dealt with.
    Done,
    /// It has to wait, and with it everything after it; it comes again.
    Hold,
}

impl Lane {
    /// Reads and carries out what a session sends, as far as it may be read now. True if it stopped
    /// because it may not: then nothing wakes the session when more comes.
    pub(super) fn listen(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> bool {
        let (mut lines, mut reads) = (LINES, READS);
        while self.may_read(at, cx, now) {
            if lines == 0 || reads == 0 {
                cx.waker().wake_by_ref();
                return false;
            }
            let held = std::mem::take(&mut self.seats[at].input.held);
            if !held.is_empty() {
                self.feed(at, &held, &mut lines, now);
                continue;
            }
            if self.seats[at].input.eof {
                return false;
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            if scratch.is_empty() {
                // The session that had it last panicked.
                scratch = vec![0; READ];
            }
            let read = self.seats.conn(at).poll_read(cx, &mut scratch);
            reads -= 1;
            let waits = read.is_pending();
            match read {
                Poll::Ready(Ok(0)) => self.end_of_input(at),
                Poll::Ready(Ok(count)) => self.take(at, &mut scratch[..count], &mut lines, now),
                Poll::Ready(Err(error)) => {
                    let ending = broken_by(&error).unwrap_or(CloseReason::ReadError.into());
                    self.seats[at].failed.get_or_insert(ending);
                }
                Poll::Pending => {}
            }
            self.scratch = scratch;
            if waits {
                return false;
            }
        }
        true
    }

    /// Goes on with a session that stopped reading for its own answers or replies, now that they
    /// are given out. The other reasons have wakers of their own.
    pub(super) fn go_on(&self, at: usize) {
        let waits = matches!(self.seats[at].input.slot, SlotWait::Waiting(_));
        if !waits && self.may_go_on(at) {
            self.seats[at].wake();
        }
    }

    /// Whether the next line may be carried out now. Where not, something is set that wakes the
    /// session when it may: a clock, an answer, a free slot, a writable socket.
    fn may_read(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> bool {
        let seat = &mut self.seats[at];
        if seat.closing.is_some() || seat.failed.is_some() {
            return false;
        }
        let input = &mut seat.input;
        if let Some(resume) = input.resume_at {
            if now < resume {
                return false;
            }
            input.resume_at = None;
            seat.timers.heard = now;
        }
        if let SlotWait::Waiting(line) = &mut input.slot {
            match line.poll_acquire(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => input.slot = SlotWait::None,
                Poll::Ready(Some(permit)) => input.slot = SlotWait::Granted(Log::granted(permit)),
            }
        }
        if seat.unanswered.len() >= self.limits.unacked {
            self.meter.unacked_waits.add(u64::from(!input.at_unacked));
            input.at_unacked = true;
            return false;
        }
        if std::mem::take(&mut input.at_unacked) {
            seat.timers.heard = now;
        }
        if input.barrier && !seat.unanswered.is_empty() {
            return false;
        }
        input.barrier = false;
        if seat.telling.is_some() {
            return false;
        }
        // Half of the outbox is for what others have to say.
        seat.output.waiting() < self.limits.outbox / 2
    }

    /// Bytes as they come from the socket.
    fn take(&mut self, at: usize, bytes: &mut [u8], lines: &mut usize, now: Instant) {
        self.meter.bytes_in.add(bytes.len() as u64);
        let seat = &mut self.seats[at];
        seat.card.in_bytes.add(bytes.len() as u64);
        if !matches!(seat.voice, Voice::Unknown | Voice::Text) {
            return self.feed(at, bytes, lines, now);
        }
        let (text, marks) = seat.input.telnet.strip(bytes);
        for _ in 0..marks {
            seat.output.outbox.extend_from_slice(&WILL_TIMING_MARK);
        }
        let is_start = seat.voice == Voice::Unknown && seat.timers.opening.is_none();
        if is_start {
            seat.timers.opening = Some(now);
            if let Some(protocol) = foreign_start(text) {
                return self.foreign(at, protocol);
            }
        }
        self.feed(at, text, lines, now);
    }

    /// Cuts bytes into lines and carries them out, until one has to wait.
    fn feed(&mut self, at: usize, bytes: &[u8], lines: &mut usize, now: Instant) {
        let mut framer = std::mem::take(&mut self.seats[at].input.framer);
        let mut input = bytes;
        let mut held = Vec::new();
        let mut frames = 0;
        while *lines > 0 && self.may_go_on(at) {
            let limit = self.line_limit(at, framer.first_byte().or(input.first().copied()));
            match framer.next(&mut input, limit) {
                None => break,
                Some(Frame::TooLong { first }) => {
                    frames += usize::from(first);
                    self.too_long(at, first, limit);
                    self.note_refusal(at, &[]);
                }
                Some(Frame::Line(line)) => {
                    frames += 1;
                    *lines -= 1;
                    let flow = self.line(at, line, now);
                    if self.refusal.is_some() {
                        self.note_refusal(at, line);
                    }
                    if flow == Flow::Hold {
                        held.extend_from_slice(line);
                        held.push(b'\n');
                        break;
                    }
                }
            }
        }
        held.extend_from_slice(input);
        let seat = &mut self.seats[at];
        let is_within_line = framer.is_within_line();
        seat.input.framer = framer;
        // The clock of a line runs from its own first byte.
        seat.timers.line = match seat.timers.line {
            since @ Some(_) if is_within_line && frames == 0 => since,
            _ => is_within_line.then_some(now),
        };
        if seat.closing.is_none() {
            seat.input.held = held;
        }
    }

    /// Whether the next line may be cut off: nothing came up that makes the session wait.
    fn may_go_on(&self, at: usize) -> bool {
        let seat = &self.seats[at];
        seat.closing.is_none()
            && seat.input.resume_at.is_none()
            && !seat.input.barrier
            && seat.unanswered.len() < self.limits.unacked
            && seat.telling.is_none()
            && seat.output.waiting() < self.limits.outbox / 2
    }

    fn line_limit(&self, at: usize, first: Option<u8>) -> usize {
        let is_first_line = self.seats[at].voice == Voice::Unknown;
        if is_first_line && first != Some(b'{') {
            self.limits.line.min(FIRST_LINE)
        } else {
            self.limits.line
        }
    }

    fn too_long(&mut self, at: usize, first: bool, limit: usize) {
        if self.seats[at].voice == Voice::Unknown {
            self.reject(at, fault::Detail::FirstLine.into());
            let text = "the first line is too long";
            return self.begin_close(at, Detail::FirstLine, Some(text.into()));
        }
        let flaw = Flaw::new(ErrorCode::LineTooLong, "the line is too long");
        if first {
            self.fault(
                at,
                &flaw,
                About {
                    limit: Some(limit),
                    ..About::default()
                },
            );
        } else {
            // It was told; that it goes on and on only counts.
            self.reject(at, fault::Detail::Endless.into());
            self.count_fault(at);
        }
    }

    /// The peer has closed its sending side.
    fn end_of_input(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        seat.input.eof = true;
        if seat.input.framer.is_within_line() {
            self.meter.unterminated_lines.add(1);
            seat.input.framer = crate::wire::Framer::default();
            let text = "the last line had no line end and was discarded";
            if seat.voice != Voice::Unknown {
                self.reply(at, &Reply::Notice { text, room: None });
            }
        }
        let timers = &mut self.seats[at].timers;
        timers.line = None;
        timers.opening = None;
    }

    /// Carries out one line.
    fn line(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        #[cfg(feature = "test-faults")]
        self.meet_fault(at);
        let seat = &mut self.seats[at];
        seat.timers.heard = now;
        seat.timers.pinged = None;
        if seat.trace.is_some() {
            self.show_line_in(at, line);
        }
        let seat = &mut self.seats[at];
        let since = now.duration_since(seat.card.connected);
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        seat.card
            .last_line_ms
            .store(ms, std::sync::atomic::Ordering::Relaxed);
        match seat.voice {
            Voice::Unknown => self.first_line(at, line, now),
            Voice::Basic => self.basic_line(at, line, now),
            Voice::Text => self.text_line(at, line, now),
            Voice::Full => self.full_line(at, line, now),
        }
    }

    fn first_line(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        match open(line) {
            Opening::Full(fields) => return self.open_full(at, fields),
            Opening::Basic(_) => {
                // It goes on hearing the room that it has listened to.
                self.hear_in_silence(at);
                self.speak(at, Voice::Basic, Dialect::Basic);
                return self.basic_line(at, line, now);
            }
            Opening::Text => return self.open_text(at, line, now),
            Opening::Broken(flaw) => self.fault(at, &flaw, About::default()),
            Opening::HelloRequired => {
                let text = "the first object must be a hello, or have `username` and `message`";
                self.refuse(at, ErrorCode::HelloRequired, text, About::default());
                self.begin_close(at, Detail::HelloRequired, Some(text.into()));
            }
            Opening::Foreign(protocol) => self.foreign(at, protocol),
        }
        Flow::Done
    }

    /// Another protocol: nothing of it is interpreted, and nothing is said to it.
    fn foreign(&mut self, at: usize, protocol: Detail) {
        self.begin_silent_close(at, protocol, None);
    }

    /// The session has shown how it speaks.
    pub(super) fn speak(&mut self, at: usize, voice: Voice, dialect: Dialect) {
        let seat = &mut self.seats[at];
        seat.voice = voice;
        seat.timers.opening = None;
        seat.card.set_dialect(dialect);
        seat.card.set_state(SessionState::Live);
        let took = seat.card.connected.elapsed();
        self.meter.handshake.observe_time(took, 1);
        if std::mem::take(&mut seat.is_listener) {
            self.hub.remove_listener();
        }
    }

    /// The right to append a message. Without one the session waits in line for it.
    pub(super) fn take_slot(&mut self, at: usize) -> Option<Slot> {
        let input = &mut self.seats[at].input;
        if let SlotWait::Granted(slot) = std::mem::take(&mut input.slot) {
            return Some(slot);
        }
        let slot = self.hub.log.try_slot();
        if slot.is_none()
            && let Some(slots) = self.hub.log.slots()
        {
            self.meter.busy_waits.add(1);
            input.slot = SlotWait::Waiting(Box::new(PollSemaphore::new(slots.clone())));
        }
        slot
    }

    /// Whether a request other than a message to a room is within `limits.request_rate`. If not it
    /// is refused; who goes on and on is closed.
    pub(super) fn may_request(&mut self, at: usize, now: Instant, about: About<'_>) -> bool {
        /// Refusals in a row that are a flood.
        const FLOOD: u32 = 200;
        let rate = self.limits.request_rate;
        let burst = rate.map_or(1, |rate| rate.count);
        let input = &mut self.seats[at].input;
        let Err(wait) = input.requests.try_spend(now, rate, burst) else {
            input.limited = 0;
            return true;
        };
        input.limited += 1;
        if input.limited > FLOOD {
            self.begin_close(at, CloseReason::Flood, None);
            return false;
        }
        let about = About {
            retry_after: Some(wait),
            ..about
        };
        self.refuse(at, ErrorCode::RateLimited, "too many requests", about);
        false
    }
}
