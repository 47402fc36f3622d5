//! Lines out. Each function appends whole lines, CRLF-ended, and nothing else.

use std::fmt::Write as _;

use serde_json::ser::to_writer;

use super::Profile;
use crate::close::{CloseReason, Refusal};
use crate::escape;
use crate::event::{Change, Epoch, Event, GapReason, Message, Presence, Seq, SessionId, Stamp};
use crate::limits::Limits;
use crate::mail::Private;
use crate::name::{Nick, RoomName};

/// The name under which the daemon itself speaks to basic clients.
pub const DAEMON: &str = "chatd";

/// One JSON object, field by field, written in order.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    next: u8,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        Self { out, next: b'{' }
    }

    fn typed(out: &'a mut Vec<u8>, kind: &str) -> Self {
        Self::open(out).text("type", kind)
    }

    fn key(&mut self, key: &str) {
        self.out.push(self.next);
        self.next = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        string(self.out, value);
        self
    }

    fn maybe(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        // Writing to memory cannot fail.
        let _ = to_writer(&mut *self.out, &value);
        self
    }

    fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    fn texts<'t>(mut self, key: &str, values: impl IntoIterator<Item = &'t str>) -> Self {
        self.key(key);
        self.out.push(b'[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            string(self.out, value);
        }
        self.out.push(b']');
        self
    }

    fn time(self, key: &str, time_ms: i64) -> Self {
        let time = rfc3339(time_ms);
        self.text(key, &time)
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\r\n");
    }
}

/// A JSON string. Every control character is escaped, also DEL and C1, which JSON would allow raw:
/// what a terminal obeys never crosses the wire as it is.
fn string(out: &mut Vec<u8>, text: &str) {
    if memchr::memchr2(0x7f, 0xc2, text.as_bytes()).is_none() {
        // Writing to memory cannot fail.
        let _ = to_writer(out, text);
        return;
    }
    out.push(b'"');
    for part in text.split_inclusive(is_late_control) {
        let plain = part.trim_end_matches(is_late_control);
        let start = out.len();
        let _ = to_writer(&mut *out, plain);
        out.remove(start);
        out.pop();
        if let Some(control) = part[plain.len()..].chars().next() {
            let _ = write!(Appender(out), "\\u{:04x}", u32::from(control));
        }
    }
    out.push(b'"');
}

fn is_late_control(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}')
}

/// How many bytes a text has as a JSON string, without its quotes.
pub fn escaped_len(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            ..'\u{20}' | '\u{7f}'..='\u{9f}' => 6,
            _ => c.len_utf8(),
        })
        .sum()
}

/// RFC 3339 UTC with milliseconds.
pub fn rfc3339(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// What happened in a room, as the bytes that everyone of this profile hears.
pub fn encode_event(profile: Profile, room: &RoomName, event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Message(message) => encode_message(profile, room, message, out),
        Event::Presence(presence) => encode_presence(profile, room, presence, out),
    }
}

fn encode_message(profile: Profile, room: &RoomName, message: &Message, out: &mut Vec<u8>) {
    let nick = message.nick.as_str();
    match profile {
        Profile::Basic => Object::open(out)
            .text("username", nick)
            .text("message", &message.text)
            .end(),
        Profile::Full | Profile::FullPresence => Object::typed(out, "message")
            .text("room", room.as_str())
            .number("seq", message.seq)
            .time("time", message.time_ms)
            .text("username", nick)
            .text("message", &message.text)
            .maybe("cid", message.cid.as_deref())
            .end(),
        Profile::Text => line(
            out,
            format_args!("<{nick}> {}", escape::visible(&message.text)),
        ),
        Profile::TextRooms => {
            line(
                out,
                format_args!("[{room}] <{nick}> {}", escape::visible(&message.text)),
            );
        }
    }
}

fn encode_presence(profile: Profile, room: &RoomName, presence: &Presence, out: &mut Vec<u8>) {
    let nick = presence.nick.as_str();
    match profile {
        Profile::Basic | Profile::Full => {}
        Profile::FullPresence => {
            let (new, reason) = match &presence.change {
                Change::Nick(new) => (Some(new.as_str()), None),
                Change::Quit(reason) => (None, reason.as_deref()),
                Change::Join | Change::Part => (None, None),
            };
            Object::typed(out, "presence")
                .text("room", room.as_str())
                .text("event", presence.change.as_str())
                .text("username", nick)
                .maybe("new_username", new)
                .maybe("reason", reason)
                .end();
        }
        Profile::Text | Profile::TextRooms => match &presence.change {
            Change::Join => line(out, format_args!("* {nick} joined {room}")),
            Change::Part => line(out, format_args!("* {nick} left {room}")),
            Change::Quit(None) => line(out, format_args!("* {nick} quit")),
            Change::Quit(Some(reason)) => {
                line(
                    out,
                    format_args!("* {nick} quit ({})", escape::visible(reason)),
                );
            }
            Change::Nick(new) => line(out, format_args!("* {nick} is now {new}")),
        },
    }
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut shown = Appender(out);
    // Writing to memory cannot fail.
    let _ = shown.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}

struct Appender<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Appender<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

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
        duplicate: bool,
        cid: Option<&'a str>,
    },
    PrivateAck {
        to: &'a Nick,
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
        rooms: &'a [(RoomName, usize)],
        more: bool,
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

/// The one line that a refused connection reads; both kinds of client can.
pub fn encode_refusal(refusal: Refusal, retry_after_ms: u64, out: &mut Vec<u8>) {
    bye(
        out,
        refusal.as_str(),
        refusal.text(),
        true,
        Some(retry_after_ms),
    )
    .text("username", DAEMON)
    .text("message", refusal.text())
    .end();
}

fn person(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::Private(private) => {
            let text = escape::visible(&private.text);
            line(out, format_args!("-{}- {text}", private.from));
        }
        Reply::Joined {
            room,
            members_total,
            ..
        } => {
            let people = if *members_total == 1 {
                "person"
            } else {
                "people"
            };
            line(
                out,
                format_args!("* you joined {room} ({members_total} {people})"),
            );
        }
        Reply::Parted { room } => line(out, format_args!("* you left {room}")),
        Reply::Names { reset: true, .. } => {}
        Reply::Names {
            room,
            members,
            more,
            ..
        } => {
            let names: Vec<&str> = members.iter().map(Nick::as_str).collect();
            let more = if *more { ", ..." } else { "" };
            line(out, format_args!("* in {room}: {}{more}", names.join(", ")));
        }
        Reply::Rooms { rooms, more } => {
            for (room, members) in *rooms {
                line(out, format_args!("* {room} ({members})"));
            }
            if *more {
                line(out, format_args!("* ..."));
            }
        }
        Reply::Nick { username } => line(out, format_args!("* you are now {username}")),
        Reply::Notice { text, .. } => line(out, format_args!("* {}", escape::visible(text))),
        Reply::Error { text, .. } | Reply::Bye { text, .. } => {
            line(out, format_args!("! {}", escape::visible(text)));
        }
        Reply::Gap { .. } => {
            if let Some(text) = two_fields(reply) {
                line(out, format_args!("! {text}"));
            }
        }
        Reply::Welcome { .. }
        | Reply::Ack { .. }
        | Reply::PrivateAck { .. }
        | Reply::Ping
        | Reply::Pong { .. } => {}
    }
}

fn full(reply: &Reply<'_>, label: Option<&str>, out: &mut Vec<u8>) {
    match reply {
        Reply::Welcome {
            session,
            server,
            username,
            presence,
            resume,
            limits,
        } => {
            let mut object = Object::typed(out, "welcome")
                .maybe("label", label)
                .number("version", 1)
                .text("server", server)
                .text("software", concat!("chatd/", env!("CARGO_PKG_VERSION")))
                .text("session", &session.to_string())
                .text("username", username.as_str())
                .texts("caps", presence.then_some("presence"))
                .text("resume", resume);
            object.key("limits");
            Object::open(object.out)
                .number("line", limits.line as u64)
                .number("message", limits.message as u64)
                .number("rooms_per_client", limits.rooms_per_client as u64)
                .number("unacked", limits.unacked as u64)
                .out
                .push(b'}');
            object
                .number("ping_interval_ms", limits.ping_interval.as_millis() as u64)
                .end();
        }
        Reply::Ack {
            room,
            stamp,
            duplicate,
            cid,
        } => {
            let object = Object::typed(out, "ack")
                .maybe("label", label)
                .maybe("cid", *cid)
                .text("room", room.as_str())
                .text("epoch", stamp.epoch.as_str())
                .number("seq", stamp.seq)
                .time("time", stamp.time_ms)
                .text("durability", "none");
            if *duplicate {
                object.flag("duplicate", true)
            } else {
                object
            }
            .end();
        }
        Reply::PrivateAck {
            to,
            time_ms,
            duplicate,
            cid,
        } => {
            let object = Object::typed(out, "ack")
                .maybe("label", label)
                .maybe("cid", *cid)
                .text("to", to.as_str())
                .time("time", *time_ms)
                .text("durability", "none");
            if *duplicate {
                object.flag("duplicate", true)
            } else {
                object
            }
            .end();
        }
        Reply::Private(private) => Object::typed(out, "message")
            .text("to", private.to_nick.as_str())
            .time("time", private.time_ms)
            .text("username", private.from.as_str())
            .text("message", &private.text)
            .maybe("cid", private.cid.as_deref())
            .end(),
        Reply::Joined {
            room,
            epoch,
            seq,
            first,
            members_total,
            members,
        } => {
            let object = Object::typed(out, "joined")
                .maybe("label", label)
                .text("room", room.as_str())
                .text("epoch", epoch.as_str())
                .number("seq", *seq)
                .number("first", *first)
                .text("topic", "")
                .number("members_total", *members_total as u64);
            match members {
                Some(members) => object.texts("members", members.iter().map(Nick::as_str)),
                None => object,
            }
            .end();
        }
        Reply::Parted { room } => {
            Object::typed(out, "parted")
                .maybe("label", label)
                .text("room", room.as_str())
                .end();
        }
        Reply::Gap {
            room,
            epoch,
            from_to,
            reason,
            recoverable,
        } => {
            let object = Object::typed(out, "gap")
                .text("room", room.as_str())
                .text("epoch", epoch.as_str());
            match from_to {
                Some((from, to)) => object
                    .number("from", *from)
                    .number("to", *to)
                    .number("count", to - from + 1),
                None => object,
            }
            .text("reason", reason.as_str())
            .flag("recoverable", *recoverable)
            .end();
        }
        Reply::Names {
            room,
            members,
            more,
            reset,
        } => {
            let object = Object::typed(out, "names")
                .maybe("label", label)
                .text("room", room.as_str())
                .texts("members", members.iter().map(Nick::as_str))
                .flag("more", *more);
            if *reset {
                object.flag("reset", true)
            } else {
                object
            }
            .end();
        }
        Reply::Rooms { rooms, more } => {
            let mut object = Object::typed(out, "rooms").maybe("label", label);
            object.key("rooms");
            object.out.push(b'[');
            for (at, (room, members)) in rooms.iter().enumerate() {
                if at > 0 {
                    object.out.push(b',');
                }
                Object::open(object.out)
                    .text("room", room.as_str())
                    .number("members", *members as u64)
                    .text("topic", "")
                    .out
                    .push(b'}');
            }
            object.out.push(b']');
            object.flag("more", *more).end();
        }
        Reply::Nick { username } => {
            Object::typed(out, "nick")
                .maybe("label", label)
                .text("username", username.as_str())
                .end();
        }
        Reply::Notice { text, room } => Object::typed(out, "notice")
            .text("text", text)
            .maybe("room", room.map(RoomName::as_str))
            .end(),
        Reply::Ping => Object::typed(out, "ping").end(),
        Reply::Pong { token } => {
            Object::typed(out, "pong")
                .maybe("label", label)
                .maybe("token", *token)
                .end();
        }
        Reply::Error {
            code,
            text,
            cid,
            room,
            retry_after_ms,
            limit,
        } => {
            let mut object = Object::typed(out, "error")
                .maybe("label", label)
                .text("code", code.as_str())
                .text("text", text)
                .maybe("cid", *cid)
                .maybe("room", *room);
            if let Some(ms) = retry_after_ms {
                object = object.number("retry_after_ms", *ms);
            }
            if let Some(limit) = limit {
                object = object.number("limit", *limit as u64);
            }
            object.end();
        }
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
            .end();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_control_character_crosses_raw() {
        assert_eq!(
            json("a\u{7f}\u{9b}2J\u{1b}é\u{80}"),
            r#""a\u007f\u009b2J\u001bé\u0080""#
        );
        assert_eq!(json("plain é"), "\"plain é\"");
    }

    proptest! {
        #[test]
        fn a_string_reads_back_as_it_was_and_is_as_long_as_foretold(text in any::<String>()) {
            let written = json(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.clone());
            prop_assert_eq!(written.len() - 2, escaped_len(&text));
            prop_assert!(!written.chars().any(char::is_control));
        }
    }
}
