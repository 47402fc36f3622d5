//! The chat protocol, version 1: what crosses the wire. This text is normative.
//!
//! # 1. Framing
//!
//! TCP, UTF-8, one JSON object (or, for a person, one line of text) per line. `\n` or `\r\n` in,
//! `\r\n` out. A line has at most `limits.line` bytes without its line end; a longer one gets
//! `line_too_long`, the rest of it is discarded and the session stays. Each discarded mebibyte is
//! one more fault. `limits.bad_lines` faults in a row close the session with `protocol_error`. A
//! *first* line that is too long (4 KiB; `limits.line` if it begins with `{`) closes at once.
//!
//! Refused, with nothing relayed: invalid UTF-8 (`bad_utf8`); what is not one JSON object, a key
//! that stands twice at any depth, nesting deeper than 16, a bare CR inside a line (`bad_json`). A
//! last line without a line end is discarded. A half-closed connection is answered to the end.
//! Control characters of a text leave as JSON escapes, DEL and C1 included.
//!
//! No line from the server is longer than `limits.line` + 1 KiB. The server never speaks first,
//! but for one refusal line that both kinds of JSON client can read:
//!
//! ```
//! use chatd::close::Refusal;
//! let mut line = Vec::new();
//! chatd::wire::encode_refusal(Refusal::ServerFull, 1500, &mut line);
//! assert_eq!(line, concat!(
//!     r#"{"type":"bye","code":"server_full","text":"the server is full","reconnect":true,"#,
//!     r#""retry_after_ms":1500,"username":"chatd","message":"the server is full"}"#, "\r\n").as_bytes());
//! ```
//!
//! # 2. Dialects
//!
//! The first line decides, by what it parses to:
//!
//! | the first line | dialect |
//! |---|---|
//! | an object with `type` = `hello` | full |
//! | an object with strings `username` and `message` | basic |
//! | another object | error `hello_required`, close |
//! | begins with `{`, or a byte order mark and `{`, and is no object | an error; it may be tried again |
//! | empty, or begins with `/` | text |
//! | opens HTTP, TLS, SSH, PROXY, IRC, SMTP or RESP, is not UTF-8, has control characters | closed (`protocol_error`), nothing is interpreted |
//! | any other text | text; this line is *not* said, and the answer says so |
//! | nothing yet | a silent listener: hears the default room as basic does |
//!
//! ```
//! use chatd::close::Detail;
//! use chatd::wire::{Opening, open};
//! assert!(matches!(open(br#"{"username":"alice","message":"hi"}"#), Opening::Basic(_)));
//! assert!(matches!(open(br#"{"type":"hello","version":1}"#), Opening::Full(_)));
//! assert!(matches!(open(b"/nick alice"), Opening::Text));
//! assert!(matches!(open(b"POST / HTTP/1.1"), Opening::Foreign(Detail::Http)));
//! ```
//!
//! `limits.hello_timeout` runs, absolute, from the first byte to the end of the first valid line.
//!
//! ## 2.1 Basic
//!
//! In: `{"username":"alice","message":"hi"}`, both non-empty; other fields are ignored. Out, to every
//! *other* session of the default room: exactly the same two fields. The first message claims the
//! nick, a later other `username` is a rename. A nick that only basic sessions of the same address
//! hold is shared with them. Errors (at most one a second), notices, gaps and the farewell come
//! from `chatd`:
//!
//! ```
//! use chatd::wire::{Reply, Voice, encode_reply};
//! let mut line = Vec::new();
//! encode_reply(Voice::Basic, &Reply::Notice { text: "hello", room: None }, None, &mut line);
//! assert_eq!(line, b"{\"username\":\"chatd\",\"message\":\"hello\"}\r\n");
//! ```
//!
//! ## 2.2 Text
//!
//! A person. The nick is `guest-N` until `/nick NAME`. A line that does not begin with `/` is said in
//! the current room; `//x` says `/x`. `/join ROOM`, `/part [ROOM]`, `/msg NICK TEXT`, `/names`,
//! `/topic [TEXT]`, `/history [N]` (the last N messages, `2026-01-02 03:04 <alice> hi`, in UTC),
//! `/rooms`, `/help`, `/quit`. Out: `<alice> hi` (`[lobby] <alice> hi` when in several rooms),
//! `-alice- psst` for a private message, `* alice joined lobby`, `! reason`. Own messages are not
//! repeated. Others' control and bidi characters are shown escaped ([`crate::escape`]). Telnet
//! commands are removed ([`Telnet`]); `DO TIMING-MARK` is answered.
//!
//! ## 2.3 Full
//!
//! Any request may carry `label` (≤ 64 bytes), which its answers carry back. Requests of one session
//! are answered in order.
//!
//! | client → server | fields |
//! |---|---|
//! | `hello` | `version` (1), `username`?, `caps`? (omitted = `["presence"]`), `join`?, `resume`?, `client`? |
//! | `join` | `room`, `since`? `{"epoch":E,"seq":N}` |
//! | `part` | `room` |
//! | `message` | `message`, and `room` (default: the default room) or `to`; `cid`? |
//! | `names` | `room`, `after`?, `limit`? |
//! | `history` | `room`, `epoch`?, `before`? or `after`? (a number), `limit`? |
//! | `topic` | `room`, `topic`? |
//! | `rooms` | `after`?, `limit`? |
//! | `nick` | `username` |
//! | `ping` `pong` | `token`? |
//! | `quit` | `reason`? |
//!
//! | server → client | fields |
//! |---|---|
//! | `welcome` | `version server software session username caps resume limits ping_interval_ms` |
//! | `message` | `room seq time username message cid`?; private: `to time username message cid`?; with `label` in a page of history |
//! | `ack` | `label? cid? room epoch seq time durability duplicate`?; private: `to time durability` |
//! | `joined` | `room epoch seq first topic members_total members`? |
//! | `parted` | `room` |
//! | `presence` | `room event username new_username? reason`? |
//! | `gap` | `room epoch from? to? count? reason recoverable`; with `label` in a page of history |
//! | `history` | `room epoch first last more`: ends a page |
//! | `topic` | `room topic username? time`? |
//! | `names` | `room members more reset`? |
//! | `rooms` | `rooms` [`room members topic`] `more` |
//! | `nick` | `username`: the answer to `nick` |
//! | `notice` `ping` `pong` | `text room`? · – · `token`? |
//! | `error` | `code text label? cid? room? retry_after_ms? limit`? |
//! | `bye` | `code text reconnect retry_after_ms`?: always the last line |
//!
//! **Numbers.** A full session hears every message of its rooms in place, its own included. `seq` is
//! per room, dense, from 1. `epoch` names the life of the numbering.
//!
//! **Join.** After `joined`: at most one `gap`, then messages from the next number on. Without
//! `since` from `joined.seq`+1; with `since` of this epoch from its `seq`+1, with a leading `gap`
//! (`history_expired`) for what is no longer kept; with another epoch or a number beyond the head a
//! `gap` (`epoch_changed`, without numbers), then from `joined.first`. Joining a room that one is in
//! already is answered like the first time and moves nothing.
//!
//! **History.** Members only. A page has the messages after `after`, the first of them first, or those
//! before `before`, the last of them; with neither, the latest. It has at most `limit` messages (100
//! if the request names none, `limits.history_page` if that is less), in order and without holes,
//! and shows what was acknowledged before it was asked for. Its lines carry the `label` of the
//! request, an empty one if it had none, which no other `message` has: what is said meanwhile comes
//! between them. The label must have at most 120 bytes with its escapes. `history` ends the page:
//! `first` and `last` are its numbers, of an empty page `last` is `first` - 1; `more` says that there
//! is more after it, or before it where the request had no `after`. What retention has removed after
//! `after` is one labelled `gap` (`history_expired`) before the lines; before `before` `first` tells
//! what is left. A number beyond the head is the head; 2^53 and above are `bad_field`, as are both
//! bounds at once and a `limit` of 0. With an `epoch` that is not the room's the answer is the error
//! `history_expired`, with the `epoch` and `first` that there are now.
//!
//! ```
//! use chatd::wire::{Fields, PageStart, Request};
//! let line = br#"{"type":"history","room":"den","after":41,"limit":2,"label":"p"}"#;
//! let request = Fields::parse(line).and_then(Fields::into_request);
//! assert!(matches!(request, Ok(Request::History { from: PageStart::After(41), limit: Some(2), .. })));
//! ```
//!
//! ```
//! use chatd::event::{Epoch, Message, SessionId};
//! use chatd::name::{Nick, RoomName};
//! use chatd::wire::{Reply, Voice, encode_past, encode_reply};
//! let (room, nick) = (RoomName::new("den").unwrap(), Nick::new("alice").unwrap());
//! let message = Message {
//!     seq: 42, end: 0, time_ms: 0, author: SessionId::NOBODY, nick, text: "hi".into(), cid: None,
//! };
//! let mut lines = Vec::new();
//! encode_past(Voice::Full, &room, &message, "p", &mut lines);
//! let epoch = &Epoch::from_bits(7);
//! let end = Reply::History { room: &room, epoch, first: 42, last: 42, more: false };
//! encode_reply(Voice::Full, &end, Some("p"), &mut lines);
//! assert_eq!(String::from_utf8(lines).unwrap(), concat!(
//!     r#"{"type":"message","label":"p","room":"den","seq":42,"time":"1970-01-01T00:00:00.000Z","#,
//!     r#""username":"alice","message":"hi"}"#, "\r\n",
//!     r#"{"type":"history","label":"p","room":"den","epoch":"0000000000007","first":42,"#,
//!     r#""last":42,"more":false}"#, "\r\n"));
//! ```
//!
//! **Topic.** Any member sets it: at most `limits.topic` bytes without control characters, else
//! `bad_field`; an empty one takes it away. Without `topic` the request only asks. The answer is
//! `topic`, without `username` and `time` where nobody ever set one. The other members hear the same
//! line without a label, after what was said before; who was behind hears it afterwards.
//!
//! ```
//! use chatd::event::Topic;
//! use chatd::name::{Nick, RoomName};
//! use chatd::wire::{Reply, Voice, encode_reply};
//! let (room, nick) = (RoomName::new("den").unwrap(), Nick::new("alice").unwrap());
//! let topic = Topic { text: "tea".into(), nick, time_ms: 0 };
//! let mut line = Vec::new();
//! encode_reply(Voice::Full, &Reply::Topic { room: &room, topic: Some(&topic) }, None, &mut line);
//! assert_eq!(line, concat!(r#"{"type":"topic","room":"den","topic":"tea","username":"alice","#,
//!     r#""time":"1970-01-01T00:00:00.000Z"}"#, "\r\n").as_bytes());
//! ```
//!
//! **Acks.** An `ack` may come before lower-numbered messages and before the own message. It moves no
//! cursor. At `limits.unacked` unanswered messages a session is not read. A private ack means: in
//! the recipient's outbox. With a `cid`, the first `ack` comes again with `duplicate:true` for
//! `limits.dedup_age`, whatever the second text.
//!
//! **Identity.** `resume` is a 128-bit secret. A `hello` with it is the same identity: a session that
//! still holds it is closed with `replaced` and its nick passes over.
//!
//! **Pace.** Over `limits.message_rate` a session is not read: nothing is refused, nothing lost.
//! `rate_limited` (with `retry_after_ms`) is for other requests.
//!
//! **Presence** comes after what was said before it, and tells of others only. It may repeat what `joined` has said:
//! who is in `members` may be announced after it. Rooms above `limits.presence_members` send
//! none, and `joined` then has no `members`. A session that was behind gets one `names` with
//! `reset:true` afterwards, and the `topic` if the room has one.

mod decode;
mod encode;
mod frame;
mod opening;
mod telnet;

pub use decode::{Cursor, DEPTH, Fields, Flaw, Hello, PageStart, Request, TAG, Target};
pub use encode::{
    DAEMON, Reply, RoomLine, Voice, encode_event, encode_past, encode_refusal, encode_reply,
    escaped_len, rfc3339,
};
pub use frame::{Frame, Framer};
pub use opening::{FIRST_LINE, Opening, foreign_start, open};
pub use telnet::{Telnet, WILL_TIMING_MARK};

/// Which shared bytes a session gets of a room. A closed set: nothing else may change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Profile {
    /// Two fields, no presence.
    Basic,
    /// Objects, no presence.
    Full,
    /// Objects with presence.
    FullPresence,
    /// Text of a person in one room.
    Text,
    /// Text of a person in several rooms.
    TextRooms,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 5] = [
        Self::Basic,
        Self::Full,
        Self::FullPresence,
        Self::Text,
        Self::TextRooms,
    ];

    /// What of its own doings a session of this profile is not told.
    pub const fn silence(self) -> Silence {
        match self {
            Self::Basic | Self::Text | Self::TextRooms => Silence::Everything,
            Self::Full | Self::FullPresence => Silence::Presence,
        }
    }

    /// Whether sessions of this profile keep what unnumbered lines tell them: who is there, what the
    /// room is about. It is told anew to who was behind.
    pub const fn hears_unnumbered(self) -> bool {
        matches!(self, Self::Full | Self::FullPresence)
    }

    /// Whether sessions of this profile keep a roster by presence.
    pub const fn keeps_roster(self) -> bool {
        matches!(self, Self::FullPresence)
    }
}

/// What of its own doings a session is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// That it came, left or is called otherwise: it was answered.
    Presence,
    /// That, and what it said itself.
    Everything,
}
