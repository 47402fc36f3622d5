//! How the program ends: the five exit statuses of `chat-client`, decided in one place.

use std::process::ExitCode;

/// The exit status. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the user ended it, and everything was said.
    Done,
    /// 1: the server closed, the connection is lost for good, or something was not said.
    Lost,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: there is no connection to be had.
    NoConnection,
    /// 4: the server refused the nick, the room or the person.
    Refused,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Lost => 1,
            Self::Usage => 2,
            Self::NoConnection => 3,
            Self::Refused => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The end of a conversation: a status and, where it is not the user's own doing, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The exit status.
    pub exit: Exit,
    /// Why, for a person. May hold foreign text: to be escaped before it is shown.
    pub text: Option<String>,
}

impl Ending {
    /// The user ended it.
    pub const fn done() -> Self {
        Self {
            exit: Exit::Done,
            text: None,
        }
    }

    /// Something else did.
    pub fn because(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: Some(text.into()),
        }
    }
}
