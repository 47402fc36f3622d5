//! The telnet commands that a person's client mixes into the text (RFC 854).
//!
//! They are removed. `DO TIMING-MARK` is answered (RFC 860): telnet sends it on Ctrl-C and shows
//! nothing more until the answer comes.

const IAC: u8 = 255;
const DO: u8 = 253;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;
const TIMING_MARK: u8 = 6;

/// The answer to `DO TIMING-MARK`.
pub const WILL_TIMING_MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];

/// Where in a command a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telnet(State);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Command,
    Option(u8),
    Sub,
    SubCommand,
}

impl Telnet {
    /// Removes commands from `bytes` in place. Gives what is left, and how many timing marks to answer.
    pub fn strip<'a>(&mut self, bytes: &'a mut [u8]) -> (&'a mut [u8], usize) {
        if self.0 == State::Text && memchr::memchr(IAC, bytes).is_none() {
            return (bytes, 0);
        }
        let (mut kept, mut marks) = (0, 0);
        for at in 0..bytes.len() {
            let byte = bytes[at];
            self.0 = match (self.0, byte) {
                (State::Text, IAC) => State::Command,
                (State::Text, _) | (State::Command, IAC) => {
                    bytes[kept] = byte;
                    kept += 1;
                    State::Text
                }
                (State::Command, SB) => State::Sub,
                (State::Command, WILL..=254) => State::Option(byte),
                (State::Command, _) => State::Text,
                (State::Option(verb), option) => {
                    marks += usize::from(verb == DO && option == TIMING_MARK);
                    State::Text
                }
                (State::Sub, IAC) => State::SubCommand,
                (State::SubCommand, SE) => State::Text,
                (State::Sub | State::SubCommand, _) => State::Sub,
            };
        }
        (&mut bytes[..kept], marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_c_in_telnet_leaves_the_text_and_asks_for_a_mark() {
        let mut bytes = *b"he\xff\xf4\xff\xfd\x06llo\n";
        let (text, marks) = Telnet::default().strip(&mut bytes);
        assert_eq!((&*text, marks), (&b"hello\n"[..], 1));
    }

    #[test]
    fn a_command_may_be_cut_anywhere() {
        let stream = b"a\xff\xfa\x18\x00x\xff\xf0b\xff\xfb\x01c\xff\xfd\x06d";
        for cut in 0..=stream.len() {
            let (mut telnet, mut text, mut marks) = (Telnet::default(), Vec::new(), 0);
            for part in [&stream[..cut], &stream[cut..]] {
                let mut part = part.to_vec();
                let (kept, seen) = telnet.strip(&mut part);
                text.extend_from_slice(kept);
                marks += seen;
            }
            assert_eq!((text.as_slice(), marks), (&b"abcd"[..], 1), "cut at {cut}");
        }
    }
}
