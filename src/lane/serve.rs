//! One stretch to one member: written at once if the member is live, else left for its own task to
//! read on.

use std::task::Waker;

use super::Lane;
use super::room::Member;
use super::seat::Seat;
use super::seats::Sent;
use super::slice::{Skip, Slice};
use super::stretch::Stretch;
use super::write::{Written, write_answers, write_lines};
use crate::hub::SessionState;

impl Lane {
    /// Writes the stretch to one member, if it is live. True if all of it went out.
    ///
    /// Test and write happen here without an await between.
    pub(super) fn serve(
        &mut self,
        stretch: &mut Stretch,
        member: &mut Member,
        sums: &mut Written,
    ) -> bool {
        let (before, last) = (stretch.before, stretch.last);
        let mut sent = 0;
        if member.cursor == before && !self.draining {
            let encoded = stretch.encoded(member.profile);
            if encoded.bytes.is_empty() {
                member.cursor = last;
                return false;
            }
            match self.seats.send(member.seat, encoded) {
                Sent::All => {
                    member.cursor = last;
                    sums.calls += 1;
                    sums.bytes += encoded.bytes.len();
                    sums.messages += encoded.messages;
                    sums.presence += encoded.lines.len() as u64 - encoded.messages;
                    return true;
                }
                Sent::Part(count) => sent = count,
                Sent::Nothing => {}
            }
        }
        self.serve_with_care(stretch, member, sent)
    }

    /// The same for a session that is more than plain. `sent` bytes went out already.
    fn serve_with_care(&mut self, stretch: &mut Stretch, member: &mut Member, sent: usize) -> bool {
        let (seat, conn) = self.seats.with_conn(member.seat);
        let Some(begun) = begin(seat, stretch, member, sent) else {
            return false;
        };
        let (room, last, replayed) = (stretch.room.id, stretch.last, stretch.replayed);
        let encoded = stretch.encoded(member.profile);
        let skip = (seat.spoke == self.turn).then(|| Skip {
            author: seat.card.id,
            silence: member.profile.silence(),
        });
        let waker = seat.waker.as_ref().unwrap_or(Waker::noop());
        let answers = std::mem::take(&mut seat.output.goes_with_turn);
        let mut at = begun;
        let written = if answers {
            write_answers(conn, waker, &mut seat.output, encoded, &mut at, skip)
        } else {
            write_lines(conn, waker, encoded, &mut at, skip)
        };
        if seat.trace.is_some() {
            seat.show_encoded((self.hub.clock)(), encoded, (begun, at), skip);
        }
        match written {
            Err(error) => {
                // Nothing of it was counted as written: it goes with the session.
                self.fail(member.seat, &error);
                false
            }
            Ok(written) if answers && seat.output.waiting() > 0 => {
                // Not even the answers went out: nothing of the room did.
                Self::count(&self.meter, seat, &written, replayed);
                seat.fall_behind();
                false
            }
            Ok(mut written) => {
                member.cursor = member.cursor.max(last);
                if sent > 0 {
                    written.add_start(encoded, sent);
                }
                if !written.done {
                    let rest = Slice {
                        room: Some(room),
                        encoded: encoded.clone(),
                        at,
                        skip,
                        replayed,
                    };
                    self.keep_rest(member.seat, rest);
                }
                self.note_served(member.seat, &written, replayed, answers);
                written.done
            }
        }
    }

    /// The socket took no more: the session's own task goes on from here.
    fn keep_rest(&mut self, at: usize, rest: Slice) {
        rest.encoded.charge(&self.hub.budget);
        self.meter.fell_behind.add(1);
        let seat = &mut self.seats[at];
        seat.output.slice = Some(Box::new(rest));
        seat.card.set_state(SessionState::Behind);
        tracing::debug!(event = "client.behind", client = %seat.card.id);
        // The task has to watch the socket and the clock from now on.
        seat.fall_behind();
    }

    fn note_served(&mut self, at: usize, written: &Written, replayed: bool, answers: bool) {
        let seat = &mut self.seats[at];
        Self::count(&self.meter, seat, written, replayed);
        if self.draining || seat.input.eof || answers {
            // It waits for this to be the last thing that it hears, or for its answers to be gone
            // before it is read again.
            seat.wake();
        }
        self.seats.settle(at);
    }
}

/// Where in the stretch a session begins. `None` if it hears nothing of it now.
fn begin(
    seat: &mut Seat,
    stretch: &mut Stretch,
    member: &mut Member,
    sent: usize,
) -> Option<usize> {
    if seat.closing.is_some() {
        return None;
    }
    let (before, last) = (stretch.before, stretch.last);
    let encoded = stretch.encoded(member.profile);
    let waits = seat.is_blocked() && !seat.output.goes_with_turn;
    if member.cursor < before || waits {
        member.missed_presence |= encoded.has_presence() && member.profile.hears_unnumbered();
        // Behind for another reason than its socket: its own task reads on.
        seat.fall_behind();
        return None;
    }
    let at = if member.cursor > before {
        encoded.after(member.cursor)
    } else {
        sent
    };
    if at == encoded.bytes.len() {
        member.cursor = member.cursor.max(last);
        return None;
    }
    Some(at)
}
