//! An operator looks on at one session. Nothing here runs for anybody else: a session that is
//! looked at is not plain ([`super::seats::Seats`]), and its line hooks are one branch.

use serde_json::{Map, Value, json};

use super::Lane;
use super::seat::Seat;
use super::slice::Skip;
use crate::escape::visible;
use crate::event::SessionId;
use crate::log::Encoded;
use crate::mail::{Trace, TracedLine};

/// What is shown of a line without its text.
const HEADERS: [&str; 12] = [
    "type", "room", "to", "username", "seq", "epoch", "label", "cid", "code", "event", "from",
    "count",
];
/// What is never shown.
const SECRETS: [&str; 3] = ["resume", "password", "token"];
/// Longest text of a header, in characters.
const HEADER: usize = 80;

/// Which way a line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Lane {
    /// Somebody looks on from now on; who did before does no more.
    pub(super) fn look_on(&mut self, session: SessionId, trace: Box<Trace>) {
        if let Some(&at) = self.by_id.get(&session) {
            self.seats[at].trace = Some(trace);
        }
    }

    /// A line came in.
    pub(super) fn show_line_in(&mut self, at: usize, line: &[u8]) {
        let now_ms = (self.hub.clock)();
        self.seats[at].show(now_ms, Way::In, line);
    }
}

impl Seat {
    /// The lines of `bytes` that ended between `from` and `to` went out.
    pub(super) fn show_bytes(&mut self, now_ms: i64, bytes: &[u8], from: usize, to: usize) {
        let mut start = memchr::memrchr(b'\n', &bytes[..from]).map_or(0, |end| end + 1);
        for end in memchr::memchr_iter(b'\n', &bytes[..to]) {
            if end >= from {
                self.show(now_ms, Way::Out, &bytes[start..end]);
                start = end + 1;
            }
        }
    }

    /// The same of a room's lines, of which some were left out.
    pub(super) fn show_encoded(
        &mut self,
        now_ms: i64,
        encoded: &Encoded,
        (from, to): (usize, usize),
        skip: Option<Skip>,
    ) {
        let mut start = 0;
        for line in &encoded.lines {
            let end = line.end as usize;
            let went_out = end > from && end <= to;
            if went_out && !skip.is_some_and(|skip| skip.skips(line)) {
                self.show(now_ms, Way::Out, &encoded.bytes[start..end]);
            }
            start = end;
        }
    }

    fn show(&mut self, now_ms: i64, way: Way, line: &[u8]) {
        let Some(trace) = &self.trace else { return };
        if trace.is_over() {
            self.trace = None;
            return;
        }
        trace.show(describe(now_ms, way, line, trace.payload));
    }
}

fn describe(now_ms: i64, way: Way, line: &[u8], payload: bool) -> TracedLine {
    let line = line.trim_ascii_end();
    let time = jiff::Timestamp::from_millisecond(now_ms)
        .map_or_else(|_| String::new(), |time| format!("{time:.3}"));
    let way = match way {
        Way::In => "in",
        Way::Out => "out",
    };
    let mut shown = Map::new();
    shown.insert("time".to_owned(), time.into());
    shown.insert("direction".to_owned(), way.into());
    shown.insert("bytes".to_owned(), json!(line.len()));
    let object: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
    match object {
        Some(mut object) => {
            for name in HEADERS {
                if let Some(value) = object.get(name).and_then(header) {
                    shown.insert(name.to_owned(), value);
                }
            }
            if payload {
                for name in SECRETS {
                    if let Some(secret) = object.get_mut(name) {
                        *secret = "***".into();
                    }
                }
                shown.insert(
                    "payload".to_owned(),
                    Value::Object(object).to_string().into(),
                );
            }
        }
        None if payload => {
            let text = String::from_utf8_lossy(line).into_owned();
            shown.insert("payload".to_owned(), text.into());
        }
        None => {}
    }
    shown
}

/// A value short and safe enough to be shown; what is no word or number is not.
fn header(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => {
            let text: String = text.chars().take(HEADER).collect();
            Some(visible(&text).into_owned().into())
        }
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_shown_and_text_only_when_asked_for_and_secrets_never() {
        let line =
            br#"{"type":"message","room":"den","message":"psst","label":"a","resume":"0123"}"#;
        let shown = Value::Object(describe(0, Way::In, line, false));
        assert_eq!(
            shown,
            json!({
                "time": "1970-01-01T00:00:00.000Z", "direction": "in", "bytes": line.len(),
                "type": "message", "room": "den", "label": "a",
            })
        );
        let payload = describe(0, Way::Out, line, true)["payload"].to_string();
        assert!(
            payload.contains("psst") && !payload.contains("0123"),
            "{payload}"
        );
        assert_eq!(describe(0, Way::Out, b"<a> hi\r\n", false).len(), 3);
    }
}
