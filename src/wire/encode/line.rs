//! One line of text.

use std::fmt::Write as _;

/// Appends a line with its end.
pub(super) fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut shown = Appender(out);
    // Writing to memory cannot fail.
    let _ = shown.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}

/// Formats into bytes.
pub(super) struct Appender<'a>(pub(super) &'a mut Vec<u8>);

impl std::fmt::Write for Appender<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
