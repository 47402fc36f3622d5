//! A recording client of the full dialect, that can drop its connection and come back.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::{Lines, Read, Stall};
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
    mind: Arc<Mind>,
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
struct Mind {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    resume: Option<String>,
    welcomed: bool,
    /// Where each joined room stands: the last number heard or gapped.
    rooms: HashMap<String, Position>,
    joined: HashMap<String, u64>,
    /// What the joins on their way asked for.
    asked: HashMap<String, VecDeque<Option<Position>>>,
    /// Said and not answered: room and text.
    unacked: VecDeque<(String, String)>,
    /// The last that it heard of its own.
    own: String,
    bye: Option<String>,
    closed: bool,
}

impl Full {
    /// Connects and says hello.
    pub(crate) async fn arrive(server: SocketAddr, clock: &Clock, username: &str) -> Self {
        let mut client = Self {
            username: username.to_owned(),
            stall: Stall::new(),
            server,
            record: Recorder::new(clock, username, Dialect::Full),
            mind: Arc::default(),
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
        let (resume, rooms) = {
            let mut state = self.mind.state.lock().unwrap();
            let resume = state.resume.clone();
            let rooms = std::mem::take(&mut state.rooms);
            let unacked = std::mem::take(&mut state.unacked);
            *state = State {
                resume: resume.clone(),
                unacked,
                ..State::default()
            };
            (resume, rooms)
        };
        self.record.note(Event::Connected);
        let (lines, write) = Lines::connect(self.server, &self.stall).await;
        let mut reader = JoinSet::new();
        reader.spawn(listen(
            lines,
            self.record.clone(),
            Arc::clone(&self.mind),
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
        self.wait("a welcome", |state| state.welcomed).await;
        for (room, position) in rooms {
            self.join(&room, Some(position)).await;
        }
        let again: Vec<_> = self
            .mind
            .state
            .lock()
            .unwrap()
            .unacked
            .iter()
            .cloned()
            .collect();
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
        let before = self.joins_of(room);
        self.ask_to_join(room, since).await;
        self.wait("joined", |state| {
            state.joined.get(room).copied().unwrap_or(0) > before
        })
        .await;
    }

    fn joins_of(&self, room: &str) -> u64 {
        self.mind
            .state
            .lock()
            .unwrap()
            .joined
            .get(room)
            .copied()
            .unwrap_or(0)
    }

    async fn ask_to_join(&mut self, room: &str, since: Option<Position>) {
        let mut join = json!({ "type": "join", "room": room });
        if let Some(since) = &since {
            join["since"] = json!({ "epoch": since.epoch, "seq": since.seq });
        }
        {
            let mut state = self.mind.state.lock().unwrap();
            let asked = state.asked.entry(room.to_owned()).or_default();
            asked.push_back(since.clone());
        }
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
        self.wait("parted", |state| !state.rooms.contains_key(room))
            .await;
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
        {
            let mut state = self.mind.state.lock().unwrap();
            state.unacked.push_back((room.to_owned(), text.clone()));
        }
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
        self.wait("acks", |state| {
            state.unacked.len() <= at_most || state.closed
        })
        .await;
    }

    /// Waits until this room was read to this number.
    pub(crate) async fn wait_position(&self, room: &str, seq: u64) {
        let there = |state: &State| state.rooms.get(room).is_some_and(|at| at.seq >= seq);
        self.wait(
            &format!("{} reads {room} up to {seq}", self.username),
            |state| there(state) || state.closed,
        )
        .await;
    }

    /// Waits until it has heard this message of its own.
    pub(crate) async fn wait_heard(&self, id: &str) {
        self.wait(&format!("{} hears {id}", self.username), |state| {
            state.own == id
        })
        .await;
    }

    /// Waits for the end of the connection; the code of its `bye`, if there was one.
    pub(crate) async fn wait_end(&self) -> Option<String> {
        self.wait("the end", |state| state.closed).await;
        self.mind.state.lock().unwrap().bye.clone()
    }

    /// Whether the connection is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.mind.state.lock().unwrap().closed
    }

    /// Where it stands in a room.
    pub(crate) fn position(&self, room: &str) -> Option<Position> {
        self.mind.state.lock().unwrap().rooms.get(room).cloned()
    }

    async fn wait(&self, what: &str, happened: impl Fn(&State) -> bool) {
        within(what, async {
            loop {
                let news = self.mind.news.notified();
                if happened(&self.mind.state.lock().unwrap()) {
                    return;
                }
                news.await;
            }
        })
        .await;
    }

    /// The log, at the end of the play.
    pub(crate) fn into_log(self) -> Log {
        self.record.into_log()
    }
}

/// Any line of the server, as far as the judge cares.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    epoch: Option<Cow<'a, str>>,
    seq: Option<u64>,
    first: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
    count: Option<u64>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    username: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<Cow<'a, str>>,
}

async fn listen(mut lines: Lines, record: Recorder, mind: Arc<Mind>, username: String) {
    let mut scratch = Vec::new();
    loop {
        let event = match lines.next(&mut scratch).await {
            Read::End => Event::Closed,
            Read::Garbled(line) => Event::Garbled(line),
            // What a silent listener hears before its `welcome` is not meant for a full client.
            Read::Line(line) if line.starts_with(r#"{"username":"#) && !mind.is_welcomed() => {
                continue;
            }
            Read::Line(line) => match serde_json::from_str::<Line<'_>>(line) {
                Err(_) => Event::Garbled(line.to_owned()),
                Ok(object) => match mind.learn(object, &username) {
                    Some(event) => event,
                    None => {
                        mind.news.notify_waiters();
                        continue;
                    }
                },
            },
        };
        let is_end = event == Event::Closed;
        record.note(event);
        if is_end {
            mind.state.lock().unwrap().closed = true;
        }
        mind.news.notify_waiters();
        if is_end {
            return;
        }
    }
}

impl Mind {
    fn is_welcomed(&self) -> bool {
        self.state.lock().unwrap().welcomed
    }

    /// Takes in one line; the event to write down, if it is one.
    fn learn(&self, line: Line<'_>, username: &str) -> Option<Event> {
        let mut state = self.state.lock().unwrap();
        let room = || line.room.as_deref().unwrap_or_default().to_owned();
        let epoch = || line.epoch.as_deref().unwrap_or_default().to_owned();
        let seq = line.seq.unwrap_or(0);
        Some(match line.kind.as_ref() {
            "welcome" => {
                state.resume = line.resume.map(Cow::into_owned);
                state.welcomed = true;
                return None;
            }
            "joined" => {
                let head = Position {
                    epoch: epoch(),
                    seq,
                };
                *state.joined.entry(room()).or_default() += 1;
                let since = state
                    .asked
                    .get_mut(&room())
                    .and_then(VecDeque::pop_front)
                    .flatten();
                let since =
                    since.filter(|since| since.epoch == head.epoch && since.seq <= head.seq);
                state
                    .rooms
                    .insert(room(), since.unwrap_or_else(|| head.clone()));
                Event::Joined {
                    room: room(),
                    head,
                    first: line.first.unwrap_or(0),
                }
            }
            "parted" => {
                state.rooms.remove(&room());
                Event::Parted { room: room() }
            }
            "message" => {
                if let Some(position) = state.rooms.get_mut(&room()) {
                    position.seq = seq;
                }
                if line.username.as_deref() == Some(username) {
                    state.own = line.cid.as_deref().unwrap_or_default().to_owned();
                }
                Event::Heard {
                    room: room(),
                    seq: line.seq,
                    id: line.cid.map(Cow::into_owned),
                    username: line.username.unwrap_or_default().into_owned(),
                    text: line.message.unwrap_or_default().into_owned(),
                }
            }
            "gap" => {
                if let Some(position) = state.rooms.get_mut(&room()) {
                    position.epoch = epoch();
                    position.seq = line.to.unwrap_or(position.seq);
                }
                let bounds = line.from.zip(line.to);
                Event::Gap {
                    room: room(),
                    epoch: epoch(),
                    bounds,
                    count: line.count,
                }
            }
            "ack" => {
                let id = line.cid.as_deref().unwrap_or_default().to_owned();
                state.unacked.retain(|(_, text)| id_of(text) != id);
                Event::Ack {
                    id,
                    room: room(),
                    at: Position {
                        epoch: epoch(),
                        seq,
                    },
                }
            }
            "error" => {
                let id = line.cid.as_deref().unwrap_or_default().to_owned();
                state.unacked.retain(|(_, text)| id_of(text) != id);
                Event::Refused {
                    id,
                    code: line.code.unwrap_or_default().into_owned(),
                }
            }
            "bye" => {
                let code = line.code.unwrap_or_default().into_owned();
                state.bye = Some(code.clone());
                Event::Bye { code }
            }
            _ => return None,
        })
    }
}
