//! What every payload begins with: who sent it, as which of theirs, and when it was due.

/// Bytes of a stamp. It has the same form in every protocol, so that one reader finds it in all.
pub const STAMP: usize = 29;
/// Begins a stamp, and stands nowhere else in what the servers send.
pub const MARK: u8 = b'`';

/// The stamp of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since the load began: when it was due, not when it was written.
    pub due: u64,
    /// The speaker.
    pub speaker: u16,
    /// Counts the speaker's messages from 0.
    pub number: u32,
}

impl Stamp {
    /// Writes a payload of `len` bytes.
    pub fn write(self, len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(MARK);
        hex(self.due, 16, out);
        hex(u64::from(self.speaker), 4, out);
        hex(u64::from(self.number), 8, out);
        out.resize(start + len.max(STAMP), b'.');
    }

    /// Reads the stamp that `bytes` begin with.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? != MARK {
            return None;
        }
        Some(Self {
            due: number(bytes.get(1..17)?)?,
            speaker: number(bytes.get(17..21)?)?.try_into().ok()?,
            number: number(bytes.get(21..29)?)?.try_into().ok()?,
        })
    }
}

fn hex(value: u64, digits: u32, out: &mut Vec<u8>) {
    out.extend(
        (0..digits)
            .rev()
            .map(|digit| b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]),
    );
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value << 4 | u64::from((*digit as char).to_digit(16)?))
    })
}
