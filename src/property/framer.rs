//! Lines out of bytes.

use crate::wire::{Frame, Framer, Telnet};

/// What came out: a line, or that one was too long.
type Found = Result<Vec<u8>, ()>;

/// The stream gives the same lines however it is cut, those that a plain reading of it gives; never
/// more than one line is held, and the work is linear. The same holds after telnet's commands were
/// taken out.
///
/// The first byte is the limit, the second the seed of the cuts, the rest the stream.
pub fn framer(input: &[u8]) {
    let [limit, seed, stream @ ..] = input else {
        return;
    };
    let limit = usize::from(*limit).max(1);
    let cuts = cuts(stream, *seed);
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    let plain = read_plainly(stream, limit);
    for chunks in [&[stream][..], &cuts, &single] {
        assert_eq!(cut_into_lines(chunks, limit), plain, "another cut");
    }
    let whole = strip(&[stream]);
    assert!(whole.0.len() + 2 * whole.1 <= stream.len(), "a mark costs");
    for chunks in [&cuts, &single] {
        assert_eq!(strip(chunks), whole, "another cut");
    }
}

fn cuts(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut rest, mut state) = (stream, u32::from(seed));
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (chunk, after) = rest.split_at((state >> 24) as usize % 7 % (rest.len() + 1));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// What the stream holds, by the words of the protocol alone.
fn read_plainly(stream: &[u8], limit: usize) -> Vec<Found> {
    let mut parts: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let unfinished = parts.pop().unwrap_or_default();
    let strip = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let judge = |line: &[u8]| {
        let line = strip(line);
        if line.len() > limit {
            Err(())
        } else {
            Ok(line)
        }
    };
    let mut found: Vec<Found> = parts.into_iter().map(judge).collect();
    if strip(unfinished).len() > limit {
        found.push(Err(()));
    }
    found
}

fn cut_into_lines(chunks: &[&[u8]], limit: usize) -> Vec<Found> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        let mut calls = 0;
        loop {
            calls += 1;
            assert!(calls <= chunk.len() + 2, "more calls than bytes");
            match framer.next(&mut input, limit) {
                None => break,
                Some(Frame::Line(line)) => found.push(Ok(line.to_vec())),
                Some(Frame::TooLong { first }) => {
                    assert!(first, "one MiB was never discarded here");
                    found.push(Err(()));
                }
            }
        }
        assert!(input.is_empty(), "bytes were left behind");
        assert!(framer.held() <= limit + 1, "more than a line is held");
    }
    found
}

fn strip(chunks: &[&[u8]]) -> (Vec<u8>, usize) {
    let (mut telnet, mut text, mut marks) = (Telnet::default(), Vec::new(), 0);
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let (kept, seen) = telnet.strip(&mut chunk);
        text.extend_from_slice(kept);
        marks += seen;
    }
    (text, marks)
}
