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

mod asking;
mod greeting;
mod outbox;
mod rooms;
mod talking;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::command::Command;
use super::exit::{Ending, Exit};
use super::item::{Change, Item};
use super::wire::{self, Event, Request};
use outbox::{Outbox, Target};
use rooms::Rooms;

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
    Part,
    Nick,
    Names {
        page: u32,
    },
    History,
    Topic,
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
    last_rename: Option<Change>,
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
            last_rename: None,
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
            Command::Topic(topic) => self.topic(topic),
            Command::History(limit) => self.history(limit),
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

    /// A script's line could not even be read: it counts as refused.
    pub fn unsayable(&mut self) {
        self.failures += 1;
    }

    /// Nothing more will be said: leave as soon as everything is answered.
    pub fn finish(&mut self, reason: Option<String>) {
        self.finishing = Some(reason);
        match self.phase {
            Phase::Offline if self.outbox.is_empty() => self.end_early(),
            Phase::Offline | Phase::Greeting if !self.settings.unattended => self.end_early(),
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
        let moves = |asked: &Asked| matches!(asked.what, Question::Join { .. } | Question::Part);
        self.welcomed && self.phase != Phase::Greeting && !self.asked.iter().any(moves)
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

    /// Whether `quit` is said and only the server's end of the connection is missing.
    pub fn is_leaving(&self) -> bool {
        self.phase == Phase::Leaving
    }

    /// Asks the server for a sign of life.
    pub fn ask_for_life(&mut self) {
        if self.is_talking() {
            self.send(Request::Ping { token: None }, None);
        }
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
        let text = (unsaid > 0).then(|| format!("messages of yours that were not sent: {unsaid}"));
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
        if self.finishing.is_some() && !self.settings.unattended {
            return self.end_early();
        }
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
