//! What a person typed, as meant.

/// Messages that `/history` shows.
const PAST: u32 = 20;

/// One typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say it in the current room.
    Say(String),
    /// `/join ROOM`: enter a room, or make one that we are in the current one.
    Join(String),
    /// `/part [ROOM]`.
    Part(Option<String>),
    /// `/msg NICK TEXT`.
    Private {
        /// The recipient.
        to: String,
        /// The text.
        text: String,
    },
    /// `/nick NAME`.
    Nick(String),
    /// `/names [ROOM]`.
    Names(Option<String>),
    /// `/topic [TEXT]`, of the current room.
    Topic(Option<String>),
    /// `/history [N]`: the last messages of the current room.
    History(u32),
    /// `/rooms`.
    Rooms,
    /// `/help`.
    Help,
    /// `/quit [REASON]`.
    Quit(Option<String>),
}

impl Command {
    /// The words that begin a command, for completion and for `/help`.
    pub const WORDS: [&str; 10] = [
        "/help", "/history", "/join", "/msg", "/names", "/nick", "/part", "/quit", "/rooms",
        "/topic",
    ];

    /// Reads one line. `//x` says `/x`; a nick with a space in it stands in double quotes.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let Some(command) = line.strip_prefix('/') else {
            return Ok(Self::Say(line.to_owned()));
        };
        if command.starts_with('/') {
            return Ok(Self::Say(command.to_owned()));
        }
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        let rest = rest.trim();
        match word {
            "join" | "j" => needed(rest, "/join ROOM").map(Self::Join),
            "part" | "leave" => Ok(Self::Part(optional(rest))),
            "msg" | "query" => private(rest),
            "nick" => needed(unquoted(rest), "/nick NAME").map(Self::Nick),
            "names" | "who" => Ok(Self::Names(optional(rest))),
            "topic" => Ok(Self::Topic(optional(rest))),
            "history" => count(rest).map(Self::History),
            "rooms" | "list" => Ok(Self::Rooms),
            "help" | "?" => Ok(Self::Help),
            "quit" | "exit" | "q" => Ok(Self::Quit(optional(rest))),
            _ => Err(format!(
                "there is no command /{word}; /help lists them, //{word} says it"
            )),
        }
    }
}

fn needed(rest: &str, usage: &str) -> Result<String, String> {
    optional(rest).ok_or_else(|| format!("usage: {usage}"))
}

fn optional(rest: &str) -> Option<String> {
    (!rest.is_empty()).then(|| rest.to_owned())
}

fn count(rest: &str) -> Result<u32, String> {
    match optional(rest).map(|count| count.parse()) {
        None => Ok(PAST),
        Some(Ok(count)) if count > 0 => Ok(count),
        Some(_) => Err("usage: /history [N]".to_owned()),
    }
}

fn unquoted(name: &str) -> &str {
    name.strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .unwrap_or(name)
}

fn private(rest: &str) -> Result<Command, String> {
    let parts = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"'),
        None => rest.split_once(' '),
    };
    match parts.map(|(to, text)| (to, text.trim_start())) {
        Some((to, text)) if !to.is_empty() && !text.is_empty() => Ok(Command::Private {
            to: to.to_owned(),
            text: text.to_owned(),
        }),
        _ => Err("usage: /msg NICK TEXT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_person_types() {
        let some = |text: &str| Some(text.to_owned());
        for (line, command) in [
            ("hello /join", Command::Say("hello /join".into())),
            (" /quit", Command::Say(" /quit".into())),
            ("//etc/passwd", Command::Say("/etc/passwd".into())),
            ("/join dev", Command::Join("dev".into())),
            ("/part", Command::Part(None)),
            ("/part dev", Command::Part(some("dev"))),
            ("/msg bob hi  there", private_to("bob", "hi  there")),
            ("/msg \"bob b\" hi", private_to("bob b", "hi")),
            ("/nick \"bob b\"", Command::Nick("bob b".into())),
            ("/names", Command::Names(None)),
            ("/rooms", Command::Rooms),
            ("/topic", Command::Topic(None)),
            ("/topic tea at five", Command::Topic(some("tea at five"))),
            ("/history", Command::History(20)),
            ("/history 3", Command::History(3)),
            ("/quit so long", Command::Quit(some("so long"))),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, words) in [
            ("/jion dev", "no command /jion"),
            ("/", "no command /"),
            ("/join", "usage: /join ROOM"),
            ("/join   ", "usage: /join ROOM"),
            ("/msg bob", "usage: /msg"),
            ("/msg \"bob\"", "usage: /msg"),
            ("/msg \"bob hi", "usage: /msg"),
            ("/nick", "usage: /nick"),
            ("/history 0", "usage: /history"),
            ("/history all", "usage: /history"),
        ] {
            let fault = Command::parse(line).unwrap_err();
            assert!(fault.contains(words), "{line}: {fault}");
        }
    }

    #[test]
    fn every_listed_word_is_a_command() {
        for word in Command::WORDS {
            let fault = Command::parse(word).err().unwrap_or_default();
            assert!(!fault.contains("there is no command"), "{word}");
        }
    }

    fn private_to(to: &str, text: &str) -> Command {
        Command::Private {
            to: to.into(),
            text: text.into(),
        }
    }
}
