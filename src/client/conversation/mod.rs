//! The conversation with a server, over as many connections as it takes.
//!
//! Events in, [`Action`]s out: no socket, no clock, no terminal. What it promises:
//!
//! - Nothing is shown twice: every room has a cursor, and a reconnect goes on from it.
//! - What will never be shown is named: a gap is an [`Item::Gap`].
//! - What was said and not answered is sent again after a reconnect, in the order of saying and
//!   under the same `cid`. It is sent only when every room has caught up: an own message that is
//!   heard on the way needs no retry, even if the server has forgotten who we were.
//! - At most `limits.unacked` own messages are unanswered at a time.
//! - Own messages are not shown again: the user sees them as typed.
//!
//! Not here: when to try again (only the least wait that the server asked for), and whether the
//! server is still alive. Both need a clock.

mod outbox;
mod rooms;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::command::Command;
use super::exit::{Ending, Exit};
use super::item::{Change, Item};
use super::wire::{self, Bye, ErrorEvent, Event, Hello, Joined, Labelled, Presence, Request};
use outbox::{Outbox, Target};
use rooms::{Place, Rooms};

/// Own messages that may wait for an answer or for a connection.
const WAITING: usize = 256;
/// Requests that may be unanswered; above it the oldest is forgotten.
const ASKED: usize = 64;
/// Pages of a roster or of the list of rooms that one command fetches.
const PAGES: u32 = 20;
/// The label of `hello`: what it asked for comes back under it.
const HELLO: &str = "hello";

/// What the user wants, decided once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The nick; without one the server makes one up.
    pub username: Option<String>,
    /// Nobody asked for this nick by name: if it is taken, being a guest will do.
    pub username_is_guess: bool,
    /// Rooms to be in from the start; none means the server's default room.
    pub rooms: Vec<String>,
    /// What to hear beside messages.
    pub caps: Vec<String>,
    /// Nobody is there to answer: a refused nick or room is the end.
    pub unattended: bool,
    /// What own `cid`s begin with: random, different for each process.
    pub cid_prefix: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this.
    Send {
        /// The request.
        request: Request,
        /// What its answers carry back.
        label: Option<String>,
    },
    /// Show this.
    Show(Item),
    /// Drop this connection and make another, not before this time has passed.
    Retry {
        /// Why.
        cause: String,
        /// The least wait, if the server named one.
        after: Option<Duration>,
    },
    /// It is over.
    End(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Offline,
    /// `hello` is on its way.
    Greeting,
    /// `welcome` was heard.
    Talking,
    /// `quit` is on its way.
    Leaving,
    /// [`Action::End`] was given.
    Over,
}

/// Whether the outbox may be emptied into this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Not yet: a room still catches up.
    CatchingUp,
    /// Yes.
    Open,
    /// Not any more: the server is draining and refuses messages.
    Draining,
}

/// A request whose answer is expected.
#[derive(Debug)]
struct Asked {
    label: String,
    what: Question,
}

#[derive(Debug)]
enum Question {
    Join {
        room: Option<String>,
        by_command: bool,
    },
    Part(String),
    Nick,
    Names {
        room: String,
        page: u32,
    },
    Rooms {
        page: u32,
    },
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Conversation {
    settings: Settings,
    phase: Phase,
    resume: Option<String>,
    /// The nick that we have.
    me: Option<String>,
    limits: wire::Limits,
    welcomed: bool,
    rooms: Rooms,
    current: Option<String>,
    /// The default room was entered or refused: `hello` need not ask for it again.
    default_room_asked: bool,
    outbox: Outbox,
    gate: Gate,
    asked: VecDeque<Asked>,
    labels: u64,
    /// Leave, with this reason, as soon as the outbox is empty.
    finishing: Option<Option<String>>,
    failures: u64,
    actions: VecDeque<Action>,
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(settings: Settings) -> Self {
        Self {
            phase: Phase::Offline,
            resume: None,
            me: None,
            limits: wire::Limits::default(),
            welcomed: false,
            rooms: Rooms::new(settings.rooms.clone()),
            current: None,
            default_room_asked: !settings.rooms.is_empty(),
            outbox: Outbox::new(settings.cid_prefix.clone()),
            gate: Gate::CatchingUp,
            asked: VecDeque::new(),
            labels: 0,
            finishing: None,
            failures: 0,
            actions: VecDeque::new(),
            settings,
        }
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A connection is there.
    pub fn connected(&mut self) {
        self.phase = Phase::Greeting;
        self.gate = Gate::CatchingUp;
        self.greet();
    }

    /// The server has said something.
    pub fn heard(&mut self, event: Event) {
        match self.phase {
            Phase::Offline | Phase::Over => {}
            Phase::Greeting => self.heard_greeting(event),
            Phase::Talking | Phase::Leaving => self.heard_talk(event),
        }
    }

    /// The connection has ended, or was never made, without a `bye`.
    pub fn lost(&mut self, cause: &str) {
        match self.phase {
            Phase::Over | Phase::Offline => {}
            Phase::Leaving => self.end(Ending::done()),
            Phase::Greeting if !self.welcomed => self.end(Ending::because(
                Exit::Lost,
                format!("{cause} before it said welcome; an old two-field server needs --basic"),
            )),
            Phase::Greeting | Phase::Talking => self.retry(cause.to_owned(), None),
        }
    }

    /// A person typed this.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Say(text) => match self.current.clone() {
                Some(room) => self.say_to(Target::Room(room), text),
                None => self.fail("you are in no room; /join ROOM"),
            },
            Command::Private { to, text } => self.say_to(Target::Nick(to), text),
            Command::Join(room) => self.join(room),
            Command::Part(room) => self.part(room),
            Command::Nick(username) => self.rename(username),
            Command::Names(room) => self.names(room),
            Command::Rooms => self.list_rooms(),
            Command::Help => self.show(Item::Help),
            Command::Quit(reason) => self.finish(reason),
        }
    }

    /// A script said this: to `to`, or in the first room.
    ///
    /// # Errors
    /// Why this text can never be said. It is counted in [`Conversation::failures`] and not shown.
    pub fn say(&mut self, to: Option<&str>, text: String) -> Result<(), String> {
        let target = match (to, self.settings.rooms.first()) {
            (Some(nick), _) => Target::Nick(nick.to_owned()),
            (None, Some(room)) => Target::Room(room.clone()),
            (None, None) => Target::DefaultRoom,
        };
        if let Err(fault) = self.check(&target, &text) {
            self.failures += 1;
            return Err(fault);
        }
        self.outbox.push(target, text);
        self.pump();
        Ok(())
    }

    /// Nothing more will be said: leave as soon as everything is answered.
    pub fn finish(&mut self, reason: Option<String>) {
        self.finishing = Some(reason);
        match self.phase {
            Phase::Offline if self.outbox.is_empty() || !self.settings.unattended => {
                self.end_early();
            }
            _ => self.pump(),
        }
    }

    /// Leave now, whatever is unanswered.
    pub fn leave(&mut self) {
        match self.phase {
            Phase::Talking => self.quit(self.finishing.clone().flatten()),
            Phase::Leaving | Phase::Over => {}
            Phase::Offline | Phase::Greeting => self.end_early(),
        }
    }

    /// Whether a script's next line has a place.
    pub fn wants_input(&self) -> bool {
        self.welcomed
            && self.finishing.is_none()
            && self.outbox.len() < self.limits.unacked.clamp(1, WAITING)
    }

    /// Whether the last command has changed all that it will change in the prompt.
    pub fn is_settled(&self) -> bool {
        let moves = |asked: &Asked| matches!(asked.what, Question::Join { .. } | Question::Part(_));
        self.phase != Phase::Greeting && !self.asked.iter().any(moves)
    }

    /// What stands before the line that is being typed: the room in which it will be said.
    pub fn prompt(&self) -> String {
        format!("{}> ", self.current.as_deref().unwrap_or_default())
    }

    /// The nick that we have, once the server has said it.
    pub fn username(&self) -> Option<&str> {
        self.me.as_deref()
    }

    /// Messages of ours that have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Messages of ours that were refused for good.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Whether a connection is up and welcomed.
    pub fn is_talking(&self) -> bool {
        self.phase == Phase::Talking
    }

    /// Asks the server for a sign of life.
    pub fn ask_for_life(&mut self) {
        if self.is_talking() {
            self.send(Request::Ping { token: None }, None);
        }
    }
}

/// Greeting.
impl Conversation {
    fn greet(&mut self) {
        let hello = Hello {
            version: wire::VERSION,
            username: self.settings.username.clone(),
            caps: Some(self.settings.caps.clone()),
            join: Some(!self.default_room_asked),
            resume: self.resume.clone(),
            client: Some(concat!("chat-client/", env!("CARGO_PKG_VERSION")).to_owned()),
        };
        self.send(Request::Hello(hello), Some(HELLO.to_owned()));
    }

    fn heard_greeting(&mut self, event: Event) {
        match event {
            Event::Welcome(welcome) => self.welcome(welcome),
            Event::Error(error) => self.refused(error),
            Event::Bye(bye) => self.bye(bye),
            // Anything else was for the silent listener that we were until now.
            _ => {}
        }
    }

    fn welcome(&mut self, welcome: wire::Welcome) {
        let again = std::mem::replace(&mut self.welcomed, true);
        self.phase = Phase::Talking;
        self.resume = welcome.resume.or(self.resume.take());
        self.limits = welcome.limits;
        let words = if again {
            "connected again"
        } else {
            "connected"
        };
        self.show(Item::Status(format!("{words} as {}", welcome.username)));
        self.me = Some(welcome.username);
        if !self.default_room_asked {
            let what = Question::Join {
                room: None,
                by_command: false,
            };
            self.asked.push_back(Asked {
                label: HELLO.to_owned(),
                what,
            });
        }
        let wanted: Vec<_> = self
            .rooms
            .iter()
            .map(|room| (room.name.clone(), room.since()))
            .collect();
        for (room, since) in wanted {
            let what = Question::Join {
                room: Some(room.clone()),
                by_command: false,
            };
            self.ask(Request::Join { room, since }, what);
        }
        self.pump();
    }

    /// `hello` was refused; it may be said again on the same connection.
    fn refused(&mut self, error: ErrorEvent) {
        if error.code == "rate_limited" || error.code == "draining" {
            return self.retry(error.text, error.retry_after_ms.map(Duration::from_millis));
        }
        let about_nick = matches!(
            &*error.code,
            "nick_in_use" | "nick_invalid" | "nick_reserved"
        );
        let must_have =
            !self.settings.username_is_guess && (!self.welcomed || self.settings.unattended);
        match self.settings.username.take() {
            Some(nick) if about_nick && !must_have => {
                if !self.settings.username_is_guess {
                    let words = format!("{nick}: {}; /nick NAME takes another", error.text);
                    self.fail(&words);
                }
                self.greet();
            }
            nick => {
                let text =
                    nick.map_or_else(|| error.text.clone(), |n| format!("{n}: {}", error.text));
                self.end(Ending::because(Exit::Refused, text));
            }
        }
    }
}

/// Talking.
impl Conversation {
    fn heard_talk(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.heard_message(message),
            Event::Ack(ack) => drop(ack.cid.and_then(|cid| self.outbox.settle(&cid))),
            Event::Joined(joined) => self.joined(&joined),
            Event::Parted { room, label } => self.parted(&room, label.as_deref()),
            Event::Presence(presence) => self.presence(presence),
            Event::Gap(gap) => self.gap(&gap),
            Event::Names(names) => self.heard_names(names),
            Event::Rooms(rooms) => self.heard_rooms(rooms),
            Event::Topic {
                room,
                topic,
                username,
            } => {
                self.show(Item::Topic {
                    room,
                    topic,
                    username,
                });
            }
            Event::Notice { text, room } => self.show(Item::Notice { room, text }),
            Event::Nick { username, label } => {
                drop(self.answered(label.as_deref()));
                self.renamed(username);
            }
            Event::Ping { token } => self.send(Request::Pong { token }, None),
            Event::Error(error) => self.heard_error(error),
            Event::Bye(bye) => return self.bye(bye),
            Event::Welcome(_) | Event::Pong { .. } | Event::Other => {}
        }
        self.pump();
    }

    fn heard_message(&mut self, message: wire::Message) {
        if message.label.is_some() {
            return;
        }
        let wire::Message {
            room,
            seq,
            username,
            message: text,
            cid,
            ..
        } = message;
        let Some(room) = room else {
            return self.show(Item::Private { username, text });
        };
        if let (Some(seq), Some(entry)) = (seq, self.rooms.find(&room)) {
            match entry.hear(seq) {
                Place::Next => {}
                Place::Old => return,
                Place::After(missing) => {
                    let reason = "unannounced".to_owned();
                    self.show(Item::Gap {
                        room: room.clone(),
                        count: Some(missing),
                        reason,
                    });
                }
            }
        }
        if let Some(cid) = cid {
            let ours = self.outbox.is_echo(&cid);
            if ours && self.gate == Gate::CatchingUp {
                // Heard while catching up: it arrived before the connection was lost.
                self.outbox.settle(&cid);
            }
            if ours {
                return;
            }
        }
        let room = self.tag(&room);
        self.show(Item::Said {
            room,
            username,
            text,
        });
    }

    fn joined(&mut self, joined: &Joined) {
        let asked = self.answered(joined.label.as_deref());
        let (requested, by_command) = match asked {
            Some(Question::Join { room, by_command }) => (room, by_command),
            // Without a label: the default room, which `hello` asked for.
            _ => (self.default_joined().then(|| joined.room.clone()), false),
        };
        let entry = self
            .rooms
            .want(requested.unwrap_or_else(|| joined.room.clone()));
        let known = entry.is_known();
        entry.enter(joined);
        if by_command || self.current.is_none() {
            self.current = Some(joined.room.clone());
        }
        if !known {
            self.show(Item::Joined {
                room: joined.room.clone(),
                topic: joined.topic.clone().filter(|topic| !topic.is_empty()),
                members: joined.members.clone(),
                total: joined.members_total,
            });
        }
    }

    /// Whether the default room was still expected; it is not any more.
    fn default_joined(&mut self) -> bool {
        let expected = |asked: &Asked| matches!(asked.what, Question::Join { room: None, .. });
        let Some(at) = self.asked.iter().position(expected) else {
            return false;
        };
        self.asked.remove(at);
        self.default_room_asked = true;
        true
    }

    fn parted(&mut self, room: &str, label: Option<&str>) {
        drop(self.answered(label));
        self.forget(room);
        self.show(Item::Parted {
            room: room.to_owned(),
        });
    }

    fn forget(&mut self, room: &str) {
        self.rooms.remove(room);
        let gone = self
            .current
            .as_deref()
            .is_some_and(|current| current.eq_ignore_ascii_case(room));
        if gone {
            self.current = self.rooms.iter().next().map(|room| room.name.clone());
        }
    }

    fn presence(&mut self, presence: Presence) {
        let Presence {
            room,
            event,
            username,
            new_username,
            reason,
        } = presence;
        let ours = self.me.as_deref() == Some(&username);
        let change = match (&*event, new_username) {
            ("nick", Some(new)) if ours => return self.renamed(new),
            _ if ours => return,
            ("join", _) => Change::Joined(username),
            ("part" | "quit", _) => Change::Left(username, reason),
            ("nick", Some(new)) => Change::Renamed(username, new),
            _ => return,
        };
        let room = self.tag(&room);
        self.show(Item::Presence { room, change });
    }

    fn renamed(&mut self, username: String) {
        if self.me.as_deref() == Some(&username) {
            return;
        }
        self.show(Item::Status(format!("you are now {username}")));
        self.settings.username = Some(username.clone());
        self.settings.username_is_guess = false;
        self.me = Some(username);
    }

    fn gap(&mut self, gap: &wire::Gap) {
        let Some(entry) = self.rooms.find(&gap.room) else {
            return;
        };
        if let Some(count) = entry.skip(gap) {
            self.show(Item::Gap {
                room: gap.room.clone(),
                count,
                reason: gap.reason.clone(),
            });
        }
    }

    fn heard_names(&mut self, names: wire::Names) {
        if names.reset {
            return;
        }
        let page = match self.answered(names.label.as_deref()) {
            Some(Question::Names { page, .. }) => page,
            _ => return,
        };
        let after = names.members.last().cloned();
        self.show(Item::Names {
            room: names.room.clone(),
            members: names.members,
        });
        if names.more && after.is_some() && page < PAGES {
            let what = Question::Names {
                room: names.room.clone(),
                page: page + 1,
            };
            self.ask(
                Request::Names {
                    room: names.room,
                    after,
                },
                what,
            );
        } else if names.more {
            self.show(Item::Status(format!(
                "{} has more members than fit here",
                names.room
            )));
        }
    }

    fn heard_rooms(&mut self, rooms: wire::Rooms) {
        let page = match self.answered(rooms.label.as_deref()) {
            Some(Question::Rooms { page }) => page,
            _ => return,
        };
        let after = rooms.rooms.last().map(|entry| entry.room.clone());
        let lines = rooms
            .rooms
            .into_iter()
            .map(|entry| (entry.room, entry.members, entry.topic));
        self.show(Item::Rooms(lines.collect()));
        if rooms.more && after.is_some() && page < PAGES {
            self.ask(Request::Rooms { after }, Question::Rooms { page: page + 1 });
        } else if rooms.more {
            self.show(Item::Status(
                "there are more rooms than fit here".to_owned(),
            ));
        }
    }

    fn heard_error(&mut self, error: ErrorEvent) {
        let text = if error.text.is_empty() {
            error.code.clone()
        } else {
            error.text
        };
        if let Some(cid) = &error.cid {
            if error.code == "draining" {
                self.gate = Gate::Draining;
                return self.outbox.postpone(cid);
            }
            if let Some(pending) = self.outbox.refuse(cid) {
                self.failures += 1;
                return self.show(Item::Failure {
                    said: Some(pending.text),
                    text,
                });
            }
        }
        match self.answered(error.label.as_deref()) {
            Some(Question::Join { room, .. }) => self.not_joined(room, &text),
            _ => self.fail(&text),
        }
    }

    fn not_joined(&mut self, room: Option<String>, text: &str) {
        if let Some(room) = &room {
            self.forget(room);
        } else {
            self.default_room_asked = true;
        }
        let words = room.map_or_else(|| text.to_owned(), |room| format!("{room}: {text}"));
        if self.settings.unattended {
            self.end(Ending::because(Exit::Refused, words));
        } else {
            self.fail(&words);
        }
    }

    fn bye(&mut self, bye: Bye) {
        if self.phase == Phase::Leaving {
            return self.end(Ending::done());
        }
        let text = if bye.text.is_empty() {
            bye.code.clone()
        } else {
            bye.text
        };
        if bye.reconnect {
            return self.retry(text, bye.retry_after_ms.map(Duration::from_millis));
        }
        let exit = if bye.code == "banned" {
            Exit::Refused
        } else {
            Exit::Lost
        };
        self.end(Ending::because(exit, text));
    }
}

/// Asking.
impl Conversation {
    fn join(&mut self, room: String) {
        if let Some(entry) = self.rooms.find(&room)
            && entry.is_entered()
        {
            self.current = Some(entry.name.clone());
            return;
        }
        self.rooms.want(room.clone());
        if self.is_talking() {
            let what = Question::Join {
                room: Some(room.clone()),
                by_command: true,
            };
            self.ask(Request::Join { room, since: None }, what);
        } else {
            self.show(Item::Status(format!(
                "{room} will be entered when the connection is back"
            )));
        }
    }

    fn part(&mut self, room: Option<String>) {
        let Some(room) = room.or_else(|| self.current.clone()) else {
            return self.fail("you are in no room");
        };
        if self.is_talking() {
            self.ask(Request::Part { room: room.clone() }, Question::Part(room));
        } else {
            self.forget(&room);
            self.show(Item::Parted { room });
        }
    }

    fn rename(&mut self, username: String) {
        if self.is_talking() {
            self.ask(Request::Nick { username }, Question::Nick);
        } else {
            self.settings.username_is_guess = false;
            self.settings.username = Some(username);
        }
    }

    fn names(&mut self, room: Option<String>) {
        let Some(room) = room.or_else(|| self.current.clone()) else {
            return self.fail("you are in no room; /names ROOM");
        };
        if self.is_online_or_says_so() {
            let request = Request::Names {
                room: room.clone(),
                after: None,
            };
            self.ask(request, Question::Names { room, page: 1 });
        }
    }

    fn list_rooms(&mut self) {
        if self.is_online_or_says_so() {
            self.ask(Request::Rooms { after: None }, Question::Rooms { page: 1 });
        }
    }

    fn is_online_or_says_so(&mut self) -> bool {
        if !self.is_talking() {
            self.fail("there is no connection now");
        }
        self.is_talking()
    }

    fn say_to(&mut self, target: Target, text: String) {
        let fault = match self.check(&target, &text) {
            Err(fault) => fault,
            Ok(()) if self.outbox.len() >= WAITING => "too many messages are waiting".to_owned(),
            Ok(()) => {
                self.outbox.push(target, text);
                return self.pump();
            }
        };
        self.show(Item::Failure {
            said: Some(text),
            text: fault,
        });
    }

    fn check(&self, target: &Target, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("an empty message cannot be sent".to_owned());
        }
        if text.len() > self.limits.message {
            return Err(format!(
                "the message has {} bytes, the server takes {}",
                text.len(),
                self.limits.message
            ));
        }
        let draft = Labelled {
            request: &self.outbox.draft(target, text),
            label: None,
        };
        let line = serde_json::to_string(&draft).map_or(0, |line| line.len());
        if line > self.limits.line {
            return Err(format!(
                "the line has {line} bytes, the server takes {}",
                self.limits.line
            ));
        }
        Ok(())
    }

    fn ask(&mut self, request: Request, what: Question) {
        self.labels += 1;
        let label = self.labels.to_string();
        self.asked.push_back(Asked {
            label: label.clone(),
            what,
        });
        if self.asked.len() > ASKED {
            self.asked.pop_front();
        }
        self.send(request, Some(label));
    }

    fn answered(&mut self, label: Option<&str>) -> Option<Question> {
        let at = self
            .asked
            .iter()
            .position(|asked| Some(&*asked.label) == label)?;
        // Requests are answered in order: what was asked before and has no answer will get none.
        self.asked.drain(..at);
        self.asked.pop_front().map(|asked| asked.what)
    }
}

/// Doing.
impl Conversation {
    /// Sends what may be sent, and leaves when nothing is left to wait for.
    fn pump(&mut self) {
        if self.phase != Phase::Talking {
            return;
        }
        if self.gate == Gate::CatchingUp && self.has_caught_up() {
            self.gate = Gate::Open;
        }
        while self.gate == Gate::Open
            && let Some(request) = self.outbox.send_next(self.limits.unacked.clamp(1, WAITING))
        {
            self.send(request, None);
        }
        if self.outbox.is_empty()
            && let Some(reason) = self.finishing.clone()
        {
            self.quit(reason);
        }
    }

    fn has_caught_up(&self) -> bool {
        let joining = |asked: &Asked| matches!(asked.what, Question::Join { .. });
        !self.asked.iter().any(joining) && self.rooms.iter().all(rooms::Room::has_caught_up)
    }

    fn quit(&mut self, reason: Option<String>) {
        self.phase = Phase::Leaving;
        self.send(Request::Quit { reason }, None);
    }

    /// The user leaves while there is no connection to leave.
    fn end_early(&mut self) {
        let unsaid = self.outbox.len();
        let text = (unsaid > 0).then(|| format!("{unsaid} of your messages were not sent"));
        self.end(Ending {
            exit: Exit::Done,
            text,
        });
    }

    fn retry(&mut self, cause: String, after: Option<Duration>) {
        self.phase = Phase::Offline;
        self.asked.clear();
        self.rooms.iter_mut().for_each(rooms::Room::left_behind);
        self.outbox.unsend();
        self.actions.push_back(Action::Retry { cause, after });
    }

    fn end(&mut self, ending: Ending) {
        self.phase = Phase::Over;
        self.actions.push_back(Action::End(ending));
    }

    fn tag(&self, room: &str) -> Option<String> {
        (self.rooms.len() > 1).then(|| room.to_owned())
    }

    fn fail(&mut self, text: &str) {
        self.show(Item::Failure {
            said: None,
            text: text.to_owned(),
        });
    }

    fn show(&mut self, item: Item) {
        self.actions.push_back(Action::Show(item));
    }

    fn send(&mut self, request: Request, label: Option<String>) {
        self.actions.push_back(Action::Send { request, label });
    }
}
