//! A recording client of the full dialect, that can drop its connection and come back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Lines, Stall};
use super::ear::listen;
use super::home::Home;
use super::mind::Mind;
use super::recorder::{Clock, Recorder};
use crate::checker::{Dialect, Event, Log, PageLine, Position, id_of};
use crate::harness::within;

/// How long a daemon may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that numbers its messages, keeps them until they are acknowledged, and resumes.
pub(crate) struct Full {
    /// Its name.
    pub(crate) username: String,
    /// Stops its reading.
    pub(crate) stall: Stall,
    /// How much it says at a time.
    pub(crate) wordiness: usize,
    home: Home,
    life: usize,
    pub(super) record: Recorder,
    pub(super) mind: Mind<State>,
    connection: Option<Connection>,
    /// The rooms that it comes back to, and where it left off.
    rooms: BTreeMap<String, Position>,
    pub(super) said: u64,
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
    /// The page that is being read.
    pub(super) page: Page,
    pub(super) bye: Option<String>,
    pub(super) closed: bool,
}

/// A page of history on its way.
#[derive(Default)]
pub(super) struct Page {
    pub(super) lines: Vec<PageLine>,
    pub(super) gap: Option<(u64, u64)>,
    /// How it ended: whether there is more, or nothing if it was refused.
    pub(super) ended: Option<Option<bool>>,
}

impl Full {
    /// Connects and says hello.
    pub(crate) async fn arrive(home: impl Into<Home>, clock: &Clock, username: &str) -> Self {
        let mut client = Self {
            username: username.to_owned(),
            stall: Stall::new(),
            wordiness: 8,
            home: home.into(),
            life: 0,
            record: Recorder::new(clock, username, Dialect::Full),
            mind: Mind::default(),
            connection: None,
            rooms: BTreeMap::new(),
            said: 0,
        };
        client.connect().await;
        client
    }

    /// A new connection: the same identity if there was one before, and the same rooms, each from
    /// where it left off; then what was never answered is said again under its old ids. While the
    /// daemon is away, or ends the connection before that is done, it tries again.
    pub(crate) async fn connect(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let life = self.home.place().life;
            if self.try_connect().await {
                return;
            }
            let (who, now) = (&self.username, Instant::now());
            assert!(now < deadline, "{who} cannot connect to life {life}");
            self.home.leaves(life).await;
        }
    }

    async fn try_connect(&mut self) -> bool {
        self.drop_connection();
        let (resume, stood) = self.mind.with(|state| {
            let before = std::mem::take(state);
            state.resume = before.resume.clone();
            state.unacked = before.unacked;
            (before.resume, before.rooms)
        });
        self.rooms.extend(stood);
        let place = self.home.place();
        self.life = place.life;
        let Ok((lines, write)) = Lines::connect(place.address, &self.stall).await else {
            return false;
        };
        self.record.note(Event::Connected { life: place.life });
        let mut reader = JoinSet::new();
        reader.spawn(listen(
            lines,
            self.record.clone(),
            self.mind.clone(),
            self.username.clone(),
            self.home.clone(),
        ));
        self.connection = Some(Connection {
            write,
            _reader: reader,
        });
        self.introduce(resume).await && self.come_back().await
    }

    async fn introduce(&mut self, resume: Option<String>) -> bool {
        let mut hello =
            json!({ "type": "hello", "version": 1, "username": self.username, "caps": [] });
        if let Some(resume) = resume {
            hello["resume"] = json!(resume);
        }
        self.write(hello).await;
        self.mind
            .wait("a welcome", |state| state.welcomed || state.closed)
            .await;
        self.mind.with(|state| state.welcomed)
    }

    async fn come_back(&mut self) -> bool {
        for (room, position) in self.rooms.clone() {
            if !self.join(&room, Some(position)).await {
                return false;
            }
        }
        let again = self.mind.with(|state| state.unacked.clone());
        for (room, text) in again {
            self.send(&room, &text).await;
        }
        true
    }

    /// Hangs up in the middle of everything.
    pub(crate) fn drop_connection(&mut self) {
        if self.connection.take().is_some() {
            self.record.note(Event::Closed);
        }
    }

    /// Joins a room and waits for the answer. False if the connection ended instead.
    pub(crate) async fn join(&mut self, room: &str, since: Option<Position>) -> bool {
        let times = |state: &State| state.joined.get(room).copied().unwrap_or(0);
        let before = self.mind.with(|state| times(state));
        self.ask_to_join(room, since).await;
        self.mind
            .wait("joined", |state| times(state) > before || state.closed)
            .await;
        self.mind.with(|state| times(state)) > before
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
        self.rooms.remove(room);
        self.write(json!({ "type": "part", "room": room })).await;
        let is_out = |state: &State| !state.rooms.contains_key(room) || state.closed;
        self.mind.wait("parted", is_out).await;
        self.mind.with(|state| state.rooms.remove(room));
        position
    }

    /// Says something new in a room; the answer comes later. Its id.
    pub(crate) async fn publish(&mut self, room: &str) -> String {
        self.said += 1;
        let id = format!("{}-{}", self.username, self.said);
        let text = format!(
            "{id} is what {} said{}",
            self.username,
            " and more".repeat(self.wordiness)
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

    pub(super) async fn write(&mut self, object: Value) {
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

    /// How many messages are unanswered.
    pub(crate) fn unacked(&self) -> usize {
        self.mind.with(|state| state.unacked.len())
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

    /// Waits for the end of the connection, however long it lasts.
    pub(crate) async fn ended(&self) {
        self.mind.until(|state| state.closed).await;
    }

    /// Whether it is connected, and to the present life of the daemon: who reads slowly may still be
    /// reading what a former one said.
    pub(crate) fn is_at_home(&self) -> bool {
        !self.is_closed() && self.life == self.home.place().life
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
