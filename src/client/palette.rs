//! Colours: one for each nick, the same every time, readable on dark and on light.

/// Foregrounds of the 256-colour palette of middling brightness, far enough from each other.
const NICKS: [u8; 12] = [32, 35, 37, 64, 68, 98, 130, 133, 136, 161, 166, 172];

const RESET: &str = "\x1b[0m";

/// Whether to colour at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// `--no-color`, `NO_COLOR` and everything that is no terminal say no.
    pub colours: bool,
}

impl Palette {
    /// Somebody's name, in their colour. The text must be safe to show.
    pub fn nick(self, nick: &str) -> String {
        let colour = NICKS[(hash(nick) % NICKS.len() as u64) as usize];
        self.paint(&format!("38;5;{colour}"), nick)
    }

    /// What this program or the server says besides messages.
    pub fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What went wrong.
    pub fn wrong(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What is meant for the user alone.
    pub fn private(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, sequence: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{sequence}m{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}

/// FNV-1a over the lower case: `Bob` and `bob` are one person.
fn hash(nick: &str) -> u64 {
    let bytes = nick.bytes().map(|byte| byte.to_ascii_lowercase());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_nick_keeps_its_colour_and_not_all_have_the_same() {
        let palette = Palette { colours: true };
        assert_eq!(palette.nick("bob"), palette.nick("bob"));
        assert_eq!(
            palette.nick("bob").split('b').next(),
            palette.nick("Bob").split('B').next()
        );
        let colours: BTreeSet<_> = ('a'..='z')
            .map(|nick| hash(&nick.to_string()) % 12)
            .collect();
        assert!(colours.len() >= 8, "{colours:?}");
    }

    #[test]
    fn without_colours_there_is_no_escape_at_all() {
        let palette = Palette { colours: false };
        assert_eq!(
            palette.nick("bob") + &palette.quiet("a") + &palette.wrong("b"),
            "bobab"
        );
    }
}
