//! Objects in: strict, borrowed, flat.
//!
//! A line is one JSON object. Known fields are kept borrowed from the line where they have no
//! escapes; unknown ones are checked and forgotten. A key that stands twice, at any depth, and
//! nesting deeper than [`DEPTH`] are faults of the whole line: a reader further on might see
//! another message than we did.

mod field;
mod flaw;
mod reader;

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::Deserializer;

pub use flaw::Flaw;

use crate::event::Seq;
use crate::fault::{Detail, ErrorCode};
use field::{count, cursor, flag, number, page_start, presence, required, tag, target, text};
use reader::{TopLevel, Value};

/// Deepest nesting, the object itself counted.
pub const DEPTH: usize = 16;
/// Longest `label` and `cid`, in bytes.
pub const TAG: usize = 64;

macro_rules! known_fields {
    ($($name:ident = $key:literal),+ $(,)?) => {
        /// The fields of one object that the protocol knows.
        #[derive(Debug, Default)]
        pub struct Fields<'a> {
            $($name: Option<Value<'a>>,)+
        }

        impl<'a> Fields<'a> {
            fn slot(&mut self, key: &str) -> Option<&mut Option<Value<'a>>> {
                match key {
                    $($key => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

known_fields! {
    kind = "type", label = "label", username = "username", message = "message", room = "room",
    to = "to", cid = "cid", version = "version", caps = "caps", join = "join", resume = "resume",
    client = "client", since = "since", after = "after", limit = "limit", token = "token",
    reason = "reason", epoch = "epoch", before = "before", topic = "topic",
}

/// A place in a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<'a> {
    /// The life of the numbering.
    pub epoch: Cow<'a, str>,
    /// The last number that was heard.
    pub seq: Seq,
}

/// Where a page of history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// At the end.
    Latest,
    /// Below this number.
    Before(Seq),
    /// Above this number.
    After(Seq),
}

/// Where a message goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// To the default room.
    Default,
    /// To this room.
    Room(Cow<'a, str>),
    /// To this person.
    Nick(Cow<'a, str>),
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are those of the protocol, described in `wire`"
)]
pub enum Request<'a> {
    Hello(Box<Hello<'a>>),
    Join {
        room: Cow<'a, str>,
        since: Option<Cursor<'a>>,
    },
    Part {
        room: Cow<'a, str>,
    },
    Message {
        target: Target<'a>,
        text: Cow<'a, str>,
        cid: Option<Cow<'a, str>>,
    },
    Names {
        room: Cow<'a, str>,
        after: Option<Cow<'a, str>>,
        limit: Option<usize>,
    },
    Rooms {
        after: Option<Cow<'a, str>>,
        limit: Option<usize>,
    },
    History {
        room: Cow<'a, str>,
        epoch: Option<Cow<'a, str>>,
        from: PageStart,
        limit: Option<usize>,
    },
    Topic {
        room: Cow<'a, str>,
        /// None asks what it is.
        topic: Option<Cow<'a, str>>,
    },
    Nick {
        username: Cow<'a, str>,
    },
    Ping {
        token: Option<Cow<'a, str>>,
    },
    Pong,
    Quit {
        reason: Option<Cow<'a, str>>,
    },
}

/// The first request of a full session.
#[derive(Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are those of the protocol, described in `wire`"
)]
pub struct Hello<'a> {
    pub version: u64,
    pub username: Option<Cow<'a, str>>,
    pub presence: bool,
    pub join: bool,
    pub resume: Option<Cow<'a, str>>,
    pub client: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// `bad_utf8` and `bad_json`.
    pub fn parse(line: &'a [u8]) -> Result<Self, Flaw> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let flaw = Flaw::new(ErrorCode::BadUtf8, "the line is not UTF-8");
            flaw.at(error.valid_up_to())
        })?;
        if let Some(offset) = memchr::memchr(b'\r', line) {
            let flaw = Flaw::new(Detail::BareCr, "a bare CR stands inside the line");
            return Err(flaw.at(offset));
        }
        let broken = Cell::new(None);
        let mut reader = serde_json::Deserializer::from_str(text);
        (&mut reader)
            .deserialize_map(TopLevel(&broken))
            .and_then(|fields| reader.end().map(|()| fields))
            .map_err(|error| {
                let detail = broken.get().unwrap_or_else(|| detail_of(text, &error));
                let flaw = Flaw::new(detail, format!("not one JSON object: {error}"));
                // A line has one line, and its columns are bytes.
                flaw.at(error.column().saturating_sub(1))
            })
    }

    /// The `type`, if there is one: any `type` that is no string is an empty word.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_ref().map(|kind| match kind {
            Value::Text(text) => text.as_ref(),
            _ => "",
        })
    }

    /// Whether this is what the two-field client sends.
    pub fn is_basic(&self) -> bool {
        matches!(
            (&self.username, &self.message),
            (Some(Value::Text(_)), Some(Value::Text(_)))
        )
    }

    /// The two fields of a basic line.
    ///
    /// # Errors
    /// `missing_field` and `bad_field`.
    pub fn into_basic(self) -> Result<(Cow<'a, str>, Cow<'a, str>), Flaw> {
        let username = required("username", text("username", self.username)?)?;
        let message = required("message", text("message", self.message)?)?;
        Ok((username, message))
    }

    /// The `label`, which answers carry back.
    ///
    /// # Errors
    /// `bad_field` if it is no string of at most [`TAG`] bytes.
    pub fn take_label(&mut self) -> Result<Option<Box<str>>, Flaw> {
        Ok(tag("label", self.label.take())?.map(|label| label.into_owned().into()))
    }

    /// The request of a full session.
    ///
    /// # Errors
    /// `missing_field`, `bad_field`, `unknown_type`.
    pub fn into_request(self) -> Result<Request<'a>, Flaw> {
        let Some(kind) = self.kind else {
            return Err(Flaw::missing("type"));
        };
        let Value::Text(kind) = kind else {
            return Err(Flaw::bad("type", "a string"));
        };
        Ok(match kind.as_ref() {
            "message" => Request::Message {
                target: target(self.room, self.to)?,
                text: required("message", text("message", self.message)?)?,
                cid: tag("cid", self.cid)?,
            },
            "join" => Request::Join {
                room: required("room", text("room", self.room)?)?,
                since: cursor("since", self.since)?,
            },
            "part" => Request::Part {
                room: required("room", text("room", self.room)?)?,
            },
            "names" => Request::Names {
                room: required("room", text("room", self.room)?)?,
                after: text("after", self.after)?,
                limit: count("limit", self.limit)?,
            },
            "rooms" => Request::Rooms {
                after: text("after", self.after)?,
                limit: count("limit", self.limit)?,
            },
            "history" => Request::History {
                room: required("room", text("room", self.room)?)?,
                epoch: text("epoch", self.epoch)?,
                from: page_start(self.before, self.after)?,
                limit: count("limit", self.limit)?,
            },
            "topic" => Request::Topic {
                room: required("room", text("room", self.room)?)?,
                topic: text("topic", self.topic)?,
            },
            "nick" => Request::Nick {
                username: required("username", text("username", self.username)?)?,
            },
            "ping" => Request::Ping {
                token: tag("token", self.token)?,
            },
            "pong" => Request::Pong,
            "quit" => Request::Quit {
                reason: text("reason", self.reason)?,
            },
            "hello" => Request::Hello(Box::new(Hello {
                version: required("version", number("version", self.version)?)?,
                username: text("username", self.username)?,
                presence: presence(self.caps)?,
                join: flag("join", self.join)?,
                resume: text("resume", self.resume)?,
                client: tag("client", self.client)?,
            })),
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(Flaw::new(
                    ErrorCode::UnknownType,
                    format!("there is no type `{shown}`"),
                ));
            }
        })
    }
}

/// What exactly the parser stumbled over. It tells only in words; a test holds them to ours.
fn detail_of(text: &str, error: &serde_json::Error) -> Detail {
    const WORDS: [(&str, Detail); 5] = [
        ("control character", Detail::RawControl),
        ("surrogate", Detail::Surrogate),
        ("end of hex escape", Detail::Surrogate),
        ("number out of range", Detail::Number),
        ("trailing characters", Detail::Trailing),
    ];
    if text.starts_with(BOM) {
        return Detail::Bom;
    }
    if error.is_eof() {
        return Detail::Truncated;
    }
    let said = error.to_string();
    // This one goes on with words of the client's own.
    if said.starts_with("invalid type") {
        return Detail::NotAnObject;
    }
    let found = WORDS.iter().find(|(words, _)| said.contains(words));
    found.map_or(Detail::Syntax, |(_, detail)| *detail)
}

/// The byte order mark: no JSON text begins with it (RFC 8259, section 8.1).
const BOM: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request<'_>, ErrorCode> {
        Fields::parse(line.as_bytes())
            .and_then(Fields::into_request)
            .map_err(|flaw| flaw.code())
    }

    #[test]
    fn a_message_is_borrowed_from_its_line() {
        let line = r#"{"type":"message","room":"lobby","message":"hi","cid":"7","x":{"y":[1]}}"#;
        let Ok(Request::Message { target, text, cid }) = request(line) else {
            panic!("{line}")
        };
        assert_eq!(target, Target::Room("lobby".into()));
        assert!(matches!(text, Cow::Borrowed("hi")));
        assert_eq!(cid.as_deref(), Some("7"));
    }

    #[test]
    fn each_fault_has_its_code() {
        use ErrorCode::*;
        let long = format!(
            r#"{{"type":"message","message":"x","cid":"{}"}}"#,
            "c".repeat(65)
        );
        for (line, code) in [
            ("", BadJson),
            ("[]", BadJson),
            ("7", BadJson),
            (r#"{"type":"ping"}x"#, BadJson),
            (r#"{"type":"ping","type":"quit"}"#, BadJson),
            (r#"{"type":"ping","ty\u0070e":"quit"}"#, BadJson),
            (r#"{"type":"ping","a":1,"a":2}"#, BadJson),
            (r#"{"type":"ping","a":{"b":1,"b":1}}"#, BadJson),
            ("{\"type\":\"ping\"\r}", BadJson),
            ("{\"type\":\"ping\",\"a\":\"\u{1}\"}", BadJson),
            (r#"{"type":"message","message":"\ud800"}"#, BadJson),
            (r#"{"message":"x"}"#, MissingField),
            (r#"{"type":"message"}"#, MissingField),
            (r#"{"type":"join"}"#, MissingField),
            (r#"{"type":7}"#, BadField),
            (r#"{"type":"message","message":7}"#, BadField),
            (
                r#"{"type":"message","message":"x","room":"a","to":"b"}"#,
                BadField,
            ),
            (r#"{"type":"history"}"#, MissingField),
            (r#"{"type":"history","room":"a","limit":0}"#, BadField),
            (r#"{"type":"history","room":"a","limit":-1}"#, BadField),
            (r#"{"type":"history","room":"a","after":-1}"#, BadField),
            (r#"{"type":"history","room":"a","after":1.5}"#, BadField),
            (r#"{"type":"history","room":"a","after":"1"}"#, BadField),
            (
                r#"{"type":"history","room":"a","before":9007199254740992}"#,
                BadField,
            ),
            (
                r#"{"type":"history","room":"a","after":18446744073709551615}"#,
                BadField,
            ),
            (
                r#"{"type":"history","room":"a","after":1,"before":9}"#,
                BadField,
            ),
            (r#"{"type":"history","room":"a","epoch":7}"#, BadField),
            (r#"{"type":"topic","topic":"tea"}"#, MissingField),
            (r#"{"type":"topic","room":"a","topic":7}"#, BadField),
            (r#"{"type":"join","room":"a","since":7}"#, BadField),
            (
                r#"{"type":"join","room":"a","since":{"epoch":"x","seq":9007199254740992}}"#,
                BadField,
            ),
            (
                r#"{"type":"join","room":"a","since":{"epoch":"x","seq":-1}}"#,
                BadField,
            ),
            (
                r#"{"type":"hello","version":1,"caps":"presence"}"#,
                BadField,
            ),
            (r#"{"type":"names","room":"a","limit":0}"#, BadField),
            (&long, BadField),
            (r#"{"type":"dance"}"#, UnknownType),
        ] {
            assert_eq!(request(line).map(|_| ()), Err(code), "{line}");
        }
        assert_eq!(
            Fields::parse(b"{\"a\":\"\xff\"}").unwrap_err().code(),
            BadUtf8
        );
    }

    #[test]
    fn broken_json_says_what_exactly_is_wrong() {
        use Detail::*;
        let digits = "9".repeat(10_000);
        let deep = format!(r#"{{"x":{}}}"#, "[".repeat(20));
        for (line, detail) in [
            ("", Truncated),
            (r#"{"type":"ping""#, Truncated),
            (r#"{"type":"pi"#, Truncated),
            ("[]", NotAnObject),
            ("7", NotAnObject),
            ("\"hello\"", NotAnObject),
            ("\"a control character, trailing characters\"", NotAnObject),
            ("nonsense", Syntax),
            ("{'type':'ping'}", Syntax),
            (r#"{"type":"ping",}"#, Syntax),
            (r#"{"type":"\x"}"#, Syntax),
            (r#"{"type":"ping"}{}"#, Trailing),
            (r#"{"type":"ping","type":"quit"}"#, DuplicateKey),
            (r#"{"type":"ping","ty\u0070e":"quit"}"#, DuplicateKey),
            (r#"{"a":{"b":1,"b":1}}"#, DuplicateKey),
            (&deep, Depth),
            (r#"{"a":"\ud800"}"#, Surrogate),
            (r#"{"a":"\udc00\ud800"}"#, Surrogate),
            (r#"{"a":"\ud800x"}"#, Surrogate),
            (r#"{"a":"\ud800\u0041"}"#, Surrogate),
            ("{\"a\":\"\u{1}\"}", RawControl),
            ("{\"a\":\"\t\"}", RawControl),
            ("{\"a\":\"\0\"}", RawControl),
            ("{\"a\":1e400}", Number),
            (&format!("{{\"a\":{digits}}}"), Number),
            ("{\"a\":\r1}", BareCr),
            ("\u{feff}{\"type\":\"ping\"}", Bom),
        ] {
            let flaw = Fields::parse(line.as_bytes()).unwrap_err();
            assert_eq!(flaw.rejection, detail.into(), "{line}: {}", flaw.text);
        }
    }

    #[test]
    fn numbers_are_exact_or_no_numbers() {
        let seq = |number: &str| {
            let line =
                format!(r#"{{"type":"join","room":"a","since":{{"epoch":"x","seq":{number}}}}}"#);
            request(&line).map(|_| ())
        };
        assert_eq!(seq("9007199254740991"), Ok(()));
        for number in [
            "-0",
            "-1",
            "1.0",
            "1e0",
            "9007199254740992",
            "18446744073709551616",
            "1e-400",
        ] {
            assert_eq!(seq(number), Err(ErrorCode::BadField), "{number}");
        }
    }

    #[test]
    fn nesting_is_counted_everywhere() {
        let nest = |n: usize| {
            format!(
                r#"{{"type":"ping","x":{}{}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        assert!(request(&nest(DEPTH - 1)).is_ok());
        assert_eq!(request(&nest(DEPTH)), Err(ErrorCode::BadJson));
        assert_eq!(request(&nest(7000)), Err(ErrorCode::BadJson));
    }

    #[test]
    fn hello_has_presence_unless_caps_say_otherwise() {
        let presence = |line: &str| match request(line) {
            Ok(Request::Hello(hello)) => hello.presence,
            other => panic!("{other:?}"),
        };
        assert!(presence(r#"{"type":"hello","version":1}"#));
        assert!(presence(
            r#"{"type":"hello","version":1,"caps":["x","presence"]}"#
        ));
        assert!(!presence(r#"{"type":"hello","version":1,"caps":[]}"#));
    }
}
