//! Lines to one socket: shared bytes, own words left out, nothing torn.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use super::Conn;
use super::seat::Output;
use super::slice::{Skip, Slice};
use crate::log::Encoded;
use crate::meter::COUNTS;

/// What a write came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) calls: u64,
    pub(super) messages: u64,
    pub(super) presence: u64,
    /// Messages left out because they are the session's own.
    pub(super) own: u64,
    /// Nothing is left.
    pub(super) done: bool,
}

impl Written {
    /// This, and what came after it.
    pub(super) fn and(self, rest: &Self) -> Self {
        Self {
            bytes: self.bytes + rest.bytes,
            calls: self.calls + rest.calls,
            messages: self.messages + rest.messages,
            presence: self.presence + rest.presence,
            own: self.own + rest.own,
            done: rest.done,
        }
    }

    /// Adds a write of the first `bytes` that came before.
    pub(super) fn add_start(&mut self, encoded: &Encoded, bytes: usize) {
        let (messages, presence) = encoded.count(0, bytes);
        self.calls += 1;
        self.bytes += bytes;
        self.messages += messages;
        self.presence += presence;
    }

    /// What a session still reads of a room that it has left: it was written off when it left.
    pub(super) fn after_leaving(self) -> Self {
        Self {
            messages: 0,
            own: 0,
            ..self
        }
    }
}

/// Writes the lines of `encoded` from the byte `at` on, but those of `skip`. Moves `at`.
///
/// # Errors
/// Those of the socket.
pub(super) fn write_lines(
    conn: &mut Conn,
    waker: &Waker,
    encoded: &Encoded,
    at: &mut usize,
    skip: Option<Skip>,
) -> io::Result<Written> {
    let mut cx = Context::from_waker(waker);
    let mut written = Written::default();
    loop {
        let (from, to) = segment(encoded, *at, skip);
        if from > *at {
            written.own += encoded.count(*at, from).0;
            *at = from;
        }
        if from == to {
            written.done = true;
            return Ok(written);
        }
        match conn.poll_write(&mut cx, &encoded.bytes[from..to]) {
            Poll::Pending => return Ok(written),
            Poll::Ready(count) => {
                let count = count?;
                if count == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                written.calls += 1;
                written.bytes += count;
                *at = from + count;
                if COUNTS {
                    let (messages, presence) = encoded.count(from, *at);
                    written.messages += messages;
                    written.presence += presence;
                }
            }
        }
    }
}

/// Writes the answers that wait, and with them, in one piece, the lines that follow.
///
/// Nothing of the lines goes out before all of the answers have.
///
/// # Errors
/// Those of the socket.
pub(super) fn write_answers(
    conn: &mut Conn,
    waker: &Waker,
    output: &mut Output,
    encoded: &Encoded,
    at: &mut usize,
    skip: Option<Skip>,
) -> io::Result<Written> {
    let (from, to) = segment(encoded, *at, skip);
    let waiting = output.waiting();
    let pieces = [
        IoSlice::new(&output.outbox[output.sent..]),
        IoSlice::new(&encoded.bytes[from..to]),
    ];
    let Poll::Ready(count) = conn.poll_write_vectored(&mut Context::from_waker(waker), &pieces)
    else {
        return Ok(Written::default());
    };
    let count = count?;
    if count == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut written = Written {
        bytes: count,
        calls: 1,
        ..Written::default()
    };
    output.sent += count.min(waiting);
    if count < waiting {
        return Ok(written);
    }
    output.clear();
    written.own = encoded.count(*at, from).0;
    *at = from + count - waiting;
    (written.messages, written.presence) = encoded.count(from, *at);
    let rest = write_lines(conn, waker, encoded, at, skip)?;
    Ok(written.and(&rest))
}

/// The next bytes to write from `at` on: as many lines as follow each other without one of `skip`.
fn segment(encoded: &Encoded, at: usize, skip: Option<Skip>) -> (usize, usize) {
    let Some(skip) = skip else {
        return (at, encoded.bytes.len());
    };
    let line = encoded
        .lines
        .partition_point(|line| (line.end as usize) <= at);
    let mut lines = encoded.lines[line..].iter();
    let mut from = at;
    let mut to = at;
    for line in lines.by_ref() {
        if !skip.skips(line) {
            to = line.end as usize;
            break;
        }
        from = line.end as usize;
        to = from;
    }
    for line in lines.take_while(|line| !skip.skips(line)) {
        to = line.end as usize;
    }
    (from, to)
}

/// Writes on with an unfinished slice.
///
/// # Errors
/// Those of the socket.
pub(super) fn write_slice(
    conn: &mut Conn,
    waker: &Waker,
    slice: &mut Slice,
) -> io::Result<Written> {
    write_lines(conn, waker, &slice.encoded, &mut slice.at, slice.skip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SessionId;
    use crate::log::Line;
    use crate::wire::Silence;

    #[test]
    fn own_lines_are_left_out_and_the_rest_is_written_in_stretches() {
        let (me, you) = (SessionId(1), SessionId(2));
        let mut encoded = Encoded::new(0, 4);
        for (n, author) in [me, you, you, me].into_iter().enumerate() {
            encoded.bytes.extend_from_slice(b"12345");
            let end = encoded.bytes.len() as u32;
            encoded.lines.push(Line {
                end,
                seq: Some(n as u64 + 1),
                author,
            });
        }
        let skip = |author, silence| Some(Skip { author, silence });
        let all = |author| skip(author, Silence::Everything);
        assert_eq!(segment(&encoded, 0, all(me)), (5, 15));
        assert_eq!(segment(&encoded, 7, all(me)), (7, 15));
        assert_eq!(segment(&encoded, 15, all(me)), (20, 20));
        assert_eq!(segment(&encoded, 0, all(you)), (0, 5));
        assert_eq!(segment(&encoded, 5, all(you)), (15, 20));
        assert_eq!(segment(&encoded, 3, None), (3, 20));
        assert_eq!(segment(&encoded, 0, skip(me, Silence::Presence)), (0, 20));
    }
}
