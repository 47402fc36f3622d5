//! Lines out of bytes: the same lines for any split of the stream, never more than the limit in memory.

use memchr::memchr;

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole line without its line end (`\n` or `\r\n`).
    Line(&'a [u8]),
    /// A line went over the limit; the rest of it is being discarded. `first` is false for each
    /// further mebibyte of the same line.
    TooLong {
        /// Whether this is the first that is heard of this line.
        first: bool,
    },
}

/// Discarded bytes of one line that count as one more fault.
const DISCARD_FAULT: usize = 1024 * 1024;

/// The unfinished line of one session. Owns no memory between lines.
#[derive(Debug, Default)]
pub struct Framer {
    partial: Vec<u8>,
    /// `partial` holds a line that was handed out by the last call.
    handed_out: bool,
    /// Bytes of the current line that were thrown away; `None` if it is within the limit.
    discarded: Option<usize>,
}

impl Framer {
    /// Takes the next frame from the front of `input`; `None` when `input` is used up.
    ///
    /// `limit` is the longest line in bytes without its line end.
    pub fn next<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8], limit: usize) -> Option<Frame<'f>> {
        if std::mem::take(&mut self.handed_out) {
            self.partial = Vec::new();
        }
        if input.is_empty() {
            return None;
        }
        if self.discarded.is_some() {
            return self.discard(input, limit);
        }
        let Some(end) = memchr(b'\n', input) else {
            return self.keep(input, limit);
        };
        let (head, rest) = input.split_at(end + 1);
        *input = rest;
        let head = &head[..end];
        if self.partial.is_empty() {
            return Some(whole(head, limit));
        }
        if self.partial.len() + head.len() > limit + 1 {
            self.partial = Vec::new();
            return Some(Frame::TooLong { first: true });
        }
        self.partial.extend_from_slice(head);
        self.handed_out = true;
        Some(whole(&self.partial, limit))
    }

    /// Whether a line has been begun and not ended.
    pub fn is_within_line(&self) -> bool {
        self.discarded.is_some() || (!self.partial.is_empty() && !self.handed_out)
    }

    /// The first byte of the line that was begun, if it is still known.
    pub fn first_byte(&self) -> Option<u8> {
        if self.handed_out {
            None
        } else {
            self.partial.first().copied()
        }
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    fn keep<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8], limit: usize) -> Option<Frame<'f>> {
        let bytes = std::mem::take(input);
        let length = self.partial.len() + bytes.len();
        let ends_in_cr = bytes.last() == Some(&b'\r');
        if length > limit && !(length == limit + 1 && ends_in_cr) {
            self.partial = Vec::new();
            self.discarded = Some(0);
            return Some(Frame::TooLong { first: true });
        }
        self.partial.extend_from_slice(bytes);
        None
    }

    fn discard<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8], limit: usize) -> Option<Frame<'f>> {
        let discarded = self.discarded.take().unwrap_or(0);
        match memchr(b'\n', input) {
            Some(end) => {
                *input = &input[end + 1..];
                self.next(input, limit)
            }
            None => {
                let now = discarded + std::mem::take(input).len();
                self.discarded = Some(now);
                let crossed = now / DISCARD_FAULT > discarded / DISCARD_FAULT;
                crossed.then_some(Frame::TooLong { first: false })
            }
        }
    }
}

fn whole(line: &[u8], limit: usize) -> Frame<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > limit {
        Frame::TooLong { first: true }
    } else {
        Frame::Line(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Clone)]
    enum Owned {
        Line(Vec<u8>),
        TooLong,
    }

    fn frames(chunks: &[&[u8]], limit: usize) -> (Vec<Owned>, usize) {
        let mut framer = Framer::default();
        let mut out = Vec::new();
        let mut most = 0;
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(frame) = framer.next(&mut input, limit) {
                out.push(match frame {
                    Frame::Line(line) => Owned::Line(line.to_vec()),
                    Frame::TooLong { .. } => Owned::TooLong,
                });
            }
            most = most.max(framer.held());
        }
        (out, most)
    }

    #[test]
    fn both_line_ends_end_a_line_and_half_a_line_is_none() {
        let (lines, _) = frames(&[b"a\nb\r\n\nc"], 10);
        assert_eq!(
            lines,
            [b"a".to_vec(), b"b".to_vec(), vec![]].map(Owned::Line)
        );
    }

    #[test]
    fn the_limit_counts_the_line_without_its_end() {
        assert_eq!(
            frames(&[b"12345\r\n"], 5).0,
            [Owned::Line(b"12345".to_vec())]
        );
        assert_eq!(
            frames(&[b"12345", b"\r", b"\n"], 5).0,
            [Owned::Line(b"12345".to_vec())]
        );
        assert_eq!(
            frames(&[b"123456\nx\n"], 5).0,
            [Owned::TooLong, Owned::Line(b"x".to_vec())]
        );
        assert_eq!(
            frames(&[b"123456", b"789\nx\n"], 5).0,
            [Owned::TooLong, Owned::Line(b"x".to_vec())]
        );
    }

    #[test]
    fn each_discarded_mebibyte_is_one_more_fault() {
        let chunk = vec![b'x'; 64 * 1024];
        let chunks: Vec<&[u8]> = std::iter::repeat_n(&chunk[..], 48).collect();
        let (faults, most) = frames(&chunks, 1000);
        assert_eq!(faults.len(), 3, "one at once, two more within 3 MiB");
        assert_eq!(most, 0, "nothing is kept of what is discarded");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
            limit in 1usize..20,
        ) {
            let (whole, _) = frames(&[&bytes], limit);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(0);
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let (split, most) = frames(&chunks, limit);
            // A line that is too long and never ends is noticed in both; so is everything else.
            prop_assert_eq!(whole, split);
            prop_assert!(most <= limit + 1);
        }
    }
}
