//! The full dialect: requests in, answers out, in order.

use std::sync::Arc;

use tokio::time::Instant;

use super::Lane;
use super::hello::{nick, not_to_be_had};
use super::input::Flow;
use super::reply::About;
use crate::close::CloseReason;
use crate::event::Change;
use crate::fault::ErrorCode;
use crate::hub::Claim;
use crate::log::Room;
use crate::meter::Kind;
use crate::name::{Nick, RoomName};
use crate::wire::{Fields, Flaw, Reply, Request, RoomLine, escaped_len};

/// Names and rooms that one answer holds if the request names no `limit`.
const PAGE: usize = 100;

impl Lane {
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
                let is_free = matches!(request, Request::Quit { .. });
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
    pub(super) fn waits_for_answers(&mut self, at: usize) -> bool {
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
                let (members, more) = self.names_that_fit(&room, after.as_deref(), limit, 0);
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
            Request::History {
                room,
                epoch,
                from,
                limit,
            } => {
                let room = self.member_of(at, &room)?;
                self.begin_page(at, room, epoch.as_deref(), (from, limit), about.label)?;
            }
            Request::Topic { room, topic } => {
                let room = self.member_of(at, &room)?;
                match topic {
                    Some(topic) => self.set_topic(at, &room, &topic, about)?,
                    None => self.tell_topic(at, &room, about.label),
                }
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
    ) -> (Vec<RoomLine>, bool) {
        const ROOM: usize = r#"{"room":"","members":18446744073709551615,"topic":""},"#.len();
        let (rooms, more) = self.hub.rooms_after(after, limit);
        let mut left = self.limits.line.saturating_sub(super::reply::ENVELOPE);
        let lines: Vec<RoomLine> = rooms
            .iter()
            .map(|room| RoomLine {
                room: room.name.clone(),
                members: room.members(),
                topic: room.topic().map_or_else(Box::default, |t| t.text.clone()),
            })
            .take_while(|line| {
                let cost = line.room.as_str().len() + escaped_len(&line.topic) + ROOM;
                let fits = cost <= left;
                left = left.saturating_sub(cost);
                fits
            })
            .collect();
        let more = more || lines.len() < rooms.len();
        (lines, more)
    }

    /// The room with this name, if the session is in it.
    ///
    /// # Errors
    /// `room_invalid`, `no_such_room`, `not_in_room`.
    pub(super) fn member_of(&self, at: usize, name: &str) -> Result<Arc<Room>, Flaw> {
        if let Some(room) = self.own_room(at, name) {
            return Ok(room);
        }
        let name = RoomName::new(name).map_err(|why| Flaw::new(ErrorCode::RoomInvalid, why))?;
        Err(match self.hub.find_room(name.as_str()) {
            Some(_) => Flaw::new(ErrorCode::NotInRoom, "you are not in this room"),
            None => Flaw::new(ErrorCode::NoSuchRoom, "there is no such room"),
        })
    }

    /// Takes another name.
    ///
    /// # Errors
    /// `nick_invalid`, `nick_reserved`, `nick_in_use`, `banned`.
    pub(super) fn change_nick(&mut self, at: usize, name: &str) -> Result<Nick, Flaw> {
        let nick = nick(name)?;
        let seat = &self.seats[at];
        self.hub
            .claim(&nick, seat.nick.as_ref(), seat.card.id, Claim::Alone)
            .map_err(|code| not_to_be_had(code, &nick))?;
        if seat.nick.as_ref() != Some(&nick) {
            self.rename(at, &nick);
        }
        Ok(nick)
    }
}
