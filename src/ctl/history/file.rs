//! An exported room as a file: JSON lines, with a first one that says what is in it and a last one
//! that proves that nothing is missing.
//!
//! ```text
//! {"chatd_export":1,"room":"den","epoch":"...","first":1,"last":2,"topic":null,"exported_at":"..."}
//! {"seq":1,"time":"...","username":"alice","message":"hi"}
//! {"seq":2,"time":"...","username":"bob","message":"hi","cid":"7"}
//! {"end":true,"messages":2,"sha256":"..."}
//! ```
//!
//! The sum is that of every byte before the last line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ctl::trouble::Trouble;

/// The version of the form.
const VERSION: u32 = 1;
/// The longest line that a message can have, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Heading {
    pub(super) chatd_export: u32,
    pub(super) room: String,
    pub(super) epoch: String,
    pub(super) first: u64,
    pub(super) last: u64,
    #[serde(default)]
    pub(super) topic: Value,
    #[serde(default)]
    pub(super) exported_at: String,
}

impl Heading {
    /// What is exported now.
    pub(super) fn new(room: &str, epoch: &str, first: u64, last: u64, topic: Value) -> Self {
        Self {
            chatd_export: VERSION,
            room: room.to_owned(),
            epoch: epoch.to_owned(),
            first,
            last,
            topic,
            exported_at: format!("{:.3}", jiff::Timestamp::now()),
        }
    }

    pub(super) fn messages(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

/// The last line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ending {
    end: bool,
    messages: u64,
    sha256: String,
}

/// The sum over lines.
#[derive(Default)]
pub(super) struct Sum {
    hasher: Sha256,
    messages: u64,
}

impl Sum {
    pub(super) fn heading(&mut self, line: &[u8]) {
        self.hasher.update(line);
    }

    pub(super) fn message(&mut self, line: &[u8]) {
        self.hasher.update(line);
        self.messages += 1;
    }

    fn ending(self) -> Ending {
        let digest = self.hasher.finalize();
        Ending {
            end: true,
            messages: self.messages,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The last line of a file whose other lines were these.
    pub(super) fn last_line(self) -> Vec<u8> {
        line(&self.ending())
    }
}

/// An object as a line.
pub(super) fn line(object: &impl Serialize) -> Vec<u8> {
    // Strings and numbers can always be written.
    let mut line = serde_json::to_vec(object).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A file that is read line by line.
pub(super) struct Lines {
    file: BufReader<File>,
    name: String,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        let name = path.display().to_string();
        let file = File::open(path)
            .map_err(|error| Trouble::Failed(format!("cannot read {name}: {error}")))?;
        Ok(Self {
            file: BufReader::new(file),
            name,
            number: 0,
            line: Vec::new(),
        })
    }

    /// The next line with its line end; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Trouble> {
        use std::io::Read;
        self.line.clear();
        self.number += 1;
        let read = (&mut self.file)
            .take(LONGEST)
            .read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) if self.line.ends_with(b"\n") => Ok(Some(&self.line)),
            Ok(_) => Err(self.wrong("it breaks off in the middle of a line")),
            Err(error) => Err(self.wrong(&error.to_string())),
        }
    }

    pub(super) fn wrong(&self, why: &str) -> Trouble {
        Trouble::Failed(format!("{}:{}: {why}", self.name, self.number))
    }
}

/// Reads a whole export through; its first line.
pub(super) fn check(path: &Path) -> Result<Heading, Trouble> {
    let mut lines = Lines::open(path)?;
    let mut sum = Sum::default();
    let heading = heading(&mut lines, &mut sum)?;
    for seq in heading.first..=heading.last {
        let Some(line) = lines.next()? else {
            return Err(lines.wrong("it ends too early: messages are missing"));
        };
        let found: Option<Value> = serde_json::from_slice(line).ok();
        sum.message(line);
        if found.is_none_or(|found| found["seq"] != seq) {
            return Err(lines.wrong(&format!("this is not message {seq}")));
        }
    }
    let Some(last) = lines.next()? else {
        return Err(lines.wrong("its last line is missing: the export did not come to its end"));
    };
    let ending: Option<Ending> = serde_json::from_slice(last).ok();
    let expected = sum.ending();
    let is_whole = ending.is_some_and(|found| {
        found.messages == expected.messages && found.sha256 == expected.sha256
    });
    if !is_whole {
        return Err(lines.wrong("the sum does not fit: the file was changed or is not whole"));
    }
    if lines.next()?.is_some() {
        return Err(lines.wrong("something follows the last line"));
    }
    Ok(heading)
}

/// Reads the first line.
pub(super) fn heading(lines: &mut Lines, sum: &mut Sum) -> Result<Heading, Trouble> {
    let first = lines.next()?;
    let heading: Option<Heading> = first.and_then(|line| {
        sum.heading(line);
        serde_json::from_slice(line).ok()
    });
    match heading {
        Some(heading) if heading.chatd_export == VERSION && heading.first > 0 => Ok(heading),
        Some(heading) if heading.chatd_export > VERSION => {
            Err(lines.wrong("a newer chatctl wrote this; import it with that one"))
        }
        _ => Err(lines.wrong("this is no export of a room")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn export(count: u64) -> Vec<Vec<u8>> {
        let mut sum = Sum::default();
        let first = line(&Heading::new("den", "e", 3, count + 2, Value::Null));
        sum.heading(&first);
        let mut lines = vec![first];
        for seq in 3..3 + count {
            let message = line(&json!({"seq": seq, "message": "hi"}));
            sum.message(&message);
            lines.push(message);
        }
        lines.push(sum.last_line());
        lines
    }

    fn verdict(lines: &[Vec<u8>]) -> Result<Heading, Trouble> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export");
        std::fs::write(&path, lines.concat()).unwrap();
        check(&path)
    }

    #[test]
    fn what_is_whole_is_whole_and_nothing_else_is() {
        for count in [0, 1, 5] {
            assert_eq!(verdict(&export(count)).unwrap().messages(), count);
        }
        let good = export(5);
        for gone in 0..good.len() {
            let mut lines = good.clone();
            lines.remove(gone);
            verdict(&lines).unwrap_err();
        }
        for at in 0..good.len() {
            let mut lines = good.clone();
            let middle = lines[at].len() / 2;
            lines[at][middle] ^= 1;
            verdict(&lines).unwrap_err();
        }
        let whole = good.concat();
        for end in 0..whole.len() {
            verdict(&[whole[..end].to_vec()]).unwrap_err();
        }
        let mut more = good.clone();
        more.push(b"{}\n".to_vec());
        verdict(&more).unwrap_err();
    }
}
