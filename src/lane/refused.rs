//! What is remembered of a line that was refused: enough to see what is wrong with a client, nothing
//! of what its people say.

use crate::fault::Rejection;
use crate::hub::RefusedLine;

use super::Lane;

/// Bytes of a line that are shown.
const EXCERPT: usize = 32;

/// A line that was refused a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    rejection: Rejection,
    /// The byte at which it went wrong, where that is known.
    pub(super) offset: Option<usize>,
}

impl Refusal {
    pub(super) fn of(rejection: Rejection) -> Self {
        Self {
            rejection,
            offset: None,
        }
    }
}

impl Lane {
    /// Remembers what was refused last, if there was something; `line` is empty where it was not
    /// one line.
    pub(super) fn note_refusal(&mut self, at: usize, line: &[u8]) {
        let Some(Refusal { rejection, offset }) = self.refusal.take() else {
            return;
        };
        let seat = &self.seats[at];
        self.hub.note_refused_line(RefusedLine {
            time_ms: (self.hub.clock)(),
            session: seat.card.id,
            addr: seat.card.addr.ip(),
            nick: seat.nick.clone(),
            dialect: seat.card.dialect(),
            rejection,
            bytes: line.len(),
            offset,
            excerpt: excerpt(line, offset.unwrap_or(0)).into(),
        });
    }
}

/// What stands around a byte of a line: letters are `x`, digits `0`, all that is not ASCII `?`; what
/// is left is the shape, which is where the mistakes are.
fn excerpt(line: &[u8], offset: usize) -> String {
    let from = offset.saturating_sub(EXCERPT / 2).min(line.len());
    let bytes = line[from..].iter().take(EXCERPT);
    let shown = bytes.flat_map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' => vec!['x'],
        b'0'..=b'9' => vec!['0'],
        b' '..=b'~' => vec![char::from(*byte)],
        0x80.. => vec!['?'],
        control => format!("\\x{control:02x}").chars().collect(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_shape_and_no_word() {
        let line = r#"{"type":"message","message":"geheim 42 ü" oops}"#.as_bytes();
        assert_eq!(excerpt(line, 0), r#"{"xxxx":"xxxxxxx","xxxxxxx":"xxx"#);
        assert_eq!(excerpt(line, 43), ":\"xxxxxx 00 ??\" xxxx}");
        assert_eq!(excerpt(b"a\r\x00b", 0), "x\\x0d\\x00x");
        assert_eq!(excerpt(b"", 7), "");
    }
}
