//! The full dialect: requests in, answers out, in order.

use std::sync::Arc;

use tokio::time::Instant;

use super::Lane;
use super::input::Flow;
use super::reply::About;
use crate::close::CloseReason;
use crate::event::Change;
use crate::fault::ErrorCode;
use crate::hub::{Claim, Dialect};
use crate::log::{Appended, Draft, Room};
use crate::mail::{Begun, Note, Private, RetryKey, RetryTarget, Ticket};
use crate::meter::Kind;
use crate::name::{NameFault, Nick};
use crate::session::Pending;
use crate::wire::{Fields, Flaw, Hello, Reply, Request, Target, Voice, escaped_len};

/// Names and rooms that one answer holds if the request names no `limit`.
const PAGE: usize = 100;
/// Of this many messages the delivery of one is timed.
const TIMED: u32 = 64;

impl Lane {
    /// A first line that is a `hello`. It may fail and be tried again.
    pub(super) fn open_full(&mut self, at: usize, mut fields: Fields<'_>) -> Flow {
        let about = About {
            voice: Some(Voice::Full),
            ..About::default()
        };
        let label = match fields.take_label() {
            Ok(label) => label,
            Err(flaw) => {
                self.fault(at, &flaw, about);
                return Flow::Done;
            }
        };
        let about = About {
            label: label.as_deref(),
            ..about
        };
        let hello = match fields.into_request() {
            Ok(Request::Hello(hello)) => hello,
            Ok(_) => return Flow::Done,
            Err(flaw) => {
                self.fault(at, &flaw, about);
                return Flow::Done;
            }
        };
        if let Err(flaw) = self.hello(at, &hello, label.as_deref()) {
            self.fault(at, &flaw, about);
        }
        Flow::Done
    }

    fn hello(&mut self, at: usize, hello: &Hello<'_>, label: Option<&str>) -> Result<(), Flaw> {
        if hello.version != 1 {
            return Err(Flaw::new(ErrorCode::BadField, "`version` must be 1"));
        }
        let wanted = hello.username.as_deref().map(nick).transpose()?;
        let session = self.seats[at].card.id;
        let identity = self
            .hub
            .identify(session, hello.resume.as_deref())
            .map_err(|_| Flaw::new(ErrorCode::StoreUnavailable, "no identity can be made now"))?;
        // The name passes over from the session that held the identity; a name of one's own wins.
        let name = match (wanted, identity.nick) {
            (Some(wanted), Some(held)) if wanted.as_str() != held.as_str() => Some((wanted, false)),
            (_, Some(held)) => Some((held, hello.username.is_none())),
            (Some(wanted), None) => Some((wanted, false)),
            (None, None) => None,
        };
        let passed = name.as_ref().is_some_and(|(name, _)| {
            identity
                .replaced
                .is_some_and(|old| self.hub.pass_over(name, old, session))
        });
        let nick = match name {
            Some((name, _)) if passed => name,
            Some((name, optional)) => match self.hub.claim(&name, None, session, Claim::Alone) {
                Ok(()) => name,
                Err(_) if optional => self.guest(at)?,
                Err(code) => return Err(in_use(code, &name)),
            },
            None => self.guest(at)?,
        };
        if let Some(old) = identity.replaced.and_then(|old| self.hub.card(old)) {
            old.close(CloseReason::Replaced, None);
        }
        self.end_listening(at);
        self.speak(at, Voice::Full, Dialect::Full);
        let seat = &mut self.seats[at];
        seat.presence = hello.presence;
        seat.identity = Some(identity.id);
        if let Some(client) = &hello.client {
            let client = client.as_ref().into();
            seat.card.edit(|text| text.client = Some(client));
        }
        self.rename(at, &nick);
        self.meter.received.count(Kind::Request as usize);
        let (hub, limits) = (self.hub.clone(), self.limits.clone());
        let welcome = Reply::Welcome {
            session,
            server: &hub.name,
            username: &nick,
            presence: hello.presence,
            resume: &identity.secret,
            limits: &limits,
        };
        self.reply_to(at, &welcome, label);
        if hello.join {
            let room = self.hub.default_room.clone();
            let entered = self.join(at, room.as_str(), None)?;
            self.tell_joined(at, &entered, None);
        }
        Ok(())
    }

    /// A name for a session that has not chosen one.
    pub(super) fn guest(&self, at: usize) -> Result<Nick, Flaw> {
        let session = self.seats[at].card.id;
        let nick = Nick::guest(session.0);
        // Nobody can take a guest's name, and session ids never repeat.
        self.hub
            .claim(&nick, self.seats[at].nick.as_ref(), session, Claim::Alone)
            .map_err(|code| in_use(code, &nick))?;
        Ok(nick)
    }

    pub(super) fn full_line(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        let mut label = None;
        let request = Fields::parse(line).and_then(|mut fields| {
            label = fields.take_label()?;
            fields.into_request()
        });
        let about = About {
            label: label.as_deref(),
            ..About::default()
        };
        let request = match request {
            Ok(Request::Message { target, text, cid }) => {
                let about = About {
                    cid: cid.as_deref(),
                    ..about
                };
                return self.message(at, target, &text, about, now);
            }
            other => other,
        };
        // Answers come in order: whatever is not a message waits for the messages before it.
        if self.waits_for_answers(at) {
            return Flow::Hold;
        }
        match request {
            Err(flaw) => self.fault(at, &flaw, about),
            Ok(request) => {
                self.seats[at].input.bad = 0;
                let is_free = matches!(request, Request::Pong | Request::Quit { .. });
                if is_free || self.may_request(at, now, about) {
                    self.meter.received.count(Kind::Request as usize);
                    if let Err(flaw) = self.request(at, request, about) {
                        self.refuse_flaw(at, &flaw, about);
                    }
                }
            }
        }
        Flow::Done
    }

    /// Whether earlier messages are not answered yet. Then the session waits for that.
    fn waits_for_answers(&mut self, at: usize) -> bool {
        self.answer(at);
        let waits = !self.seats[at].unanswered.is_empty();
        self.seats[at].input.barrier = waits;
        waits
    }

    fn request(&mut self, at: usize, request: Request<'_>, about: About<'_>) -> Result<(), Flaw> {
        match request {
            Request::Message { .. } | Request::Pong => {}
            Request::Hello(_) => {
                return Err(Flaw::new(ErrorCode::BadField, "there was a hello already"));
            }
            Request::Join { room, since } => {
                let entered = self.join(at, &room, since.as_ref())?;
                self.tell_joined(at, &entered, about.label);
            }
            Request::Part { room } => {
                let room = self.member_of(at, &room)?;
                self.leave(at, room.id, &Change::Part);
                self.reply_to(at, &Reply::Parted { room: &room.name }, about.label);
            }
            Request::Names { room, after, limit } => {
                let room = self.member_of(at, &room)?;
                let limit = limit.unwrap_or(PAGE);
                let (members, more) = self.names_that_fit(&room, after.as_deref(), limit);
                let names = Reply::Names {
                    room: &room.name,
                    members: &members,
                    more,
                    reset: false,
                };
                self.reply_to(at, &names, about.label);
            }
            Request::Rooms { after, limit } => {
                let limit = limit.unwrap_or(PAGE);
                let (rooms, more) = self.rooms_that_fit(after.as_deref(), limit);
                self.reply_to(
                    at,
                    &Reply::Rooms {
                        rooms: &rooms,
                        more,
                    },
                    about.label,
                );
            }
            Request::Nick { username } => {
                let nick = self.change_nick(at, &username)?;
                self.reply_to(at, &Reply::Nick { username: &nick }, about.label);
            }
            Request::Ping { token } => {
                self.reply_to(
                    at,
                    &Reply::Pong {
                        token: token.as_deref(),
                    },
                    about.label,
                );
            }
            Request::Quit { reason } => {
                let reason =
                    reason.map(|reason| reason.chars().take(200).collect::<String>().into());
                self.begin_close(at, CloseReason::ClientQuit, reason);
            }
        }
        Ok(())
    }

    pub(super) fn rooms_that_fit(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<(crate::name::RoomName, usize)>, bool) {
        const ROOM: usize = r#"{"room":"","members":18446744073709551615,"topic":""},"#.len();
        let (mut rooms, mut more) = self.hub.rooms_after(after, limit);
        let mut left = self.limits.line.saturating_sub(super::reply::ENVELOPE);
        let fits = rooms
            .iter()
            .take_while(|(room, _)| {
                let cost = room.as_str().len() + ROOM;
                let fits = cost <= left;
                left = left.saturating_sub(cost);
                fits
            })
            .count();
        more |= fits < rooms.len();
        rooms.truncate(fits);
        (rooms, more)
    }

    /// The room with this name, if the session is in it.
    ///
    /// # Errors
    /// `no_such_room`, `not_in_room`.
    fn member_of(&self, at: usize, name: &str) -> Result<Arc<Room>, Flaw> {
        if let Some(room) = self.own_room(at, name) {
            return Ok(room);
        }
        Err(match self.hub.find_room(name) {
            Some(_) => Flaw::new(ErrorCode::NotInRoom, "you are not in this room"),
            None => Flaw::new(ErrorCode::NoSuchRoom, "there is no such room"),
        })
    }

    /// Takes another name.
    ///
    /// # Errors
    /// `nick_invalid`, `nick_reserved`, `nick_in_use`.
    pub(super) fn change_nick(&mut self, at: usize, name: &str) -> Result<Nick, Flaw> {
        let nick = nick(name)?;
        let seat = &self.seats[at];
        self.hub
            .claim(&nick, seat.nick.as_ref(), seat.card.id, Claim::Alone)
            .map_err(|code| in_use(code, &nick))?;
        if seat.nick.as_ref() != Some(&nick) {
            self.rename(at, &nick);
        }
        Ok(nick)
    }

    /// A message to a room or to a person.
    fn message(
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
                    Target::Room(name) => Some(name.as_ref()),
                    _ => None,
                };
                let too_long = flaw.code == ErrorCode::MessageTooLong;
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
                return Flow::Done;
            }
        };
        self.seats[at].input.bad = 0;
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
        if text.len() > self.limits.message || escaped_len(text) > self.limits.line {
            return Err(Flaw::new(
                ErrorCode::MessageTooLong,
                "the message is too long",
            ));
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
        let ticket = self.pend(at, about, Some(room.clone()), None);
        let target = RetryTarget::Room(room.id);
        if let Some(ticket) = self.begin_retry(at, ticket, target, about.cid) {
            let seat = &self.seats[at];
            let mut draft = Draft::new(seat.card.id, nick, text.into());
            draft.cid = about.cid.map(Into::into);
            draft.born = self.timed(now);
            let number = ticket.number;
            if let Appended::Committed(outcome) = self.hub.log.append(slot, &room, draft, ticket) {
                self.count_commit(&outcome);
                self.seats[at].unanswered.resolve(number, outcome);
            }
        }
        self.meter.received.count(Kind::Room as usize);
        self.spend(at, now);
        Flow::Done
    }

    /// Every so many messages one is timed on its way to everybody.
    fn timed(&mut self, now: Instant) -> Option<Instant> {
        self.untimed += 1;
        (self.untimed == TIMED).then(|| {
            self.untimed = 0;
            now
        })
    }

    /// Notes a message that is to be answered.
    fn pend(
        &mut self,
        at: usize,
        about: About<'_>,
        room: Option<Arc<Room>>,
        to: Option<Nick>,
    ) -> Ticket {
        let seat = &mut self.seats[at];
        let number = seat.unanswered.next_ticket();
        seat.card.in_msgs.add(1);
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
            Begun::Waits => None,
            Begun::Known(outcome) => {
                self.seats[at].unanswered.resolve(number, outcome);
                None
            }
        }
    }

    /// Over its rate a session is not read: nothing is refused, nothing lost.
    pub(super) fn spend(&mut self, at: usize, now: Instant) {
        let input = &mut self.seats[at].input;
        let rate = self.limits.message_rate;
        if let Some(resume) = input.messages.spend(now, rate, self.limits.message_burst) {
            input.resume_at = Some(resume);
            self.meter.paced.add(1);
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
        let Some(card) = self.hub.by_nick(to).into_iter().next() else {
            self.refuse(at, ErrorCode::NoSuchNick, "nobody has this name", about);
            return Flow::Done;
        };
        if card.dialect() == Dialect::Basic {
            let text = "they cannot receive private messages";
            self.refuse(at, ErrorCode::CannotReceive, text, about);
            return Flow::Done;
        }
        let (Some(from), Some(to_nick)) = (self.seats[at].nick.clone(), card.text().nick) else {
            return Flow::Done;
        };
        let ticket = self.pend(at, about, None, Some(to_nick.clone()));
        let target = RetryTarget::Nick(to.to_lowercase().into());
        self.meter.received.count(Kind::Private as usize);
        if let Some(reply) = self.begin_retry(at, ticket, target, about.cid) {
            card.lane().post(Note::Private(Box::new(Private {
                to: card.id,
                to_nick,
                from,
                time_ms: (self.hub.clock)(),
                text: text.into(),
                cid: about.cid.map(Into::into),
                reply,
            })));
        }
        Flow::Done
    }
}

fn in_use(code: ErrorCode, nick: &Nick) -> Flaw {
    Flaw {
        code,
        text: format!("the name {nick} is in use").into(),
    }
}

/// Checks a name.
///
/// # Errors
/// `nick_invalid`, `nick_reserved`.
pub(super) fn nick(text: &str) -> Result<Nick, Flaw> {
    Nick::new(text).map_err(|fault| match fault {
        NameFault::Invalid(why) => Flaw::new(ErrorCode::NickInvalid, why),
        NameFault::Reserved => Flaw::new(ErrorCode::NickReserved, "this name is reserved"),
    })
}
