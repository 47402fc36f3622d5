//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// A place in a file: the line and the column, in characters, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

/// Where a value, or a fault, came from. Later ones win: they are in the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file; the path is as the user wrote it.
    File {
        /// The path of the file.
        path: PathBuf,
        /// Where in the file; `None` is the file as a whole.
        position: Option<Position>,
    },
    /// An environment variable, by name.
    Env(String),
    /// A `--set`, with what was written behind it.
    Flag(String),
    /// `chatctl set-config` or `set-log`, while the daemon runs; and until when.
    Runtime(Option<String>),
}

impl Origin {
    /// Whether somebody set it.
    pub fn is_explicit(&self) -> bool {
        *self != Self::Default
    }

    /// Which one wins: the higher.
    pub(super) fn precedence(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
            Self::Runtime(_) => 4,
        }
    }

    /// One line for a comment or a table: `default`, `chatd.toml:3:1`, `CHATD__LOG__LEVEL`, `--set`,
    /// `set-config until 2026-01-02T03:04:05Z`.
    pub fn label(&self) -> String {
        match self {
            Self::Flag(_) => "--set".to_owned(),
            other => other.to_string(),
        }
    }
}

/// As [`Origin::label`], but a flag is shown with what was written behind it. Never two lines.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, position } => {
                f.write_str(&printable(&path.to_string_lossy()))?;
                match position {
                    Some(Position { line, column }) => write!(f, ":{line}:{column}"),
                    None => Ok(()),
                }
            }
            Self::Env(variable) => f.write_str(&printable(variable)),
            Self::Runtime(None) => f.write_str("set-config"),
            Self::Runtime(Some(until)) => write!(f, "set-config until {until}"),
            Self::Flag(written) => write!(f, "--set {}", clip(&printable(written), 80)),
        }
    }
}

/// The text with each control character shown as U+FFFD, so that it stays on its line and does
/// nothing to a terminal. The number of characters does not change.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// At most so many characters of the text, with a sign where something was left out.
pub(super) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
