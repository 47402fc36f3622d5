//! Lines out. Each function appends whole lines, CRLF-ended, and nothing else.

mod event;
mod full;
mod line;
mod object;
mod past;
mod person;
mod time;

pub use event::encode_event;
pub use object::escaped_len;
pub use past::encode_past;
pub use time::rfc3339;

use full::full;
use object::Object;
use person::person;

use crate::close::{CloseReason, Refusal};
use crate::event::{Durability, Epoch, GapReason, Seq, SessionId, Stamp, Topic};
use crate::limits::Limits;
use crate::mail::Private;
use crate::name::{Nick, RoomName};

/// The name under which the daemon itself speaks to basic clients.
pub const DAEMON: &str = "chatd";

/// In whose words the daemon answers one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Not known yet: objects that both kinds of JSON client can read.
    Unknown,
    /// Two fields.
    Basic,
    /// Lines for a person.
    Text,
    /// Objects with a type.
    Full,
}

/// What the daemon says to one session alone.
#[derive(Debug)]
#[allow(
    missing_docs,
    reason = "the fields are those of the protocol, described in `wire`"
)]
pub enum Reply<'a> {
    Welcome {
        session: SessionId,
        server: &'a str,
        username: &'a Nick,
        presence: bool,
        resume: &'a str,
        limits: &'a Limits,
    },
    Ack {
        room: &'a RoomName,
        stamp: &'a Stamp,
        durability: Durability,
        duplicate: bool,
        cid: Option<&'a str>,
    },
    PrivateAck {
        to: &'a str,
        time_ms: i64,
        duplicate: bool,
        cid: Option<&'a str>,
    },
    Private(&'a Private),
    Joined {
        room: &'a RoomName,
        epoch: &'a Epoch,
        seq: Seq,
        first: Seq,
        topic: &'a str,
        members_total: usize,
        members: Option<&'a [Nick]>,
    },
    Parted {
        room: &'a RoomName,
    },
    Gap {
        room: &'a RoomName,
        epoch: &'a Epoch,
        from_to: Option<(Seq, Seq)>,
        reason: GapReason,
        recoverable: bool,
    },
    Names {
        room: &'a RoomName,
        members: &'a [Nick],
        more: bool,
        reset: bool,
    },
    Rooms {
        rooms: &'a [RoomLine],
        more: bool,
    },
    Topic {
        room: &'a RoomName,
        topic: Option<&'a Topic>,
    },
    /// Ends a page, whose numbers are `first..=last`: none if `last` is below `first`.
    History {
        room: &'a RoomName,
        epoch: &'a Epoch,
        first: Seq,
        last: Seq,
        more: bool,
    },
    /// A page of another life of the numbering: what can be read now.
    HistoryExpired {
        room: &'a RoomName,
        epoch: &'a Epoch,
        first: Seq,
    },
    Nick {
        username: &'a Nick,
    },
    Notice {
        text: &'a str,
        room: Option<&'a RoomName>,
    },
    Ping,
    Pong {
        token: Option<&'a str>,
    },
    Error {
        code: crate::fault::ErrorCode,
        text: &'a str,
        cid: Option<&'a str>,
        room: Option<&'a str>,
        retry_after_ms: Option<u64>,
        limit: Option<usize>,
    },
    Bye {
        reason: CloseReason,
        text: &'a str,
        retry_after_ms: Option<u64>,
    },
}

/// One room of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomLine {
    /// Its name.
    pub room: RoomName,
    /// Names on its roster.
    pub members: usize,
    /// What it is about.
    pub topic: Box<str>,
}

/// Appends what the daemon says, in the session's voice; nothing where that voice has no words for it.
pub fn encode_reply(voice: Voice, reply: &Reply<'_>, label: Option<&str>, out: &mut Vec<u8>) {
    match voice {
        Voice::Full => full(reply, label, out),
        Voice::Text => person(reply, out),
        Voice::Basic => {
            if let Some(text) = two_fields(reply) {
                daemon_says(out, &text);
            }
        }
        Voice::Unknown => both(reply, out),
    }
}

fn daemon_says(out: &mut Vec<u8>, text: &str) {
    Object::open(out)
        .text("username", DAEMON)
        .text("message", text)
        .end();
}

/// What a basic client hears of a reply.
fn two_fields(reply: &Reply<'_>) -> Option<String> {
    match reply {
        Reply::Gap {
            from_to: Some((from, to)),
            ..
        } => {
            let count = to - from + 1;
            Some(match count {
                1 => "1 message was skipped".to_owned(),
                _ => format!("{count} messages were skipped"),
            })
        }
        Reply::Gap { .. } => Some("some messages were skipped".to_owned()),
        Reply::Notice { text, .. } | Reply::Error { text, .. } | Reply::Bye { text, .. } => {
            Some((*text).to_owned())
        }
        Reply::HistoryExpired { .. } => Some(past::EXPIRED.to_owned()),
        _ => None,
    }
}

/// Errors and the farewell, for a session whose dialect is not known.
fn both(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::Error { code, text, .. } => Object::typed(out, "error")
            .text("code", code.as_str())
            .text("text", text)
            .text("username", DAEMON)
            .text("message", text)
            .end(),
        Reply::Bye {
            reason,
            text,
            retry_after_ms,
        } => {
            bye(
                out,
                reason.as_str(),
                text,
                reason.reconnect(),
                *retry_after_ms,
            )
            .text("username", DAEMON)
            .text("message", text)
            .end();
        }
        _ => {
            if let Some(text) = two_fields(reply) {
                daemon_says(out, &text);
            }
        }
    }
}

fn bye<'a>(
    out: &'a mut Vec<u8>,
    code: &str,
    text: &str,
    reconnect: bool,
    retry_after_ms: Option<u64>,
) -> Object<'a> {
    let object = Object::typed(out, "bye")
        .text("code", code)
        .text("text", text)
        .flag("reconnect", reconnect);
    match retry_after_ms {
        Some(ms) => object.number("retry_after_ms", ms),
        None => object,
    }
}

/// The one line that a refused connection reads; both kinds of client can. `retry_after_ms` is
/// told to whoever does well to come back.
pub fn encode_refusal(refusal: Refusal, retry_after_ms: u64, out: &mut Vec<u8>) {
    let reconnect = refusal.reconnect();
    bye(
        out,
        refusal.as_str(),
        refusal.text(),
        reconnect,
        reconnect.then_some(retry_after_ms),
    )
    .text("username", DAEMON)
    .text("message", refusal.text())
    .end();
}
