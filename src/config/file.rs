//! The configuration file as text: read with care, and asked where things are.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::fault::{Excerpt, Fault, Faults};
use super::origin::{Origin, Position};

/// The file that is read, if it is there, when the user names none.
pub const DEFAULT_FILE: &str = "/etc/chatd/chatd.toml";

/// The largest file that is read, in bytes: a hundred times what all keys with their comments need.
const LARGEST: u64 = 1024 * 1024;

/// The widest excerpt of a line, in characters.
const EXCERPT: usize = 100;

/// Some editors begin a file with it; it is no character of the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Which file is the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// None: built-in defaults.
    #[default]
    None,
    /// This one if it is there, else none. That it is there and cannot be read is a fault.
    IfThere(PathBuf),
    /// This one; that it is not there is a fault.
    Path(PathBuf),
    /// This text, under this name.
    Text(PathBuf, String),
}

impl ConfigFile {
    /// Reads it. Only regular files are opened, so that a FIFO or a device cannot hang the daemon.
    pub(super) fn read(&self) -> Result<Option<Document>, Faults> {
        match self {
            Self::None => Ok(None),
            Self::IfThere(path) if is_absent(path) => Ok(None),
            Self::IfThere(path) | Self::Path(path) => Document::read(path).map(Some),
            Self::Text(path, text) => Document::decode(path, text.clone().into_bytes()).map(Some),
        }
    }
}

fn is_absent(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// A file's text, with the way from a byte to its line and column.
pub(super) struct Document {
    path: PathBuf,
    pub(super) text: String,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl Document {
    fn read(path: &Path) -> Result<Self, Faults> {
        let refuse = |message: String| Faults::from(whole_file(path, message));
        let unreadable = |error: std::io::Error| refuse(format!("cannot be read: {error}"));
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(refuse("is a directory; name the file in it".to_owned()));
        }
        if !metadata.is_file() {
            return Err(refuse("is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        Self::decode(path, bytes)
    }

    fn decode(path: &Path, bytes: Vec<u8>) -> Result<Self, Faults> {
        if bytes.len() as u64 > LARGEST {
            let message = "is larger than 1MiB; this is hardly a configuration".to_owned();
            return Err(whole_file(path, message).into());
        }
        String::from_utf8(bytes)
            .map(|text| Self::new(path, text))
            .map_err(|error| {
                let good = error.utf8_error().valid_up_to();
                let readable = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let document = Self::new(path, readable);
                document
                    .fault(None, &(good..good + 1), "is not UTF-8".to_owned())
                    .into()
            })
    }

    fn new(path: &Path, mut text: String) -> Self {
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect();
        Self {
            path: path.to_owned(),
            text,
            lines,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The place of a byte, as an origin.
    pub(super) fn origin(&self, byte: usize) -> Origin {
        Origin::File {
            path: self.path.clone(),
            position: Some(self.position(byte)),
        }
    }

    /// A fault about this stretch of the text.
    pub(super) fn fault(&self, key: Option<&str>, span: &Range<usize>, message: String) -> Fault {
        Fault {
            origin: self.origin(span.start),
            key: key.map(str::to_owned),
            message,
            excerpt: Some(self.excerpt(span)),
        }
    }

    fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.lines.partition_point(|&start| start <= byte);
        let before = &self.text[self.lines[line - 1]..byte];
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let Position {
            line: number,
            column,
        } = self.position(span.start);
        let line = self.line(number);
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        let marked = self.text[start..end]
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        let skipped = (column - 1).saturating_sub(EXCERPT * 3 / 4);
        let shown: String = line.chars().skip(skipped).take(EXCERPT).collect();
        let indent = column - 1 - skipped;
        let width = marked
            .min(shown.chars().count().saturating_sub(indent))
            .max(1);
        Excerpt {
            number,
            line: shown,
            indent,
            width,
        }
    }

    fn line(&self, number: usize) -> &str {
        let start = self.lines[number - 1];
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\r', '\n'])
    }
}

fn whole_file(path: &Path, message: String) -> Fault {
    let origin = Origin::File {
        path: path.to_owned(),
        position: None,
    };
    Fault {
        origin,
        key: None,
        message,
        excerpt: None,
    }
}
