//! Records as files: JSON lines in a folder, so that a run can be looked at and judged again.
//!
//! | file | what is in it |
//! |---|---|
//! | `run.jsonl` | one line: `durability`, `counters`, `least`, `lives` |
//! | `N-NAME.jsonl` | one client: a line `{"log":NAME,"dialect":"full"}`, then what happened to it |
//! | `witness.jsonl` | the late reader, as a client |
//! | `store.jsonl` | a [`Row`] on each line; no file where there is no store |
//!
//! What happened is an object with `t`, nanoseconds of one monotonic clock that all clients of a run
//! share (taken before a write and after a read), and `what`: the variants of [`Event`] in snake
//! case, with their fields. `{"t":81,"what":"ack","id":"a-1","room":"den","at":{"epoch":"x","seq":7}}`
//!
//! [`Event`]: super::Event

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::log::{Counters, Dialect, Durability, Entry, Least, Life, Log, Record, Row};
use super::rules::check;

#[derive(Serialize, Deserialize)]
struct Run {
    durability: Durability,
    counters: Option<Counters>,
    least: Least,
    lives: Vec<Life>,
}

#[derive(Serialize, Deserialize)]
struct Heading {
    log: String,
    dialect: Dialect,
}

const RUN: &str = "run.jsonl";
const WITNESS: &str = "witness.jsonl";
const STORE: &str = "store.jsonl";

/// Where the records of runs are kept until the next run of the same name.
const KEPT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/records");

impl Record {
    /// Where a run of this name keeps its record.
    pub(crate) fn folder(name: &str) -> PathBuf {
        Path::new(KEPT).join(name)
    }

    /// Holds the record against every rule; what is broken, a line each, and nothing if nothing is. A
    /// record that breaks a rule is written down to be looked at.
    pub(crate) fn judge(&self, name: &str) -> String {
        let broken = check(self);
        let mut stories: String = broken
            .iter()
            .map(|found| format!("{:?}: {}\n", found.rule, found.story))
            .collect();
        if !broken.is_empty() {
            let folder = Self::folder(name);
            let written = self.write(&folder);
            stories += &format!("recorded in {}: {written:?}\n", folder.display());
        }
        stories
    }

    /// Writes the record into a folder, in place of what was there.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let run = Run {
            durability: self.durability,
            counters: self.counters,
            least: self.least,
            lives: self.lives.clone(),
        };
        lines(&folder.join(RUN), [run])?;
        for (n, log) in self.clients.iter().enumerate() {
            write_log(&folder.join(format!("{n:04}-{}.jsonl", log.username)), log)?;
        }
        write_log(&folder.join(WITNESS), &self.witness)?;
        match &self.store {
            Some(rows) => lines(&folder.join(STORE), rows),
            None => Ok(()),
        }
    }

    /// Reads a record back.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let run: Run = parse(&folder.join(RUN))?.remove(0);
        let store = folder.join(STORE);
        let mut files: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files.sort();
        let is_client = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            !name.is_some_and(|name| [RUN, WITNESS, STORE].contains(&name))
        };
        let clients = files.iter().filter(|path| is_client(path));
        Ok(Self {
            durability: run.durability,
            counters: run.counters,
            least: run.least,
            lives: run.lives,
            clients: clients
                .map(|path| read_log(path))
                .collect::<io::Result<_>>()?,
            witness: read_log(&folder.join(WITNESS))?,
            store: store.exists().then(|| parse::<Row>(&store)).transpose()?,
        })
    }
}

fn write_log(path: &Path, log: &Log) -> io::Result<()> {
    let heading = Heading {
        log: log.username.clone(),
        dialect: log.dialect,
    };
    let mut file = BufWriter::new(File::create(path)?);
    line(&mut file, &heading)?;
    for entry in &log.entries {
        line(&mut file, entry)?;
    }
    file.flush()
}

fn read_log(path: &Path) -> io::Result<Log> {
    let mut lines = BufReader::new(File::open(path)?).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let Heading { log, dialect } = serde_json::from_str(&first)?;
    let entries = lines
        .map(|line| Ok(serde_json::from_str::<Entry>(&line?)?))
        .collect::<io::Result<_>>()?;
    Ok(Log {
        username: log,
        dialect,
        entries,
    })
}

fn lines<T: Serialize>(path: &Path, items: impl IntoIterator<Item = T>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for item in items {
        line(&mut file, &item)?;
    }
    file.flush()
}

fn line(file: &mut impl Write, item: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, item)?;
    file.write_all(b"\n")
}

fn parse<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let lines = BufReader::new(File::open(path)?).lines();
    let items: Vec<T> = lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<io::Result<_>>()?;
    if items.is_empty() && path.ends_with(RUN) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let record = golden::record(7);
        record.write(folder.path()).unwrap();
        let back = Record::read(folder.path()).unwrap();
        assert_eq!(back.clients, record.clients);
        assert_eq!(back.witness, record.witness);
        assert_eq!(
            (back.store, back.lives, back.counters),
            (record.store, record.lives, record.counters)
        );
        assert!(!back.clients.is_empty());
    }
}
