//! A recording client of the full dialect, that can drop its connection and come back.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;

use super::client::{Lines, Stall};
use super::ear::listen;
use super::mind::Mind;
use super::recorder::{Clock, Recorder};
use crate::checker::{Dialect, Event, Log, Position, id_of};
use crate::harness::within;

/// A client that numbers its messages, keeps them until they are acknowledged, and resumes.
pub(crate) struct Full {
    /// Its name.
    pub(crate) username: String,
    /// Stops its reading.
    pub(crate) stall: Stall,
    server: SocketAddr,
    record: Recorder,
    mind: Mind<State>,
    connection: Option<Connection>,
    said: u64,
}

struct Connection {
    write: OwnedWriteHalf,
    /// The reading task; it ends with the connection.
    _reader: JoinSet<()>,
}

/// What the reading task learns.
#[derive(Default)]
pub(super) struct State {
    pub(super) resume: Option<String>,
    pub(super) welcomed: bool,
    /// Where each joined room stands: the last number heard or gapped.
    pub(super) rooms: HashMap<String, Position>,
    /// How often each room was joined.
    pub(super) joined: HashMap<String, u64>,
    /// What the joins on their way asked for.
    pub(super) asked: HashMap<String, VecDeque<Option<Position>>>,
    /// Said and not answered: room and text.
    pub(super) unacked: VecDeque<(String, String)>,
    /// The last that it heard of its own.
    pub(super) own: String,
    pub(super) bye: Option<String>,
    pub(super) closed: bool,
}

impl Full {
    /// Connects and says hello.
    pub(crate) async fn arrive(server: SocketAddr, clock: &Clock, username: &str) -> Self {
        let mut client = Self {
            username: username.to_owned(),
            stall: Stall::new(),
            server,
            record: Recorder::new(clock, username, Dialect::Full),
            mind: Mind::default(),
            connection: None,
            said: 0,
        };
        client.connect().await;
        client
    }

    /// A new connection: the same identity if there was one before, and the same rooms, each from
    /// where it left off; then what was never answered is said again under its old ids.
    pub(crate) async fn connect(&mut self) {
        self.drop_connection();
        let (resume, rooms) = self.mind.with(|state| {
            let before = std::mem::take(state);
            state.resume = before.resume.clone();
            state.unacked = before.unacked;
            (before.resume, before.rooms)
        });
        self.record.note(Event::Connected);
        let (lines, write) = Lines::connect(self.server, &self.stall).await;
        let mut reader = JoinSet::new();
        reader.spawn(listen(
            lines,
            self.record.clone(),
            self.mind.clone(),
            self.username.clone(),
        ));
        self.connection = Some(Connection {
            write,
            _reader: reader,
        });

        let mut hello =
            json!({ "type": "hello", "version": 1, "username": self.username, "caps": [] });
        if let Some(resume) = resume {
            hello["resume"] = json!(resume);
        }
        self.write(hello).await;
        self.mind.wait("a welcome", |state| state.welcomed).await;
        for (room, position) in rooms {
            self.join(&room, Some(position)).await;
        }
        let again = self.mind.with(|state| state.unacked.clone());
        for (room, text) in again {
            self.send(&room, &text).await;
        }
    }

    /// Hangs up in the middle of everything.
    pub(crate) fn drop_connection(&mut self) {
        if self.connection.take().is_some() {
            self.record.note(Event::Closed);
        }
    }

    /// Joins a room and waits for the answer.
    pub(crate) async fn join(&mut self, room: &str, since: Option<Position>) {
        let times = |state: &State| state.joined.get(room).copied().unwrap_or(0);
        let before = self.mind.with(|state| times(state));
        self.ask_to_join(room, since).await;
        self.mind
            .wait("joined", |state| times(state) > before)
            .await;
    }

    async fn ask_to_join(&mut self, room: &str, since: Option<Position>) {
        let mut join = json!({ "type": "join", "room": room });
        if let Some(since) = &since {
            join["since"] = json!({ "epoch": since.epoch, "seq": since.seq });
        }
        self.mind.with(|state| {
            let asked = state.asked.entry(room.to_owned()).or_default();
            asked.push_back(since.clone());
        });
        self.record.note(Event::Joining {
            room: room.to_owned(),
            since,
        });
        self.write(join).await;
    }

    /// Leaves a room and waits for the answer; where it left off.
    pub(crate) async fn part(&mut self, room: &str) -> Option<Position> {
        let position = self.position(room);
        self.write(json!({ "type": "part", "room": room })).await;
        let is_out = |state: &State| !state.rooms.contains_key(room);
        self.mind.wait("parted", is_out).await;
        position
    }

    /// Says something new in a room; the answer comes later. Its id.
    pub(crate) async fn publish(&mut self, room: &str) -> String {
        self.said += 1;
        let id = format!("{}-{}", self.username, self.said);
        let text = format!(
            "{id} is what {} said{}",
            self.username,
            " and more".repeat(8)
        );
        let unacked = (room.to_owned(), text.clone());
        self.mind.with(|state| state.unacked.push_back(unacked));
        self.send(room, &text).await;
        id
    }

    async fn send(&mut self, room: &str, text: &str) {
        self.record.note(Event::Send {
            room: room.to_owned(),
            text: text.to_owned(),
        });
        self.write(json!({ "type": "message", "room": room, "message": text, "cid": id_of(text) }))
            .await;
    }

    async fn write(&mut self, object: Value) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let line = format!("{object}\n");
        // A connection that broke is noticed by its reader.
        let _ = within(
            "the server reads",
            connection.write.write_all(line.as_bytes()),
        )
        .await;
    }

    /// Waits until at most so many messages are unanswered.
    pub(crate) async fn wait_unacked(&self, at_most: usize) {
        let few = |state: &State| state.unacked.len() <= at_most || state.closed;
        self.mind.wait("acks", few).await;
    }

    /// Waits until this room was read to this number, or nothing more comes.
    pub(crate) async fn wait_position(&self, room: &str, seq: u64) {
        let there = |state: &State| state.rooms.get(room).is_some_and(|at| at.seq >= seq);
        self.mind.expect(|state| there(state) || state.closed).await;
    }

    /// Waits until it has heard this message of its own, or nothing more comes.
    pub(crate) async fn wait_heard(&self, id: &str) {
        self.mind.expect(|state| state.own == id).await;
    }

    /// Waits for the end of the connection; the code of its `bye`, if there was one.
    pub(crate) async fn wait_end(&self) -> Option<String> {
        self.mind.wait("the end", |state| state.closed).await;
        self.mind.with(|state| state.bye.clone())
    }

    /// Whether the connection is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.mind.with(|state| state.closed)
    }

    /// Where it stands in a room.
    pub(crate) fn position(&self, room: &str) -> Option<Position> {
        self.mind.with(|state| state.rooms.get(room).cloned())
    }

    /// The log, at the end of the play.
    pub(crate) fn into_log(self) -> Log {
        self.record.into_log()
    }
}
