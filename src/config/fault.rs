//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;

use super::origin::{Origin, printable};

/// One thing that is wrong, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it was written.
    pub origin: Origin,
    /// The key that it is about, `section.key`; `None` is the source as a whole.
    pub key: Option<String>,
    /// What is wrong and what to write instead, on one line.
    pub message: String,
    /// The place in the file, to be shown.
    pub excerpt: Option<Excerpt>,
}

/// A line of the file and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The number of the line, from 1.
    pub number: usize,
    /// The line, or the part of it around the mark.
    pub line: String,
    /// How many characters of `line` come before the mark.
    pub indent: usize,
    /// How many characters are marked, at least 1.
    pub width: usize,
}

impl Fault {
    /// The whole fault on one line, for a log: `chatd.toml:12:8: limits.line: "16K" has no …`.
    pub fn headline(&self) -> String {
        let key = match (&self.origin, &self.key) {
            (Origin::File { .. } | Origin::Default, Some(key)) => format!("{}: ", printable(key)),
            _ => String::new(),
        };
        format!("{}: {key}{}", self.origin, printable(&self.message))
    }
}

/// The headline and, where there is one, the line of the file with a mark below.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.to_string();
        writeln!(f, " {number} | {}", printable_line(&self.line))?;
        write!(f, " {:gutter$} | ", "", gutter = number.len())?;
        for c in self.line.chars().take(self.indent) {
            f.write_str(if c == '\t' { "\t" } else { " " })?;
        }
        f.write_str(&"^".repeat(self.width))
    }
}

/// As [`printable`], but tabs stay: the mark's line repeats them, so that it stands right.
fn printable_line(line: &str) -> String {
    line.split('\t')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\t")
}

impl std::error::Error for Fault {}

/// Everything that is wrong, in the order of the file, then environment, then flags. Never empty
/// when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
}

impl Faults {
    /// So many are kept; the rest is only counted. Nobody reads more, and a file of a MiB could
    /// hold hundreds of thousands.
    pub const KEPT: usize = 100;

    /// The faults that were kept, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// How many there are, those not kept included.
    pub fn len(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds the fault, which is only made if there is room for it.
    pub(super) fn add(&mut self, fault: impl FnOnce() -> Fault) {
        if self.list.len() < Self::KEPT {
            self.list.push(fault());
        } else {
            self.left_out += 1;
        }
    }

    /// Into the order of reading.
    pub(super) fn sort(&mut self) {
        self.list.sort_by(|a, b| a.origin.cmp(&b.origin));
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self {
            list: vec![fault],
            left_out: 0,
        }
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{fault}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\nand {more} more faults"),
        }
    }
}

impl std::error::Error for Faults {}
