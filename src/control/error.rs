//! Why a verb was not carried out.

use std::fmt;

/// A sentence for the operator, by what it means for a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It makes no sense as it was said.
    Invalid(String),
    /// It fits nobody.
    NoMatch(String),
    /// It fits several, and nobody said that this is meant.
    Unconfirmed(String),
    /// Not in the phase that the daemon is in.
    State(String),
    /// It went wrong.
    Failed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::NoMatch(text)
            | Self::Unconfirmed(text)
            | Self::State(text)
            | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Refused {}
