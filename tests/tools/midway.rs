//! Killed at each write and each sync of a start that makes a history, or brings an older one up to date:
//! strace sends the signal before the n-th call, for every n until the daemon is ready first.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::harness::{Config, Daemon, program};
use crate::on_stage;

/// Whatever changes a file.
const CALLS: [&str; 4] = ["pwrite64", "fdatasync", "fsync", "ftruncate"];
/// Messages in the older history.
const SAID: u64 = 20;
/// What a daemon of this version makes of it.
const NEWEST: u32 = 2;

/// A daemon that is not running, and what it finds when it starts.
struct Before {
    chat: Daemon,
    epoch: Option<String>,
    files: Vec<(OsString, Vec<u8>)>,
}

/// What is in a history.
#[derive(Debug)]
struct Found {
    version: u32,
    tables: Vec<String>,
    messages: u64,
    /// Something was written that no transaction has made valid.
    is_half_written: bool,
}

/// What became of all the kills.
#[derive(Debug, Default)]
struct Kills {
    left_the_old: usize,
    left_the_new: usize,
    in_the_middle: usize,
}

pub(crate) fn of_a_migration_is_the_old_or_the_new_and_the_next_start_has_everything() {
    on_stage(async {
        for before in [Before::older().await, Before::nothing().await] {
            let kills = before.killed_everywhere().await;
            println!("{kills:?}");
            assert!(
                kills.in_the_middle > 0 && kills.left_the_old > 0,
                "{kills:?}"
            );
            assert!(kills.left_the_new > 0, "{kills:?}");
        }
    });
}

impl Before {
    /// A history of the first version.
    async fn older() -> Self {
        let chat = Daemon::start(Config::roomy()).await;
        let mut alice = chat.full("alice").await;
        let epoch = alice.join("den").await["epoch"].as_str().map(str::to_owned);
        for n in 1..=SAID {
            alice.publish("den", &format!("line {n}")).await;
        }
        chat.signal(Signal::TERM);
        chat.exit().await;
        let file = Connection::open(chat.dir().join("history.db")).unwrap();
        // What the second version added.
        file.execute_batch("DROP TABLE imports; PRAGMA user_version = 1")
            .unwrap();
        drop(file);
        let files = files(chat.dir()).into_iter().map(|path| {
            let name = path.file_name().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        });
        Self {
            files: files.collect(),
            chat,
            epoch,
        }
    }

    /// No history at all.
    async fn nothing() -> Self {
        let chat = Daemon::start(Config::roomy()).await;
        chat.signal(Signal::TERM);
        chat.exit().await;
        Self {
            files: Vec::new(),
            chat,
            epoch: None,
        }
    }

    async fn killed_everywhere(mut self) -> Kills {
        let mut kills = Kills::default();
        for call in CALLS {
            for n in 1.. {
                self.is_put_back();
                if !self.is_killed_at(call, n) {
                    break;
                }
                let found = Found::in_folder(self.chat.dir());
                self.is_whole(&found);
                kills.left_the_old += usize::from(found.version < NEWEST);
                kills.left_the_new += usize::from(found.version == NEWEST);
                let is_middle = found.version < NEWEST && found.is_half_written;
                kills.in_the_middle += usize::from(is_middle);
                self.has_everything().await;
            }
        }
        kills
    }

    fn is_put_back(&self) {
        for path in files(self.chat.dir()) {
            fs::remove_file(path).unwrap();
        }
        for (name, bytes) in &self.files {
            fs::write(self.chat.dir().join(name), bytes).unwrap();
        }
    }

    /// Starts the daemon, and has it killed before this call. False if it is ready first.
    fn is_killed_at(&self, call: &str, n: usize) -> bool {
        let folder = self.chat.dir();
        let mut daemon = Command::new("strace")
            .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none"])
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:signal=KILL:when={n}")])
            .arg(program("chatd"))
            .arg("--config")
            .arg(self.chat.config_file())
            .env("STATE_DIRECTORY", folder)
            .env("RUNTIME_DIRECTORY", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().contains(" ready: "));
        // The process is the daemon; strace looks on from beside.
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        !is_ready
    }

    /// The old or the new, and nothing that it held is missing.
    fn is_whole(&self, found: &Found) {
        let tables: &[&str] = match found.version {
            0 => &[],
            1 => &["messages", "rooms", "store"],
            _ => &["imports", "messages", "rooms", "store"],
        };
        assert_eq!(found.tables, tables, "{found:?}");
        if self.epoch.is_some() {
            assert!(found.version > 0, "{found:?}");
            assert_eq!(found.messages, SAID, "{found:?}");
        }
    }

    /// The next start needs nobody's help.
    async fn has_everything(&mut self) {
        self.chat.start_again().await;
        let mut bob = self.chat.full("bob").await;
        if let Some(epoch) = &self.epoch {
            bob.join_since("den", epoch, 0).await;
            for n in 1..=SAID {
                let text = format!("line {n}");
                let message = bob.hears_message("den", "alice", &text).await;
                assert_eq!(message["seq"], n, "{message}");
            }
        } else {
            bob.join("den").await;
        }
        bob.publish("den", "and on").await;
        self.chat.signal(Signal::KILL);
        self.chat.exit().await;
        assert_eq!(Found::in_folder(self.chat.dir()).version, NEWEST);
    }
}

impl Found {
    /// Looks at a copy: whoever opens a history may change it.
    fn in_folder(folder: &Path) -> Self {
        let copy = tempfile::tempdir().unwrap();
        let log = folder.join("history.db-wal");
        for path in files(folder) {
            let name = path.file_name().unwrap();
            if !name.to_str().unwrap().ends_with("-shm") {
                fs::copy(&path, copy.path().join(name)).unwrap();
            }
        }
        let file = Connection::open(copy.path().join("history.db")).unwrap();
        let verdict: String = file
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
        let version = file
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        let mut query = file
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        let tables = query.query_map([], |row| row.get(0)).unwrap();
        let tables: Vec<String> = tables.map(Result::unwrap).collect();
        let messages = if tables.is_empty() {
            0
        } else {
            let sql = "SELECT count(*) FROM messages";
            file.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        // How much of the log is valid.
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let valid: i64 = file.query_row(sql, [], |row| row.get(1)).unwrap();
        let written = fs::metadata(log).map_or(0, |log| log.len());
        Self {
            version,
            tables,
            messages,
            is_half_written: written > HEADER + valid.max(0) as u64 * FRAME,
        }
    }
}

/// Of SQLite's write-ahead log; a frame has a header and a page.
const HEADER: u64 = 32;
const FRAME: u64 = 24 + 4096;

/// The files of the history in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_history = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("history.db")
    };
    paths.filter(is_history).collect()
}
