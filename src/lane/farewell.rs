//! How a session ends: out of its rooms, `bye` as its last line, half-close, a moment to read it.
//!
//! A socket that is closed with unread input resets the connection and destroys the farewell; so
//! the sending side is closed first, and what still comes in is read and thrown away for a while.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::reply::some;
use super::seat::{Closing, Seat, SlotWait};
use super::{Arrival, Conn, Lane};
use crate::close::{CloseReason, Detail, Ending, Refusal};
use crate::event::Change;
use crate::hub::{RefusedConnection, SessionState};
use crate::wire::{Reply, encode_refusal};

/// How long a refused connection may take to read why.
const REFUSAL: Duration = Duration::from_secs(2);
/// How long the peer may take to close its side.
const LINGER: Duration = Duration::from_secs(1);
/// The same in a drain, when everybody reads a farewell at once and the machine is busy.
const DRAIN_LINGER: Duration = Duration::from_secs(3);
/// The same when the daemon is about to be gone.
const LAST_LINGER: Duration = Duration::from_millis(200);
/// Refused connections of one lane that are told so at the same time; more are just closed.
const REFUSED: usize = 128;
/// Shortest and longest wait that a client is asked for before it comes back, in milliseconds.
const RETRY_MS: std::ops::Range<u64> = 1_000..10_000;

impl Lane {
    /// Takes a connection in. `None` if it was refused and not even told.
    pub(super) fn take_in(&mut self, arrival: Arrival) -> Option<usize> {
        self.meter.accepted.add(1);
        let Arrival { peer, addr, place } = arrival;
        let conn = match peer.attach() {
            Ok(conn) => conn,
            Err(error) => {
                tracing::warn!(event = "connection.lost", %error, "a connection could not be taken in");
                return None;
            }
        };
        match place {
            Ok(permit) => Some(self.open_session(conn, addr, Some(permit))),
            Err(refusal) => self.refuse_connection(conn, addr, refusal),
        }
    }

    fn open_session(
        &mut self,
        conn: Conn,
        addr: SocketAddr,
        permit: Option<super::Permit>,
    ) -> usize {
        let card = self.hub.open(addr, &self.mailbox);
        let id = card.id;
        let is_own = permit.as_ref().is_some_and(super::Permit::is_own);
        // A ban that came between the door and here: who said it has not seen this session yet.
        if !is_own && self.hub.is_banned_address(addr.ip()) {
            card.close(Detail::BannedAddress, None);
        }
        let seat = Seat::new(card, permit, Instant::now());
        let at = self.seats.insert(seat, conn);
        self.by_id.insert(id, at);
        tracing::debug!(event = "client.connected", client = %id, addr = %addr.ip());
        at
    }

    fn refuse_connection(
        &mut self,
        conn: Conn,
        addr: SocketAddr,
        refusal: Refusal,
    ) -> Option<usize> {
        self.meter.refused.count(refusal.index());
        self.hub.note_refused_connection(RefusedConnection {
            time_ms: (self.hub.clock)(),
            addr: addr.ip(),
            refusal,
        });
        let [reason, detail] = refusal.words();
        let detail = some(detail);
        tracing::debug!(event = "connection.refused", addr = %addr.ip(), reason, detail);
        if self.refused == REFUSED {
            return None;
        }
        self.refused += 1;
        let card = Arc::new(crate::hub::Card::new(
            crate::event::SessionId::NOBODY,
            addr,
            (self.hub.clock)(),
            self.mailbox.clone(),
        ));
        let now = Instant::now();
        let mut seat = Seat::new(card, None, now);
        encode_refusal(refusal, retry_after_ms(), &mut seat.output.outbox);
        seat.closing = Some(Box::new(Closing {
            deadline: now + if self.stopping { LAST_LINGER } else { REFUSAL },
            is_half_closed: false,
            refused: true,
        }));
        Some(self.seats.insert(seat, conn))
    }

    /// The socket failed. Its task ends the session.
    pub(super) fn fail(&mut self, at: usize, error: &io::Error) {
        let seat = &mut self.seats[at];
        let ending = broken_by(error).unwrap_or(CloseReason::WriteError.into());
        seat.failed.get_or_insert(ending);
        seat.wake();
    }

    /// Begins to end a session. It leaves its rooms and its name at once; a line that is under way
    /// is finished; `bye` is its last line if the server chose the ending.
    pub(super) fn begin_close(
        &mut self,
        at: usize,
        ending: impl Into<Ending>,
        text: Option<Box<str>>,
    ) {
        if self.seats[at].closing.is_some() {
            return;
        }
        let (ending, said) = (ending.into(), text.clone());
        let reason = ending.reason();
        self.begin_silent_close(at, ending, text);
        if reason.is_announced() {
            let text = said.as_deref().unwrap_or(reason.text());
            let retry_after_ms = reason.reconnect().then(retry_after_ms);
            self.reply(
                at,
                &Reply::Bye {
                    reason,
                    text,
                    retry_after_ms,
                },
            );
        }
    }

    /// The same without `bye`: for who does not speak the protocol.
    pub(super) fn begin_silent_close(
        &mut self,
        at: usize,
        ending: impl Into<Ending>,
        text: Option<Box<str>>,
    ) {
        if self.seats[at].closing.is_some() {
            return;
        }
        let ending = ending.into();
        let reason = ending.reason();
        self.finish_line(at);
        let why = match reason {
            CloseReason::ClientQuit => text.clone(),
            _ if reason.is_announced() => Some(reason.text().into()),
            _ => None,
        };
        self.leave_all(at, &Change::Quit(why));
        self.note_end(at, ending, text);
        let seat = &mut self.seats[at];
        if std::mem::take(&mut seat.is_listener) {
            self.hub.remove_listener();
        }
        seat.card.set_state(SessionState::Closing);
        seat.input.slot = SlotWait::None;
        // Whoever does not read gets as long for the farewell as for anything else.
        let patience = if self.stopping {
            Duration::ZERO
        } else {
            self.limits.write_stall
        };
        seat.closing = Some(Box::new(Closing {
            deadline: Instant::now() + patience,
            is_half_closed: false,
            refused: false,
        }));
    }

    /// Takes an unfinished write back to the end of the line that it is in.
    fn finish_line(&mut self, at: usize) {
        if self.seats[at].output.slice.is_some() {
            self.take_slice(at);
        }
    }

    /// The time of the daemon is over: nobody gets longer for a farewell.
    pub(super) fn hurry_farewells(&mut self) {
        for (_, seat) in self.seats.iter_mut() {
            if let Some(closing) = &mut seat.closing {
                closing.deadline = Instant::now();
            }
        }
    }

    /// Writes the farewell, closes the sending side and waits for the peer's. Ready when it is over.
    pub(super) fn farewell(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        if self.say_farewell(at, cx, now).is_pending() && !self.is_overdue(at, now) {
            return Poll::Pending;
        }
        self.remove(at);
        Poll::Ready(())
    }

    fn is_overdue(&self, at: usize, now: Instant) -> bool {
        self.seats[at]
            .closing
            .as_ref()
            .is_none_or(|closing| now >= closing.deadline)
    }

    fn say_farewell(&mut self, at: usize, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        if self.seats[at].failed.is_some() {
            return Poll::Ready(());
        }
        let half_closed = |lane: &Self| {
            lane.seats[at]
                .closing
                .as_ref()
                .is_some_and(|closing| closing.is_half_closed)
        };
        if !half_closed(self) {
            if !self.pump(at, cx, now) {
                return if self.seats[at].failed.is_some() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
            match self.seats.conn(at).poll_shutdown(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {}
            }
            let patience = match (self.stopping, self.draining) {
                (true, _) => LAST_LINGER,
                (false, true) => DRAIN_LINGER,
                (false, false) => LINGER,
            };
            if let Some(closing) = &mut self.seats[at].closing {
                closing.is_half_closed = true;
                closing.deadline = now + patience;
            }
        }
        if self.seats[at].input.eof {
            Poll::Ready(())
        } else {
            self.discard_input(at, cx)
        }
    }

    fn discard_input(&mut self, at: usize, cx: &mut Context<'_>) -> Poll<()> {
        const READS: usize = 8;
        for _ in 0..READS {
            match self.seats.conn(at).poll_read(cx, &mut self.scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Forgets a session that has ended.
    fn remove(&mut self, at: usize) {
        self.disarm(at);
        let seat = self.seats.remove(at);
        if self.stopping {
            // The lane may be waiting for the last one to go.
            self.rearmed.notify_one();
        }
        let Some(closing) = seat.closing else { return };
        if closing.refused {
            self.refused -= 1;
            return;
        }
        self.by_id.remove(&seat.card.id);
        self.hub.remove(&seat.card);
    }

    /// Counts and remembers an ending, when it is decided: whoever does not read its farewell is no
    /// less closed.
    fn note_end(&self, at: usize, ending: Ending, text: Option<Box<str>>) {
        let card = &self.seats[at].card;
        self.meter.closed.count(ending.index());
        self.meter
            .lifetime
            .observe_time(card.connected.elapsed(), 1);
        if let Some(identity) = self.seats[at].identity {
            self.hub.rest(identity, card.id);
        }
        if self.seats[at].is_own() {
            // It says nothing of the people who were here, and would crowd them out.
            self.hub.end_unlisted(card);
        } else {
            self.hub.end(card, ending, text);
        }
        let (client, addr) = (card.id, card.addr.ip());
        let [reason, detail] = ending.words();
        let detail = some(detail);
        let is_ordinary = matches!(
            ending.reason(),
            CloseReason::ClientQuit | CloseReason::PeerClosed | CloseReason::ServerShutdown
        );
        if is_ordinary {
            tracing::debug!(event = "client.closed", %client, %addr, reason, detail);
        } else {
            tracing::info!(event = "client.closed", %client, %addr, reason, detail);
        }
    }

    /// Ends a session whose task panicked. Whatever it was in the middle of, its farewell is a line
    /// of its own only if nothing else was half written.
    pub(super) fn abandon(&mut self, at: usize, reason: CloseReason) {
        if !self.seats.contains(at) {
            return;
        }
        self.meter.panics.add(1);
        let client = self.seats[at].card.id;
        tracing::error!(event = "client.panicked", %client, "a fault of the daemon's own ended a session");
        self.begin_close(at, reason, None);
        // One try without a task that could wait.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.pump(at, &mut cx, Instant::now());
        self.remove(at);
    }
}

/// Who broke a connection, where the error tells. The kernel gives up on a peer that acknowledges
/// nothing for twice `limits.write_stall`: bytes that it holds itself are not seen by the lane's
/// own clock.
pub(super) fn broken_by(error: &io::Error) -> Option<Ending> {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Some(CloseReason::PeerReset.into())
        }
        io::ErrorKind::TimedOut => Some(Detail::Unacknowledged.into()),
        _ => None,
    }
}

/// Clients that come back spread themselves.
pub(super) fn retry_after_ms() -> u64 {
    // Without random bits everybody waits the same middle time.
    let spread = RETRY_MS.end - RETRY_MS.start;
    RETRY_MS.start + getrandom::u64().map_or(spread / 2, |bits| bits % spread)
}
