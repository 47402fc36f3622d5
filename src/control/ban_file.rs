//! The bans on disk: one JSON file in the state folder, replaced as a whole.
//!
//! What is written is synced under another name before it takes the place of what was there, and
//! the folder is synced after it: at any moment there is a whole file, the old one or the new one.
//! A file that is there and cannot be read keeps the daemon from starting: it would let everybody
//! in who was banned.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ban::{Ban, Whom};
use crate::limits::BAN_BYTES;
use crate::name::Nick;
use crate::places::{BANS, Surroundings};

/// The form that this version writes, and the only one that it reads.
const VERSION: u32 = 1;
/// Largest file that is read, in bytes: a million bans.
const LARGEST: u64 = 1_000_000 * BAN_BYTES as u64;

/// Where bans are kept.
#[derive(Clone, Debug)]
pub struct BanFile {
    path: PathBuf,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    bans: Vec<Row>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    by: String,
    since_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
}

impl BanFile {
    /// The file where state lives: the one that is there, else in the first folder that can be had.
    ///
    /// # Errors
    /// There is no folder for it.
    pub fn find(around: &Surroundings) -> io::Result<Self> {
        around.state_file(BANS).map(Self::at)
    }

    /// This file.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; nothing if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no such file; a sentence that names it and says what to do.
    pub fn load(&self) -> Result<Vec<Ban>, String> {
        let text = match self.read() {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.wrong(&error.to_string())),
        };
        let text: Text =
            serde_json::from_str(&text).map_err(|error| self.wrong(&error.to_string()))?;
        if text.version != VERSION {
            return Err(self.wrong(&format!(
                "it has version {} and this chatd reads {VERSION}",
                text.version
            )));
        }
        let rows = text.bans.into_iter().enumerate();
        rows.map(|(at, row)| {
            row.into_ban()
                .map_err(|why| self.wrong(&format!("ban {}: {why}", at + 1)))
        })
        .collect()
    }

    /// Puts these in place of what is there.
    ///
    /// # Errors
    /// It cannot be written; what was there is still there.
    pub fn save(&self, bans: &[Ban]) -> io::Result<()> {
        let text = Text {
            version: VERSION,
            bans: bans.iter().map(Row::of).collect(),
        };
        let mut text = serde_json::to_vec_pretty(&text)?;
        text.push(b'\n');
        let next = self.path.with_extension("json.new");
        // What an earlier life left half done.
        if let Err(error) = fs::remove_file(&next)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        let file = File::open(&self.path)?;
        file.take(LARGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is too large"));
        }
        Ok(text)
    }

    fn wrong(&self, why: &str) -> String {
        format!(
            "cannot read the bans in {}: {why}; mend the file, or move it away to start without bans",
            self.path.display()
        )
    }
}

impl Row {
    fn of(ban: &Ban) -> Self {
        let (nick, address) = match &ban.whom {
            Whom::Nick(nick) => (Some(nick.to_string()), None),
            Whom::Address(range) => (None, Some(range.to_string())),
        };
        Self {
            nick,
            address,
            reason: ban.reason.as_deref().map(str::to_owned),
            by: ban.by.to_string(),
            since_ms: ban.since_ms,
            until_ms: ban.until_ms,
        }
    }

    fn into_ban(self) -> Result<Ban, String> {
        let whom = match (self.nick, self.address) {
            (Some(nick), None) => {
                Whom::Nick(Nick::new(&nick).map_err(|why| format!("{nick:?}: {why}"))?)
            }
            (None, Some(range)) => Whom::Address(range.parse()?),
            _ => return Err("it needs a nick or an address, and not both".to_owned()),
        };
        Ok(Ban {
            whom,
            reason: self.reason.map(Into::into),
            by: self.by.into(),
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            refused: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file() -> (tempfile::TempDir, BanFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = BanFile::at(folder.path().join("bans.json"));
        (folder, file)
    }

    fn ban(whom: Whom) -> Ban {
        Ban {
            whom,
            reason: Some("two\nlines \u{1b}[2J".into()),
            by: "ann uid=1000".into(),
            since_ms: 1,
            until_ms: Some(2),
            refused: 0,
        }
    }

    #[test]
    fn what_was_saved_is_loaded_and_nobody_else_reads_it() {
        let (folder, file) = file();
        assert_eq!(file.load(), Ok(vec![]), "no file, no bans");
        let bans = [
            ban(Whom::Nick(Nick::new("mallory").unwrap())),
            ban(Whom::Address("2001:db8::/64".parse().unwrap())),
        ];
        file.save(&bans).unwrap();
        file.save(&bans[..1]).unwrap();
        file.save(&bans).unwrap();
        assert_eq!(file.load().unwrap(), bans);
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn what_an_earlier_life_left_half_done_is_no_hindrance() {
        let (folder, file) = file();
        fs::write(folder.path().join("bans.json.new"), "{\"version\"").unwrap();
        file.save(&[]).unwrap();
        assert_eq!(file.load(), Ok(vec![]));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named_and_not_taken_for_an_empty_one() {
        let (_folder, file) = file();
        for text in [
            "",
            "{",
            "[]",
            r#"{"version":2,"bans":[]}"#,
            r#"{"version":1,"bans":[{"by":"x","since_ms":1}]}"#,
            r#"{"version":1,"bans":[{"nick":"a","address":"::/0","by":"x","since_ms":1}]}"#,
            r#"{"version":1,"bans":[{"nick":"<>","by":"x","since_ms":1}]}"#,
            r#"{"version":1,"bans":[{"address":"here","by":"x","since_ms":1}]}"#,
            r#"{"version":1,"bans":[],"more":1}"#,
        ] {
            fs::write(file.path(), text).unwrap();
            let why = file.load().unwrap_err();
            assert!(why.contains("bans.json"), "{text}: {why}");
        }
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        file.load().unwrap_err();
        file.save(&[]).unwrap_err();
    }
}
