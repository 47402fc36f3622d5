//! The full dialect as a client sees it.
//!
//! Written from the protocol and not from the daemon's own `wire` module, on purpose: what encodes
//! on one side and decodes on the other must not be able to be wrong together.
//!
//! [`Request`] is what a client may say. [`Event`] is what a server may answer, read tolerantly:
//! fields that are not known are ignored, an unknown `type` is [`Event::Other`], and every field
//! that an older or newer server may leave out has a default. Nothing here is safe to show: text
//! from others passes [`crate::escape::visible`] first.

use serde::{Deserialize, Serialize};

/// The version of the dialect that this client speaks.
pub const VERSION: u32 = 1;

/// One line to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The first line.
    Hello(Hello),
    /// Enter a room, which is made if it is new.
    Join {
        /// The room's name.
        room: String,
        /// Where to go on, if the room was heard before.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Since>,
    },
    /// Leave a room.
    Part {
        /// The room's name.
        room: String,
    },
    /// Say something to a room, or to one person.
    Message {
        /// The room; with neither `room` nor `to` it is the server's default room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// The recipient of a private message.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// The text, at most `limits.message` bytes.
        message: String,
        /// The client's own id of this message, at most 64 bytes: makes a retry safe.
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<String>,
    },
    /// Who is in a room.
    Names {
        /// The room's name.
        room: String,
        /// The last nick of the page before.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The latest messages of a room.
    History {
        /// The room's name.
        room: String,
        /// How many at most; the server may give less.
        limit: u32,
    },
    /// What a room is about.
    Topic {
        /// The room's name.
        room: String,
        /// What it is to be about from now on; without it this is a question.
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
    },
    /// Which rooms there are.
    Rooms {
        /// The last room of the page before.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Take another nick.
    Nick {
        /// The new nick.
        username: String,
    },
    /// Ask for a sign of life.
    Ping {
        /// Comes back in the `pong`.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Give a sign of life.
    Pong {
        /// What the `ping` carried.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Leave.
    Quit {
        /// What others see as the reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// The first line of the full dialect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The nick; without one the server makes up `guest-N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What this client wants to hear beside messages. Omitted it would mean `["presence"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Whether to enter the default room at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<bool>,
    /// The secret of an earlier `welcome`: the same identity comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Name and version of the client program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl Hello {
    /// A hello without a nick, for everything that the server does by itself.
    pub fn anonymous() -> Self {
        Self {
            version: VERSION,
            username: None,
            caps: None,
            join: None,
            resume: None,
            client: None,
        }
    }

    /// A hello with a nick.
    pub fn named(username: impl Into<String>) -> Self {
        Self {
            username: Some(username.into()),
            ..Self::anonymous()
        }
    }
}

/// A place in a room's numbering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The life of the numbering, an opaque word.
    pub epoch: String,
    /// The last number that was heard.
    pub seq: u64,
}

/// A request and the label that its answers carry back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labelled<'a> {
    /// The request.
    #[serde(flatten)]
    pub request: &'a Request,
    /// At most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
}

/// One line from the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// Something was said.
    Message(Message),
    /// A message of ours is ordered and stored.
    Ack(Ack),
    /// We are in a room.
    Joined(Joined),
    /// We have left a room.
    Parted {
        /// The room.
        room: String,
        /// The label of the request.
        label: Option<String>,
    },
    /// Somebody came, went or changed their name.
    Presence(Presence),
    /// Numbers that will not come.
    Gap(Gap),
    /// A page of a room's roster.
    Names(Names),
    /// A page of the list of rooms.
    Rooms(Rooms),
    /// A room's topic.
    Topic {
        /// The room.
        room: String,
        /// The topic.
        #[serde(default)]
        topic: String,
        /// Who set it.
        username: Option<String>,
        /// The label of the request.
        label: Option<String>,
    },
    /// The end of a page of history.
    History(History),
    /// A sentence from the server or its operator.
    Notice {
        /// The sentence.
        text: String,
        /// The room that it is for.
        room: Option<String>,
    },
    /// The answer to `nick`, where a server gives one of its own.
    Nick {
        /// The nick that we have now.
        username: String,
        /// The label of the request.
        label: Option<String>,
    },
    /// The server wants a sign of life.
    Ping {
        /// Goes back in the `pong`.
        token: Option<String>,
    },
    /// The server gives a sign of life.
    Pong {
        /// What the `ping` carried.
        token: Option<String>,
    },
    /// A line of ours was not carried out.
    Error(ErrorEvent),
    /// The end, and why.
    Bye(Bye),
    /// A type that this client does not know.
    #[serde(other)]
    Other,
}

impl Event {
    /// Reads one line, without its line end.
    ///
    /// # Errors
    /// If it is not a JSON object with a string `type` and the fields that this type cannot be without.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// Who we are, and what the server allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Welcome {
    /// The version of the dialect.
    #[serde(default)]
    pub version: u32,
    /// What the server calls itself.
    #[serde(default)]
    pub server: String,
    /// Name and version of the server program.
    #[serde(default)]
    pub software: String,
    /// The nick that we have.
    pub username: String,
    /// What we hear beside messages.
    #[serde(default)]
    pub caps: Vec<String>,
    /// The secret that brings this identity back. Never shown.
    pub resume: Option<String>,
    /// What the server allows.
    #[serde(default)]
    pub limits: Limits,
    /// After how much silence the server pings, in milliseconds.
    pub ping_interval_ms: Option<u64>,
}

/// The server's bounds, with the protocol's defaults where it names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Longest line to the server, in bytes without its line end.
    pub line: usize,
    /// Longest message text, in bytes of UTF-8.
    pub message: usize,
    /// Messages of one session that may be unanswered.
    pub unacked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 16 * 1024,
            message: 4000,
            unacked: 256,
        }
    }
}

/// Something that was said: in a room (`room`, `seq`) or privately (`to`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// The room; none in a private message.
    pub room: Option<String>,
    /// The number in the room, from 1.
    pub seq: Option<u64>,
    /// The recipient of a private message.
    pub to: Option<String>,
    /// When it was ordered: RFC 3339, UTC.
    #[serde(default)]
    pub time: String,
    /// Who said it.
    pub username: String,
    /// The text.
    pub message: String,
    /// The author's own id of it.
    pub cid: Option<String>,
    /// Present in the answer to a `history` request only.
    pub label: Option<String>,
}

/// The receipt of one message of ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ack {
    /// The label of the request.
    pub label: Option<String>,
    /// Our own id of the message.
    pub cid: Option<String>,
    /// The room.
    pub room: Option<String>,
    /// The recipient of a private message.
    pub to: Option<String>,
    /// The life of the room's numbering.
    pub epoch: Option<String>,
    /// The number that it got.
    pub seq: Option<u64>,
    /// How deep it is stored: `none`, `process`, `disk`.
    #[serde(default)]
    pub durability: String,
    /// The server knew this `cid` already.
    #[serde(default)]
    pub duplicate: bool,
}

/// The answer to `join`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Joined {
    /// The room, as its maker wrote it.
    pub room: String,
    /// The life of the room's numbering.
    #[serde(default)]
    pub epoch: String,
    /// The last number in the room.
    #[serde(default)]
    pub seq: u64,
    /// The oldest number that can be read.
    #[serde(default)]
    pub first: u64,
    /// The topic.
    pub topic: Option<String>,
    /// How many members there are.
    #[serde(default)]
    pub members_total: u64,
    /// Who they are, unless the room is large.
    pub members: Option<Vec<String>>,
    /// The label of the request.
    pub label: Option<String>,
}

/// Somebody came, went or changed their name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Presence {
    /// The room.
    pub room: String,
    /// `join`, `part`, `quit` or `nick`.
    pub event: String,
    /// Who.
    pub username: String,
    /// The name after `nick`.
    pub new_username: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Numbers that will not come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Gap {
    /// The room.
    pub room: String,
    /// The life of the numbering; a new one where `reason` is `epoch_changed`.
    #[serde(default)]
    pub epoch: String,
    /// The first number that is missing.
    pub from: Option<u64>,
    /// The last number that is missing.
    pub to: Option<u64>,
    /// How many are missing.
    pub count: Option<u64>,
    /// `slow_consumer`, `history_expired` or `epoch_changed`.
    #[serde(default)]
    pub reason: String,
    /// Whether the server still has them.
    #[serde(default)]
    pub recoverable: bool,
    /// Present in the answer to a `history` request only.
    pub label: Option<String>,
}

/// The end of a page of history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct History {
    /// The room.
    pub room: String,
    /// Its first number.
    #[serde(default)]
    pub first: u64,
    /// Its last number; below `first` if the page is empty.
    #[serde(default)]
    pub last: u64,
    /// Whether there is more beyond it.
    #[serde(default)]
    pub more: bool,
    /// The label of the request.
    pub label: Option<String>,
}

/// A page of a room's roster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Names {
    /// The room.
    pub room: String,
    /// The members on this page.
    #[serde(default)]
    pub members: Vec<String>,
    /// Whether another page follows.
    #[serde(default)]
    pub more: bool,
    /// This is no answer: we had fallen behind, and this is the roster anew.
    #[serde(default)]
    pub reset: bool,
    /// The label of the request.
    pub label: Option<String>,
}

/// A page of the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rooms {
    /// The rooms on this page.
    #[serde(default)]
    pub rooms: Vec<RoomEntry>,
    /// Whether another page follows.
    #[serde(default)]
    pub more: bool,
    /// The label of the request.
    pub label: Option<String>,
}

/// One room of the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RoomEntry {
    /// The room.
    pub room: String,
    /// How many members it has.
    #[serde(default)]
    pub members: u64,
    /// Its topic.
    pub topic: Option<String>,
}

/// A line of ours was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ErrorEvent {
    /// A word of the protocol's closed list, or a newer one.
    pub code: String,
    /// The sentence for a person.
    #[serde(default)]
    pub text: String,
    /// The label of the request.
    pub label: Option<String>,
    /// Our own id of the message.
    pub cid: Option<String>,
    /// The room.
    pub room: Option<String>,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// The end, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bye {
    /// A close reason, or why the connection was refused.
    pub code: String,
    /// The sentence for a person.
    #[serde(default)]
    pub text: String,
    /// Whether coming back by oneself makes sense.
    #[serde(default)]
    pub reconnect: bool,
    /// When to come back, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// A line of the two-field dialect, the same in both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basic {
    /// Who.
    pub username: String,
    /// What.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(request: &Request, label: Option<&str>) -> String {
        serde_json::to_string(&Labelled { request, label }).unwrap()
    }

    #[test]
    fn requests_are_spelled_as_the_protocol_spells_them() {
        let hello = Hello {
            caps: Some(vec![]),
            join: Some(true),
            resume: Some("secret".into()),
            client: Some("chat-client/1".into()),
            ..Hello::named("alice")
        };
        assert_eq!(
            encoded(&Request::Hello(hello), None),
            r#"{"type":"hello","version":1,"username":"alice","caps":[],"join":true,"resume":"secret","client":"chat-client/1"}"#
        );
        assert_eq!(
            encoded(&Request::Hello(Hello::anonymous()), None),
            r#"{"type":"hello","version":1}"#
        );
        let since = Some(Since {
            epoch: "e1".into(),
            seq: 7,
        });
        assert_eq!(
            encoded(
                &Request::Join {
                    room: "dev".into(),
                    since
                },
                Some("3")
            ),
            r#"{"type":"join","room":"dev","since":{"epoch":"e1","seq":7},"label":"3"}"#
        );
        let said = Request::Message {
            room: None,
            to: Some("bob".into()),
            message: "a\n\"b\"".into(),
            cid: Some("c1".into()),
        };
        assert_eq!(
            encoded(&said, None),
            r#"{"type":"message","to":"bob","message":"a\n\"b\"","cid":"c1"}"#
        );
        assert_eq!(
            encoded(&Request::Quit { reason: None }, None),
            r#"{"type":"quit"}"#
        );
    }

    #[test]
    fn events_are_read_with_unknown_fields_and_types() {
        let line = r#"{"type":"message","room":"lobby","seq":3,"time":"2026-01-01T00:00:00.000Z","username":"bob","message":"hi","x":{"y":1}}"#;
        let Event::Message(message) = Event::parse(line).unwrap() else {
            panic!("a message")
        };
        assert_eq!((message.seq, message.message.as_str()), (Some(3), "hi"));
        assert_eq!(
            Event::parse(r#"{"type":"hologram","size":3}"#).unwrap(),
            Event::Other
        );
        assert!(Event::parse(r#"{"username":"a","message":"b"}"#).is_err());
        assert!(Event::parse(r#"{"type":"message","room":"l"#).is_err());
    }

    #[test]
    fn a_refusal_that_both_kinds_of_client_can_read_is_a_bye() {
        let line = r#"{"type":"bye","code":"server_full","text":"the server is full","reconnect":true,"retry_after_ms":500,"username":"chatd","message":"the server is full"}"#;
        let Event::Bye(bye) = Event::parse(line).unwrap() else {
            panic!("a bye")
        };
        assert!(bye.reconnect);
        assert_eq!(bye.retry_after_ms, Some(500));
    }

    #[test]
    fn limits_that_are_not_named_have_the_protocols_defaults() {
        let line = r#"{"type":"welcome","username":"a","limits":{"line":1000}}"#;
        let Event::Welcome(welcome) = Event::parse(line).unwrap() else {
            panic!("a welcome")
        };
        assert_eq!(
            welcome.limits,
            Limits {
                line: 1000,
                ..Limits::default()
            }
        );
    }
}
