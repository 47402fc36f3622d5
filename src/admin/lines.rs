//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line, now in the buffer, without its line end.
    Whole,
    /// More bytes than allowed without a line end.
    TooLong,
    /// The end, with nothing begun that counts.
    End,
}

/// Reads the next line into `line`. Not to be used in a `select!` that goes on afterwards.
pub(super) async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<Line> {
    line.clear();
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(Line::End);
        }
        let end = memchr::memchr(b'\n', bytes);
        let (part, used) = end.map_or((bytes, bytes.len()), |end| (&bytes[..end], end + 1));
        // One more for a CR, which does not count.
        if line.len() + part.len() > longest + 1 {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(part);
        from.consume(used);
        if end.is_some() {
            line.pop_if(|last| *last == b'\r');
            return Ok(if line.len() > longest {
                Line::TooLong
            } else {
                Line::Whole
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_any_split_up_to_the_bound() {
        for capacity in [1, 2, 3, 100] {
            let text: &[u8] = b"one\r\n\nthree\nfour";
            let mut from = tokio::io::BufReader::with_capacity(capacity, text);
            let mut line = Vec::new();
            for wanted in ["one", "", "three"] {
                assert_eq!(
                    next_line(&mut from, &mut line, 5).await.unwrap(),
                    Line::Whole
                );
                assert_eq!(line, wanted.as_bytes());
            }
            assert_eq!(next_line(&mut from, &mut line, 5).await.unwrap(), Line::End);
            let mut from = tokio::io::BufReader::with_capacity(capacity, text);
            assert_eq!(
                next_line(&mut from, &mut line, 2).await.unwrap(),
                Line::TooLong
            );
        }
    }
}
