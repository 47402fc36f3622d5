//! Why a reload did nothing.

use std::fmt;

use serde::Serialize;

use crate::config::{Fault, Faults};

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Everything that is wrong.
    pub faults: Vec<FaultRow>,
    /// How many that is, those included that are not listed.
    pub total: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultRow {
    /// Where: `FILE:LINE:COLUMN`, a variable, a flag.
    pub place: String,
    /// The key that it is about.
    pub key: Option<String>,
    /// What is wrong and what to write instead.
    pub message: String,
    /// All of it, on one line.
    pub headline: String,
    /// All of it with the line of the file and a mark below; several lines.
    pub text: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self
            .faults
            .first()
            .map_or("no reason was given", |fault| &fault.headline);
        match self.total {
            0 | 1 => f.write_str(first),
            n => write!(f, "{first} (and {} more)", n - 1),
        }
    }
}

impl std::error::Error for Rejected {}

impl From<&Fault> for FaultRow {
    fn from(fault: &Fault) -> Self {
        Self {
            place: fault.origin.to_string(),
            key: fault.key.clone(),
            message: fault.message.clone(),
            headline: fault.headline(),
            text: fault.to_string(),
        }
    }
}

impl From<&Faults> for Rejected {
    fn from(faults: &Faults) -> Self {
        Self {
            faults: faults.iter().map(FaultRow::from).collect(),
            total: faults.len(),
        }
    }
}

impl Rejected {
    /// The file is well formed and does not fit this machine.
    pub(super) fn unfit(sentence: String) -> Self {
        let fault = FaultRow {
            place: String::new(),
            key: None,
            message: sentence.clone(),
            headline: sentence.clone(),
            text: sentence,
        };
        Self {
            faults: vec![fault],
            total: 1,
        }
    }
}
