//! Who hears, and what they can tell of it.

use hdrhistogram::Histogram;

use crate::stamp::{MARK, STAMP, Stamp};

/// A hearer that reads what it hears. The others only count bytes.
#[derive(Debug)]
pub struct Witness {
    tail: Vec<u8>,
    /// Bytes read since it came in.
    pub bytes: u64,
    /// Messages heard.
    pub messages: u64,
    /// The next number of each speaker.
    next: Vec<u32>,
    ledger: Option<Ledger>,
    /// What was wrong, first things first.
    pub wrong: Vec<String>,
}

/// What a session of chatd's full dialect has been told about its rooms: each number once, in
/// order, or covered by one gap.
#[derive(Debug, Default)]
struct Ledger {
    rooms: Vec<(Vec<u8>, u64)>,
    gapped: u64,
}

impl Witness {
    /// One that checks the order of each speaker; with `numbers` also the server's numbers.
    pub fn new(numbers: bool) -> Self {
        Self {
            tail: Vec::new(),
            bytes: 0,
            messages: 0,
            next: Vec::new(),
            ledger: numbers.then(Ledger::default),
            wrong: Vec::new(),
        }
    }

    /// Messages that a gap has named.
    pub fn gapped(&self) -> u64 {
        self.ledger.as_ref().map_or(0, |ledger| ledger.gapped)
    }

    /// Reads bytes as they came. `now` in nanoseconds since the load began; delays go to `delays`.
    /// Returns how many messages it was.
    pub fn hear(&mut self, bytes: &[u8], now: u64, delays: &mut Histogram<u64>) -> u64 {
        let before = self.messages;
        self.bytes += bytes.len() as u64;
        let mut buffer = std::mem::take(&mut self.tail);
        buffer.extend_from_slice(bytes);
        let used = if self.ledger.is_some() {
            self.lines(&buffer, now, delays)
        } else {
            self.stamps(&buffer, now, delays)
        };
        buffer.drain(..used);
        self.tail = buffer;
        self.messages - before
    }

    fn stamps(&mut self, buffer: &[u8], now: u64, delays: &mut Histogram<u64>) -> usize {
        let mut at = 0;
        while let Some(found) = memchr::memchr(MARK, &buffer[at..]) {
            at += found;
            if buffer.len() - at < STAMP {
                return at;
            }
            self.stamp(&buffer[at..], now, delays);
            at += STAMP;
        }
        buffer.len()
    }

    fn lines(&mut self, buffer: &[u8], now: u64, delays: &mut Histogram<u64>) -> usize {
        let mut at = 0;
        while let Some(len) = memchr::memchr(b'\n', &buffer[at..]) {
            let line = &buffer[at..at + len];
            at += len + 1;
            if let Some(ledger) = &mut self.ledger
                && let Err(wrong) = ledger.enter(line)
            {
                self.complain(wrong);
            }
            if let Some(mark) = memchr::memchr(MARK, line) {
                self.stamp(&line[mark..], now, delays);
            }
        }
        at
    }

    fn stamp(&mut self, bytes: &[u8], now: u64, delays: &mut Histogram<u64>) {
        let Some(stamp) = Stamp::read(bytes) else {
            return self.complain("a stamp was altered".to_owned());
        };
        self.messages += 1;
        // Longer than the histogram holds is held as its longest.
        delays.saturating_record(now.saturating_sub(stamp.due).max(1));
        let speaker = usize::from(stamp.speaker);
        if self.next.len() <= speaker {
            self.next.resize(speaker + 1, 0);
        }
        let next = self.next[speaker];
        if stamp.number < next {
            self.complain(format!(
                "{} of speaker {speaker} after {next}",
                stamp.number
            ));
        }
        self.next[speaker] = stamp.number + 1;
    }

    fn complain(&mut self, wrong: String) {
        if self.wrong.len() < 5 {
            self.wrong.push(wrong);
        }
    }
}

impl Ledger {
    fn enter(&mut self, line: &[u8]) -> Result<(), String> {
        let kind = text(line, b"\"type\":\"").unwrap_or_default();
        let (first, last) = match kind {
            b"message" => {
                let seq = number(line, b"\"seq\":").ok_or("a message without a number")?;
                (seq, seq)
            }
            b"gap" => {
                let ends = number(line, b"\"from\":").zip(number(line, b"\"to\":"));
                let (from, to) = ends.ok_or("a gap without its ends")?;
                self.gapped += to - from + 1;
                (from, to)
            }
            b"joined" => {
                let seq = number(line, b"\"seq\":").ok_or("joined without a number")?;
                let room = text(line, b"\"room\":\"").unwrap_or_default().to_vec();
                self.rooms.push((room, seq));
                return Ok(());
            }
            b"error" | b"bye" => return Err(String::from_utf8_lossy(line).into_owned()),
            _ => return Ok(()),
        };
        let room = text(line, b"\"room\":\"").unwrap_or_default();
        let known = self.rooms.iter_mut().find(|(name, _)| name == room);
        let (_, heard) = known.ok_or("a message of a room that was not joined")?;
        let expected = *heard + 1;
        *heard = last;
        if first == expected {
            Ok(())
        } else {
            Err(format!("number {first} where {expected} was due"))
        }
    }
}

/// The text after `key`, up to the next quote.
fn text<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let start = memchr::memmem::find(line, key)? + key.len();
    let len = memchr::memchr(b'"', &line[start..])?;
    Some(&line[start..start + len])
}

/// The number after `key`.
fn number(line: &[u8], key: &[u8]) -> Option<u64> {
    let start = memchr::memmem::find(line, key)? + key.len();
    let digits = line[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let mut digits = digits.peekable();
    digits.peek()?;
    Some(digits.fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}
