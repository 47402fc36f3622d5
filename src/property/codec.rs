//! Objects in and lines out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::json::Tree;
use crate::escape::visible;
use crate::event::{Event, Message, SessionId};
use crate::fault::{Detail, ErrorCode};
use crate::name::{Nick, RoomName};
use crate::wire::{
    DEPTH, Fields, Flaw, PageStart, Profile, Reply, Request, Target, Voice, encode_event,
    encode_reply,
};

/// A line is accepted only if another parser takes it too, sees no key twice and no deep nesting;
/// where it is refused, the reason is true. What is accepted and written anew reads as the same.
/// What a text becomes in each profile is one line that holds it, and nothing that a terminal obeys.
pub fn codec(line: &[u8]) {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let tree = Tree::read(line);
    match Fields::parse(line) {
        Ok(fields) => {
            let tree = tree.expect("another parser takes it too");
            assert!(tree.is_object());
            assert!(!tree.has_twins(), "a key stands twice");
            assert!(tree.depth() <= DEPTH, "nested {} deep", tree.depth());
            if fields.is_basic() {
                let (username, message) = fields.into_basic().expect("two fields");
                assert_eq!(tree.text("username"), Some(&*username));
                assert_eq!(tree.text("message"), Some(&*message));
            }
        }
        Err(flaw) => {
            let why = flaw.rejection.words();
            assert!(is_true(&flaw, line, tree.as_ref()), "{why:?}: {flaw:?}");
        }
    }
    if let Ok(request) = Fields::parse(line).and_then(Fields::into_request) {
        let written = written(&request).to_string();
        let again = Fields::parse(written.as_bytes()).and_then(Fields::into_request);
        assert_eq!(again.as_ref(), Ok(&request), "{written}");
    }
    shows(&String::from_utf8_lossy(line));
}

/// Whether the line has the fault that it is refused for.
fn is_true(flaw: &Flaw, line: &[u8], tree: Option<&Tree<'_>>) -> bool {
    let is = |detail: Detail| flaw.rejection == detail.into();
    if flaw.rejection == ErrorCode::BadUtf8.into() {
        return std::str::from_utf8(line).is_err();
    }
    if is(Detail::BareCr) {
        return line.contains(&b'\r');
    }
    if is(Detail::Bom) {
        return line.starts_with(b"\xef\xbb\xbf");
    }
    match tree {
        // Two faults may stand in one line, and each parser stops at the first it sees.
        None => true,
        Some(tree) if is(Detail::DuplicateKey) => tree.has_twins(),
        Some(tree) if is(Detail::Depth) => tree.depth() > DEPTH,
        Some(tree) if is(Detail::NotAnObject) => !tree.is_object(),
        // Others hold numbers that are beyond ours, or round them.
        Some(_) => is(Detail::Number),
    }
}

/// The request as its client might have written it.
fn written(request: &Request<'_>) -> Value {
    match request {
        Request::Hello(hello) => json!({
            "type": "hello", "version": hello.version, "username": hello.username,
            "caps": if hello.presence { vec!["presence"] } else { vec![] },
            "join": hello.join, "resume": hello.resume, "client": hello.client,
        }),
        Request::Join { room, since } => {
            let since = since
                .as_ref()
                .map(|since| json!({ "epoch": since.epoch, "seq": since.seq }));
            json!({ "type": "join", "room": room, "since": since })
        }
        Request::Part { room } => json!({ "type": "part", "room": room }),
        Request::Message { target, text, cid } => {
            let (room, to) = match target {
                Target::Default => (None, None),
                Target::Room(room) => (Some(room), None),
                Target::Nick(nick) => (None, Some(nick)),
            };
            json!({ "type": "message", "room": room, "to": to, "message": text, "cid": cid })
        }
        Request::Names { room, after, limit } => {
            json!({ "type": "names", "room": room, "after": after, "limit": limit })
        }
        Request::Rooms { after, limit } => {
            json!({ "type": "rooms", "after": after, "limit": limit })
        }
        Request::History {
            room,
            epoch,
            from,
            limit,
        } => {
            let (before, after) = match from {
                PageStart::Latest => (None, None),
                PageStart::Before(seq) => (Some(seq), None),
                PageStart::After(seq) => (None, Some(seq)),
            };
            json!({
                "type": "history", "room": room, "epoch": epoch, "before": before, "after": after,
                "limit": limit,
            })
        }
        Request::Topic { room, topic } => {
            json!({ "type": "topic", "room": room, "topic": topic })
        }
        Request::Nick { username } => json!({ "type": "nick", "username": username }),
        Request::Ping { token } => json!({ "type": "ping", "token": token }),
        Request::Pong => json!({ "type": "pong" }),
        Request::Quit { reason } => json!({ "type": "quit", "reason": reason }),
    }
}

/// What others hear of a text, in every profile and voice.
fn shows(text: &str) {
    let message = Message {
        seq: 1,
        end: text.len() as u64,
        time_ms: 0,
        author: SessionId(1),
        nick: Nick::new("alice").expect("a name"),
        text: text.into(),
        cid: Some(text.into()),
    };
    let event = Event::Message(Arc::new(message));
    let room = RoomName::new("lobby").expect("a name");
    for profile in Profile::ALL {
        let mut out = Vec::new();
        encode_event(profile, &room, &event, &mut out);
        let line = one_line(&out);
        match profile {
            Profile::Text | Profile::TextRooms => is_shown(line),
            _ => assert_eq!(Tree::of_daemon(line).text("message"), Some(text)),
        }
    }
    let notice = Reply::Notice { text, room: None };
    for voice in [Voice::Unknown, Voice::Basic, Voice::Text, Voice::Full] {
        let mut out = Vec::new();
        encode_reply(voice, &notice, None, &mut out);
        let line = one_line(&out);
        match voice {
            Voice::Text => is_shown(line),
            Voice::Full => assert_eq!(Tree::of_daemon(line).text("text"), Some(text)),
            _ => assert_eq!(Tree::of_daemon(line).text("message"), Some(text)),
        }
    }
    assert_eq!(visible(&visible(text)), visible(text));
}

fn one_line(out: &[u8]) -> &str {
    let text = std::str::from_utf8(out).expect("what leaves is UTF-8");
    let line = text.strip_suffix("\r\n").expect("what leaves is a line");
    assert!(!line.contains(char::is_control), "{line:?}");
    line
}

/// Nothing is left in the line that has to be escaped.
fn is_shown(line: &str) {
    assert_eq!(visible(line), line);
}
