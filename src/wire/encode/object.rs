//! One JSON object, written straight into the bytes that leave.

use std::fmt::Write as _;

use serde_json::ser::to_writer;

use super::line::Appender;
use super::time;

/// One JSON object, field by field, written in order.
pub(super) struct Object<'a> {
    pub(super) out: &'a mut Vec<u8>,
    next: u8,
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        Self { out, next: b'{' }
    }

    pub(super) fn typed(out: &'a mut Vec<u8>, kind: &str) -> Self {
        Self::open(out).text("type", kind)
    }

    pub(super) fn key(&mut self, key: &str) {
        self.out.push(self.next);
        self.next = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        string(self.out, value);
        self
    }

    pub(super) fn maybe(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(super) fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        // Writing to memory cannot fail.
        let _ = to_writer(&mut *self.out, &value);
        self
    }

    pub(super) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    pub(super) fn texts<'t>(
        mut self,
        key: &str,
        values: impl IntoIterator<Item = &'t str>,
    ) -> Self {
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

    pub(super) fn time(mut self, key: &str, time_ms: i64) -> Self {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&time::written(time_ms));
        self.out.push(b'"');
        self
    }

    pub(super) fn end(self) {
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
    let bytes = text.as_bytes();
    let more: usize = bytes
        .iter()
        .map(|byte| usize::from(MORE[usize::from(*byte)]))
        .sum();
    // C1 controls are two bytes of UTF-8, of which the first is this one.
    let c1 = memchr::memchr_iter(0xc2, bytes)
        .filter(|at| matches!(bytes.get(at + 1), Some(0x80..=0x9f)));
    bytes.len() + more + 4 * c1.count()
}

/// How many bytes more than itself each byte of a text takes.
const MORE: [u8; 256] = {
    let mut more = [0; 256];
    let mut byte = 0;
    while byte < more.len() {
        more[byte] = match byte as u8 {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            ..0x20 | 0x7f => 5,
            _ => 0,
        };
        byte += 1;
    }
    more
};

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
