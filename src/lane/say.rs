//! Messages: to a room through its log, to a person through their lane.

use std::sync::Arc;

use tokio::time::Instant;

use super::Lane;
use super::input::Flow;
use super::reply::About;
use crate::fault::{Detail, ErrorCode};
use crate::log::{Appended, Draft, Room};
use crate::mail::{Begun, Note, Outcome, Private, RetryKey, RetryTarget, Ticket};
use crate::meter::{COUNTS, Kind};
use crate::name::NICK_CHARS;
use crate::session::Pending;
use crate::wire::{Flaw, Target, Voice, escaped_len};

/// Of this many messages the delivery of one is timed.
const TIMED: u32 = 64;

impl Lane {
    /// A message to a room or to a person.
    pub(super) fn message(
        &mut self,
        at: usize,
        target: Target<'_>,
        text: &str,
        about: About<'_>,
        now: Instant,
    ) -> Flow {
        let checked = self.check_text(text).and_then(|()| match &target {
            Target::Nick(_) => Ok(None),
            Target::Room(name) => self.member_of(at, name).map(Some),
            Target::Default => {
                let name = self.hub.default_room.clone();
                self.member_of(at, name.as_str()).map(Some)
            }
        });
        let room = match checked {
            Ok(room) => room,
            Err(flaw) => {
                if self.waits_for_answers(at) {
                    return Flow::Hold;
                }
                let room = match &target {
                    // What is no name is not repeated: it may be as long as a line.
                    Target::Room(name) if flaw.code() != ErrorCode::RoomInvalid => {
                        Some(name.as_ref())
                    }
                    _ => None,
                };
                let too_long = flaw.code() == ErrorCode::MessageTooLong;
                let limit = too_long.then_some(self.limits.message);
                self.refuse_flaw(
                    at,
                    &flaw,
                    About {
                        room,
                        limit,
                        ..about
                    },
                );
                // It costs as much as one that is sent.
                self.spend(at, now);
                return Flow::Done;
            }
        };
        self.seats[at].input.bad = 0;
        #[cfg(feature = "test-faults")]
        if self.meet_fault(at) {
            let code = ErrorCode::StoreUnavailable;
            self.refuse(at, code, "sabotaged", about);
            return Flow::Done;
        }
        match (room, target) {
            (Some(room), _) => self.say(at, room, text, about, now),
            (None, Target::Nick(to)) => self.whisper(at, &to, text, about, now),
            (None, _) => Flow::Done,
        }
    }

    /// # Errors
    /// `empty_message`, `message_too_long`, `draining`.
    pub(super) fn check_text(&self, text: &str) -> Result<(), Flaw> {
        if self.draining {
            return Err(Flaw::new(
                ErrorCode::Draining,
                "the server is shutting down",
            ));
        }
        if text.is_empty() {
            return Err(Flaw::new(ErrorCode::EmptyMessage, "the message is empty"));
        }
        // A text that grows by escapes must still fit on a line out.
        if text.len() > self.limits.message {
            return Err(Flaw::new(Detail::TextBytes, "the message is too long"));
        }
        if escaped_len(text) > self.limits.line {
            let text = "the message is too long with its control characters escaped";
            return Err(Flaw::new(Detail::TextEscapes, text));
        }
        Ok(())
    }

    /// Says something in a room of the session's own, on its way through the log.
    pub(super) fn say(
        &mut self,
        at: usize,
        room: Arc<Room>,
        text: &str,
        about: About<'_>,
        now: Instant,
    ) -> Flow {
        let Some(slot) = self.take_slot(at) else {
            return Flow::Hold;
        };
        let Some(nick) = self.seats[at].nick.clone() else {
            return Flow::Done;
        };
        self.seats[at].card.in_msgs.add(1);
        let ticket = self.pend(at, about, Some(room.clone()), None);
        let target = RetryTarget::Room(room.id);
        if let Some(ticket) = self.begin_retry(at, ticket, target, about.cid) {
            let seat = &self.seats[at];
            let mut draft = Draft::new(seat.card.id, nick, text.into());
            draft.cid = about.cid.map(Into::into);
            draft.identity = about.cid.and(seat.identity).map(Box::new);
            draft.born = self.timed(now);
            let number = ticket.number;
            if let Appended::Committed(outcome) = self.hub.log.append(slot, &room, draft, ticket) {
                self.count_commit(&outcome);
                self.seats[at].output.hears_itself = self.seats[at].voice == Voice::Full;
                self.seats[at].unanswered.resolve(number, outcome);
            }
        }
        self.meter.received.count(Kind::Room as usize);
        self.meter.message_size.observe(text.len() as u64, 1);
        self.spend(at, now);
        Flow::Done
    }

    /// Every so many messages one is timed on its way to everybody.
    fn timed(&mut self, now: Instant) -> Option<Instant> {
        if !COUNTS {
            return None;
        }
        self.untimed += 1;
        (self.untimed == TIMED).then(|| {
            self.untimed = 0;
            now
        })
    }

    /// Notes what is to be answered when somebody else knows what became of it.
    pub(super) fn pend(
        &mut self,
        at: usize,
        about: About<'_>,
        room: Option<Arc<Room>>,
        to: Option<Box<str>>,
    ) -> Ticket {
        let seat = &mut self.seats[at];
        let number = seat.unanswered.next_ticket();
        seat.unanswered.push(Pending {
            ticket: number,
            label: about.label.map(Into::into),
            cid: about.cid.map(Into::into),
            room,
            to,
            outcome: None,
        });
        Ticket {
            lane: self.mailbox.clone(),
            session: seat.card.id,
            number,
            retry: None,
        }
    }

    /// Looks a message with a `cid` up. `None` if it was or will be answered as its first try was.
    fn begin_retry(
        &mut self,
        at: usize,
        ticket: Ticket,
        target: RetryTarget,
        cid: Option<&str>,
    ) -> Option<Ticket> {
        let (Some(cid), Some(identity)) = (cid, self.seats[at].identity) else {
            return Some(ticket);
        };
        let key = RetryKey {
            identity,
            target,
            cid: cid.into(),
        };
        let bounds = (self.limits.dedup_age, self.limits.dedup_entries);
        let number = ticket.number;
        match self.hub.retries.begin(key, ticket, bounds) {
            Begun::New(ticket) => Some(ticket),
            Begun::Waits => {
                // Another session of this identity may be about to append the first try. What comes
                // after it here must not be faster.
                self.seats[at].input.barrier = true;
                None
            }
            Begun::Known(outcome) => {
                self.seats[at].unanswered.resolve(number, outcome);
                None
            }
        }
    }

    /// Over its rate a session is not read: nothing is refused, nothing lost.
    pub(super) fn spend(&mut self, at: usize, now: Instant) {
        let seat = &mut self.seats[at];
        let input = &mut seat.input;
        let rate = self.limits.message_rate;
        if let Some(resume) = input.messages.spend(now, rate, self.limits.message_burst) {
            input.resume_at = Some(resume);
            self.meter.paced.add(1);
            seat.card.note_paced();
            let pause = resume.duration_since(now).as_micros();
            let micros = u64::try_from(pause).unwrap_or(u64::MAX);
            self.meter.paced_micros.add(micros);
        }
    }

    /// A private message, on its way to its recipient's lane.
    pub(super) fn whisper(
        &mut self,
        at: usize,
        to: &str,
        text: &str,
        about: About<'_>,
        now: Instant,
    ) -> Flow {
        // It may be refused at once, and answers come in order.
        if self.waits_for_answers(at) {
            return Flow::Hold;
        }
        if !self.may_request(at, now, about) {
            return Flow::Done;
        }
        let Some(from) = self.seats[at].nick.clone() else {
            return Flow::Done;
        };
        // Names are compared by their looks: only for what can be one.
        let to: String = to.chars().take(NICK_CHARS + 1).collect();
        let is_name = to.chars().count() <= NICK_CHARS;
        let holders = if is_name {
            self.hub.by_nick(&to)
        } else {
            Vec::new()
        };
        let recipient = holders.into_iter().find_map(|card| {
            let nick = card.text().nick?;
            Some((card, nick))
        });
        // The ack names the recipient as they spell it, or as the author did if they are gone.
        let shown = recipient
            .as_ref()
            .map_or(to.as_str(), |(_, nick)| nick.as_str());
        self.seats[at].card.in_msgs.add(1);
        let ticket = self.pend(at, about, None, Some(shown.into()));
        self.meter.received.count(Kind::Private as usize);
        self.meter.message_size.observe(text.len() as u64, 1);
        // Whether it arrived before is asked first: its recipient may have gone since.
        let target = RetryTarget::Nick(to.to_lowercase().into());
        let Some(mut reply) = self.begin_retry(at, ticket, target, about.cid) else {
            return Flow::Done;
        };
        let Some((card, to_nick)) = recipient else {
            let (code, text) = (ErrorCode::NoSuchNick, "nobody has this name");
            let outcome = Outcome::Refused { code, text };
            reply.settle(&outcome);
            self.seats[at].unanswered.resolve(reply.number, outcome);
            return Flow::Done;
        };
        card.lane().post(Note::Private(Box::new(Private {
            to: card.id,
            to_nick,
            from,
            time_ms: (self.hub.clock)(),
            text: text.into(),
            cid: about.cid.map(Into::into),
            reply,
        })));
        Flow::Done
    }
}
