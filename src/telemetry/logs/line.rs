//! An event as one line of text.

use std::borrow::Cow;
use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Map;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::address::{ADDRESS, AUDIT, Addresses};
use crate::escape::visible;
use crate::feed::Happening;

/// Longest value, in bytes: a line is for a reader, and the buffer has to hold many.
const LONGEST_VALUE: usize = 2048;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For a person: time, level, name, sentence, fields.
    Text {
        /// Whether the level is coloured.
        colours: bool,
    },
    /// For journald: the priority as `<N>` in front, which it takes off; no time, no colours.
    Journal,
    /// One JSON object: `time level target event message` and the fields.
    Json,
}

/// The line of this event, line end included.
pub(super) fn of_event(form: Form, addresses: Addresses, event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let mut fields = Fields {
        addresses,
        is_operators: metadata.target() == AUDIT,
        ..Fields::default()
    };
    event.record(&mut fields);
    fields.write(form, *metadata.level(), metadata.target())
}

/// The event as one object for those who listen to the feed.
pub(super) fn happening(event: &Event<'_>) -> Happening {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let level = word(*event.metadata().level());
    let mut object = Map::new();
    let time = format!("{:.3}", Timestamp::now());
    for (name, value) in [("time", time.as_str()), ("level", level)] {
        object.insert(name.to_owned(), value.into());
    }
    object.insert("event".to_owned(), fields.event.as_str().into());
    for (name, value) in fields.rest {
        object.insert(free(name).into_owned(), value.json());
    }
    if !fields.message.is_empty() {
        object.insert("message".to_owned(), fields.message.into());
    }
    Happening {
        event: fields.event,
        level,
        object,
    }
}

/// The line that tells how many lines could not be written.
pub(super) fn lost(form: Form, lines: u64) -> String {
    let fields = Fields {
        event: "log.lost".to_owned(),
        message: "log lines could not be written".to_owned(),
        rest: vec![("lines", Value::Bare(lines.to_string()))],
        ..Fields::default()
    };
    fields.write(form, Level::WARN, module_path!())
}

/// A value, made safe to show.
#[derive(Debug)]
enum Value {
    /// A number or a truth value.
    Bare(String),
    /// Text without anything that a terminal obeys or that breaks a line.
    Text(String),
}

impl Value {
    fn json(self) -> serde_json::Value {
        match self {
            Self::Bare(text) => text.parse().unwrap_or(serde_json::Value::String(text)),
            Self::Text(text) => text.into(),
        }
    }
}

#[derive(Default)]
struct Fields {
    addresses: Addresses,
    /// Whether it tells what an operator said.
    is_operators: bool,
    event: String,
    message: String,
    rest: Vec<(&'static str, Value)>,
}

impl Fields {
    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == ADDRESS {
            if let Some(shown) = self.addresses.shown(value) {
                self.rest.push((ADDRESS, Value::Text(shown)));
            }
            return;
        }
        let mut shown = shortened(visible(shortened(value).as_ref()).as_ref()).into_owned();
        if self.is_operators {
            shown = self.addresses.shown_within(&shown);
        }
        match field.name() {
            "event" => self.event = shown,
            "message" => self.message = shown,
            name => self.rest.push((name, Value::Text(shown))),
        }
    }

    fn bare(&mut self, field: &Field, value: String) {
        self.rest.push((field.name(), Value::Bare(value)));
    }

    fn write(&self, form: Form, level: Level, target: &str) -> String {
        let mut line = String::with_capacity(256);
        match form {
            Form::Json => self.write_json(&mut line, level, target),
            Form::Journal => {
                let _ = write!(line, "<{}>", priority(level));
                self.write_text(&mut line, target);
            }
            Form::Text { colours } => {
                let (on, off) = if colours {
                    (colour(level), "\x1b[0m")
                } else {
                    ("", "")
                };
                let _ = write!(line, "{:.3} {on}{level:<5}{off} ", Timestamp::now());
                self.write_text(&mut line, target);
            }
        }
        line.push('\n');
        line
    }

    /// `target event: sentence key=value key="two words"`. Writing to a `String` cannot fail.
    fn write_text(&self, line: &mut String, target: &str) {
        line.push_str(target);
        for (before, part) in [(" ", &self.event), (": ", &self.message)] {
            if !part.is_empty() {
                line.push_str(before);
                line.push_str(part);
            }
        }
        for (name, value) in &self.rest {
            let _ = match value {
                Value::Bare(value) => write!(line, " {name}={value}"),
                Value::Text(value) if is_word(value) => write!(line, " {name}={value}"),
                Value::Text(value) => {
                    write!(
                        line,
                        " {name}=\"{}\"",
                        value.replace('\\', "\\\\").replace('"', "\\\"")
                    )
                }
            };
        }
    }

    fn write_json(&self, line: &mut String, level: Level, target: &str) {
        let _ = write!(line, "{{\"time\":\"{:.3}\",\"level\":\"", Timestamp::now());
        line.push_str(word(level));
        let _ = write!(line, "\",\"target\":{}", quoted(target));
        for (name, part) in [("event", &self.event), ("message", &self.message)] {
            if !part.is_empty() {
                let _ = write!(line, ",\"{name}\":{}", quoted(part));
            }
        }
        for (name, value) in &self.rest {
            let _ = write!(line, ",\"{}\":", free(name));
            match value {
                Value::Bare(value) => line.push_str(value),
                Value::Text(value) => line.push_str(&quoted(value)),
            }
        }
        line.push('}');
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value.to_string());
        } else {
            self.text(field, &value.to_string());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// The name of a field, so that it is none of those that every line has.
fn free(name: &str) -> Cow<'_, str> {
    match name {
        "time" | "level" | "target" => format!("{name}_").into(),
        name => name.into(),
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The syslog priority that journald takes from the front of a line.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

/// Whether a value can stand without quotes.
fn is_word(value: &str) -> bool {
    !value.is_empty() && !value.contains([' ', '"', '=', '\\'])
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_VALUE {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_VALUE)]).into()
}
