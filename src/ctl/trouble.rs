//! What can go wrong, as a sentence and an exit status.

use std::fmt;
use std::io;

use serde_json::Value;

use crate::escape::visible;
use crate::rpc::Code;

/// Why `chatctl` did not do what it was asked to.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 1: it failed.
    Failed(String),
    /// 2: the command line makes no sense.
    Usage(String),
    /// 3: no daemon could be reached.
    Unreachable(String),
    /// 4: denied.
    Denied(String),
    /// 5: nobody fits.
    NoMatch(String),
    /// 6: it took longer than was said.
    TimedOut(String),
    /// 7: not in the phase that the daemon is in.
    State(String),
    /// 0: whoever read the output has stopped reading.
    NobodyReads,
    /// A signal asked for the end; the process ends as that signal ends others.
    Signal(i32),
}

impl Trouble {
    /// The exit status.
    pub fn exit(&self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Denied(_) => 4,
            Self::NoMatch(_) => 5,
            Self::TimedOut(_) => 6,
            Self::State(_) => 7,
        }
    }

    /// What the daemon said instead of a result.
    pub(super) fn of_answer(error: &Value, doing: &str) -> Self {
        let message = error["message"]
            .as_str()
            .unwrap_or("the daemon gave no reason");
        let sentence = format!("cannot {doing}: {}", visible(message));
        let exit = error["code"]
            .as_i64()
            .and_then(Code::of)
            .map_or(1, Code::exit);
        match exit {
            2 => Self::Usage(sentence),
            4 => Self::Denied(sentence),
            5 => Self::NoMatch(sentence),
            7 => Self::State(sentence),
            _ => Self::Failed(sentence),
        }
    }

    /// Printing went wrong.
    pub(super) fn of_printing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("cannot print the answer: {error}")),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(sentence)
            | Self::Usage(sentence)
            | Self::Unreachable(sentence)
            | Self::Denied(sentence)
            | Self::NoMatch(sentence)
            | Self::TimedOut(sentence)
            | Self::State(sentence) => f.write_str(sentence),
            Self::NobodyReads | Self::Signal(_) => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_says_what_the_daemon_meant() {
        let exit = |code| {
            let error = serde_json::json!({"code": code, "message": "no\u{1b}"});
            Trouble::of_answer(&error, "kick").exit()
        };
        let codes = [-32001, -32002, -32003, -32004, -32005, -32602, -32603, 1];
        assert_eq!(codes.map(exit), [4, 5, 7, 1, 2, 2, 1, 1]);
    }
}
