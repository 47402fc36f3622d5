//! A recording client of the basic or the text dialect.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Lines, Read, Stall};
use super::home::Home;
use super::mind::Mind;
use super::recorder::{Clock, Recorder};
use crate::checker::{Dialect, Event, Log, id_of};
use crate::harness::within;

/// How long a daemon may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Two fields.
    Basic,
    /// Plain lines.
    Text,
}

/// A client of the default room. What it said on a connection that ended is not said again.
pub(crate) struct TwoFields {
    /// Its name.
    pub(crate) username: String,
    /// Stops its reading.
    pub(crate) stall: Stall,
    /// How much it says at a time.
    pub(crate) wordiness: usize,
    home: Home,
    life: usize,
    voice: Voice,
    room: String,
    record: Recorder,
    mind: Mind<State>,
    connection: Option<(OwnedWriteHalf, JoinSet<()>)>,
    said: u64,
}

#[derive(Default)]
struct State {
    last: String,
    closed: bool,
}

impl TwoFields {
    /// Connects, and is listening when `room` (the default room) is heard.
    pub(crate) async fn arrive(
        home: impl Into<Home>,
        clock: &Clock,
        voice: Voice,
        room: &str,
        username: &str,
    ) -> Self {
        let mut client = Self {
            username: username.to_owned(),
            stall: Stall::new(),
            wordiness: 8,
            home: home.into(),
            life: 0,
            voice,
            room: room.to_owned(),
            record: Recorder::new(clock, username, Dialect::TwoFields),
            mind: Mind::default(),
            connection: None,
            said: 0,
        };
        client.connect().await;
        client
    }

    /// A new connection. While the daemon is away it tries again.
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
        self.connection = None;
        self.mind.with(|state| *state = State::default());
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
            self.voice,
            self.room.clone(),
        ));
        self.connection = Some((write, reader));
        if self.voice == Voice::Text {
            self.write(&format!("/nick {}", self.username.clone()))
                .await;
        }
        true
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

    /// Says something; nobody answers.
    pub(crate) async fn publish(&mut self) -> String {
        self.said += 1;
        let id = format!("{}-{}", self.username, self.said);
        let text = format!(
            "{id} is what {} said{}",
            self.username,
            " and more".repeat(self.wordiness)
        );
        self.record.note(Event::Send {
            room: self.room.clone(),
            text: text.clone(),
        });
        let line = match self.voice {
            Voice::Basic => json!({ "username": self.username, "message": text }).to_string(),
            Voice::Text => text,
        };
        self.write(&line).await;
        id
    }

    async fn write(&mut self, line: &str) {
        let Some((write, _)) = &mut self.connection else {
            return;
        };
        let line = format!("{line}\n");
        let _ = within("the server reads", write.write_all(line.as_bytes())).await;
    }

    /// Waits until it has heard the message with this id, or nothing more comes.
    pub(crate) async fn wait_heard(&self, id: &str) {
        self.mind
            .expect(|state| state.last == id || state.closed)
            .await;
    }

    /// Waits for the end of the connection.
    pub(crate) async fn wait_end(&self) {
        self.mind.wait("the end", |state| state.closed).await;
    }

    /// The log, at the end of the play.
    pub(crate) fn into_log(self) -> Log {
        self.record.into_log()
    }
}

async fn listen(mut lines: Lines, record: Recorder, mind: Mind<State>, voice: Voice, room: String) {
    let mut scratch = Vec::new();
    loop {
        let event = match lines.next(&mut scratch).await {
            Read::End => Some(Event::Closed),
            Read::Garbled(line) => Some(Event::Garbled { line }),
            Read::Cut(line) => Some(Event::Cut { line }),
            Read::Line(line) => match voice {
                Voice::Basic => basic(line, &room),
                Voice::Text => text(line, &room),
            },
        };
        let Some(event) = event else { continue };
        let is_end = event == Event::Closed;
        let id = match &event {
            Event::Heard { text, .. } => Some(id_of(text).to_owned()),
            _ => None,
        };
        record.note(event);
        mind.learn(|state| {
            state.closed = is_end;
            state.last = id.unwrap_or_else(|| std::mem::take(&mut state.last));
        });
        if is_end {
            return;
        }
    }
}

/// Exactly two fields, in this order, or it is garbled.
fn basic(line: &str, room: &str) -> Option<Event> {
    let garbled = || {
        Some(Event::Garbled {
            line: line.to_owned(),
        })
    };
    let Ok(object) = serde_json::from_str::<Value>(line) else {
        return garbled();
    };
    // A client that has said nothing yet is told the end in words for both JSON dialects.
    if object["type"] == "bye" && object["username"] == "chatd" && object["message"].is_string() {
        let code = object["code"].as_str().unwrap_or_default().to_owned();
        return Some(Event::Bye { code });
    }
    let fields = (object["username"].as_str(), object["message"].as_str());
    let (Some(username), Some(text)) = fields else {
        return garbled();
    };
    if line
        != format!(
            r#"{{"username":{},"message":{}}}"#,
            json!(username),
            json!(text)
        )
    {
        return garbled();
    }
    if username == "chatd" {
        return Some(notice(text, room));
    }
    Some(heard(room, username, text))
}

/// `<name> text`; notices begin with `*` or `!`.
fn text(line: &str, room: &str) -> Option<Event> {
    if let Some((username, text)) = line
        .strip_prefix('<')
        .and_then(|rest| rest.split_once("> "))
    {
        return Some(heard(room, username, text));
    }
    line.starts_with("! ").then(|| notice(line, room))
}

fn heard(room: &str, username: &str, text: &str) -> Event {
    let (room, username, text) = (room.to_owned(), username.to_owned(), text.to_owned());
    Event::Heard {
        room,
        seq: None,
        id: None,
        username,
        text,
    }
}

fn notice(text: &str, room: &str) -> Event {
    let count = text.split(' ').find_map(|word| word.parse().ok());
    match count {
        Some(count) if text.contains("skipped") => Event::Skipped {
            room: room.to_owned(),
            count,
        },
        _ => Event::Bye {
            code: text.to_owned(),
        },
    }
}
