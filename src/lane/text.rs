//! A person with netcat or telnet.

use tokio::time::Instant;

use super::Lane;
use super::input::Flow;
use super::reply::About;
use crate::close::CloseReason;
use crate::event::Change;
use crate::fault::{Detail, ErrorCode, Rejection};
use crate::hub::Dialect;
use crate::meter::Kind;
use crate::wire::{Flaw, PageStart, Reply, Voice};

const WELCOME: [&str; 2] = [
    "Welcome. What you type is said in the room; /nick NAME gives you a name.",
    "/help tells the rest.",
];
const HELP: [&str; 9] = [
    "/nick NAME  take a name",
    "/join ROOM  go into a room; /part [ROOM] leave it",
    "/msg NICK TEXT  say something to one person",
    "/names  who is here",
    "/topic [TEXT]  what the room is about",
    "/history [N]  the last N messages",
    "/rooms  which rooms there are",
    "//TEXT  say /TEXT",
    "/quit  leave",
];
/// Names and rooms that one answer shows.
const SHOWN: usize = 100;
/// Messages that `/history` shows.
const PAST: usize = 20;

impl Lane {
    /// A first line that is text. A command is carried out; anything else is not said.
    pub(super) fn open_text(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        let nick = match self.guest(at) {
            Ok(nick) => nick,
            Err(flaw) => {
                self.fault(at, &flaw, About::default());
                return Flow::Done;
            }
        };
        self.end_listening(at);
        self.speak(at, Voice::Text, Dialect::Text);
        self.rename(at, &nick);
        // A name that is taken at once is the name under which one comes in.
        let is_nick = line.starts_with(b"/nick ");
        if is_nick {
            self.text_line(at, line, now);
        }
        let room = self.hub.default_room.clone();
        if let Ok(entered) = self.join(at, room.as_str(), None) {
            self.seats[at].current = Some(entered.room.id);
        }
        if is_nick {
            return Flow::Done;
        }
        if line.first() == Some(&b'/') {
            return self.text_line(at, line, now);
        }
        if !line.is_empty() {
            let text = "your first line was not said; say it again, or /help";
            self.reply(at, &Reply::Notice { text, room: None });
        }
        for text in WELCOME {
            self.reply(at, &Reply::Notice { text, room: None });
        }
        Flow::Done
    }

    pub(super) fn text_line(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        let text = match std::str::from_utf8(line) {
            Ok(text) if !text.contains('\r') => text,
            Ok(_) => {
                return self.bad_text(at, Detail::BareCrInText, "a bare CR stands in the line");
            }
            Err(_) => return self.bad_text(at, ErrorCode::BadUtf8, "the line is not UTF-8"),
        };
        if text.is_empty() {
            // It says nothing, but costs as much as what does.
            self.spend(at, now);
            return Flow::Done;
        }
        let Some(command) = text.strip_prefix('/') else {
            return self.say_here(at, text, now);
        };
        if command.starts_with('/') {
            return self.say_here(at, command, now);
        }
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        if verb == "msg" {
            return self.msg(at, rest, now);
        }
        self.seats[at].input.bad = 0;
        let is_free = matches!(verb, "quit" | "help");
        if is_free || self.may_request(at, now, About::default()) {
            self.meter.received.count(Kind::Request as usize);
            if let Err(flaw) = self.command(at, verb, rest.trim()) {
                self.refuse_flaw(at, &flaw, About::default());
            }
        }
        Flow::Done
    }

    fn bad_text(&mut self, at: usize, rejection: impl Into<Rejection>, text: &'static str) -> Flow {
        self.fault(at, &Flaw::new(rejection, text), About::default());
        Flow::Done
    }

    fn say_here(&mut self, at: usize, text: &str, now: Instant) -> Flow {
        let room = self.current_room(at);
        match self.check_text(text).and(room) {
            Ok(room) => {
                self.seats[at].input.bad = 0;
                self.say(at, room, text, About::default(), now)
            }
            Err(flaw) => {
                self.refuse_flaw(at, &flaw, About::default());
                self.spend(at, now);
                Flow::Done
            }
        }
    }

    fn current_room(&self, at: usize) -> Result<std::sync::Arc<crate::log::Room>, Flaw> {
        let seat = &self.seats[at];
        let membership = seat.current.and_then(|room| seat.membership(room));
        membership
            .map(|membership| membership.room.clone())
            .ok_or(Flaw::new(
                ErrorCode::NotInRoom,
                "you are in no room; /join ROOM",
            ))
    }

    fn msg(&mut self, at: usize, rest: &str, now: Instant) -> Flow {
        let (to, text) = rest
            .trim_start()
            .split_once(' ')
            .unwrap_or((rest.trim(), ""));
        let checked = if to.is_empty() {
            Err(Flaw::new(
                ErrorCode::MissingField,
                "to whom? /msg NICK TEXT",
            ))
        } else {
            self.check_text(text)
        };
        match checked {
            Ok(()) => self.whisper(at, to, text, About::default(), now),
            Err(flaw) => {
                self.refuse_flaw(at, &flaw, About::default());
                Flow::Done
            }
        }
    }

    fn command(&mut self, at: usize, verb: &str, rest: &str) -> Result<(), Flaw> {
        match verb {
            "nick" => {
                let nick = self.change_nick(at, rest)?;
                self.reply(at, &Reply::Nick { username: &nick });
            }
            "join" => {
                let entered = self.join(at, rest, None)?;
                self.seats[at].current = Some(entered.room.id);
                self.tell_joined(at, &entered, None);
            }
            "part" => {
                let room = if rest.is_empty() {
                    self.current_room(at)?
                } else {
                    self.own_room(at, rest)
                        .ok_or(Flaw::new(ErrorCode::NotInRoom, "you are not in this room"))?
                };
                self.leave(at, room.id, &Change::Part);
                self.reply(at, &Reply::Parted { room: &room.name });
            }
            "names" => {
                let room = self.current_room(at)?;
                let (members, more) = self.names_that_fit(&room, None, SHOWN, 0);
                let names = Reply::Names {
                    room: &room.name,
                    members: &members,
                    more,
                    reset: false,
                };
                self.reply(at, &names);
            }
            "topic" => {
                let room = self.current_room(at)?;
                if rest.is_empty() {
                    self.tell_topic(at, &room, None);
                } else {
                    self.set_topic(at, &room, rest, About::default())?;
                }
            }
            "history" => {
                let room = self.current_room(at)?;
                let count = if rest.is_empty() {
                    Ok(PAST)
                } else {
                    rest.parse()
                };
                let Some(count) = count.ok().filter(|count| *count > 0) else {
                    return Err(Flaw::bad("N", "a number from 1: /history [N]"));
                };
                self.begin_page(at, room, None, (PageStart::Latest, Some(count)), None)?;
            }
            "rooms" => {
                let (rooms, more) = self.rooms_that_fit(None, SHOWN);
                self.reply(
                    at,
                    &Reply::Rooms {
                        rooms: &rooms,
                        more,
                    },
                );
            }
            "help" => {
                for text in HELP {
                    self.reply(at, &Reply::Notice { text, room: None });
                }
            }
            "quit" => {
                let reason = (!rest.is_empty()).then(|| rest.chars().take(200).collect::<String>());
                self.begin_close(at, CloseReason::ClientQuit, reason.map(Into::into));
            }
            _ => {
                return Err(Flaw::new(
                    ErrorCode::UnknownType,
                    "there is no such command; /help tells which there are",
                ));
            }
        }
        Ok(())
    }
}
