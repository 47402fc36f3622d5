//! A real pseudo-terminal with chat-client on it, and what a person sees there.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rexpect::process::{PtyProcess, Signal};
use tempfile::TempDir;

use crate::server::PATIENCE;

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

/// A shell that says how the terminal is set, runs the client, and says so again.
const SHELL: &str = "
    trap : TERM INT HUP
    stty rows 24 cols 80
    echo pid=$$ before=$(stty -g)
    \"$@\"
    echo status=$? after=$(stty -g)
    read end
";

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    ended: bool,
}

pub(crate) struct Screen {
    process: PtyProcess,
    keys: File,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    pub(crate) home: Arc<TempDir>,
}

impl Screen {
    /// `chat-client ADDRESS alice MORE...` on a terminal of 80 by 24.
    pub(crate) fn open(server: SocketAddr, more: &[&str]) -> Self {
        Self::open_at_home(server, more, Arc::new(tempfile::tempdir().unwrap()))
    }

    /// The same in a home that was used before.
    pub(crate) fn open_at_home(server: SocketAddr, more: &[&str], home: Arc<TempDir>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh", env!("CARGO_BIN_EXE_chat-client")]);
        command.arg(server.to_string()).arg("alice").args(more);
        for name in [
            "CHATD_SERVER",
            "CHATD_USERNAME",
            "NO_COLOR",
            "XDG_STATE_HOME",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", home.path())
            .env("TERM", "xterm-256color");
        let process = PtyProcess::new(command).unwrap();
        let keys = process.get_file_handle().unwrap();
        let shown = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        watch(process.get_file_handle().unwrap(), Arc::clone(&shown));
        Self {
            process,
            keys,
            shown,
            home,
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.types_bytes(keys.as_bytes());
    }

    pub(crate) fn types_bytes(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// The rows as they look now.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
        parser.process(&self.bytes());
        parser
            .screen()
            .rows(0, COLUMNS.get())
            .map(|row| row.trim_end().to_owned())
            .collect()
    }

    /// Everything that was ever written to it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shown.0.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen looks so, and gives its rows.
    pub(crate) fn shows(&self, what: &str, looks_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let (shown, changed) = &*self.shown;
        let mut state = shown.lock().unwrap();
        loop {
            let length = state.bytes.len();
            drop(state);
            let rows = self.rows();
            if looks_so(&rows) {
                return rows;
            }
            state = shown.lock().unwrap();
            if state.bytes.len() == length {
                assert!(!state.ended, "ended before {what}:\n{}", rows.join("\n"));
                let waited = changed.wait_timeout(state, PATIENCE).unwrap();
                assert!(!waited.1.timed_out(), "never {what}:\n{}", rows.join("\n"));
                state = waited.0;
            }
        }
    }

    /// Waits for a row that is exactly this.
    pub(crate) fn shows_row(&self, row: &str) -> Vec<String> {
        self.shows(row, |rows| rows.iter().any(|shown| shown == row))
    }

    /// Waits until the last row with anything on it is exactly this.
    pub(crate) fn shows_last(&self, row: &str) -> Vec<String> {
        self.shows(row, |rows| {
            rows.iter()
                .rfind(|shown| !shown.is_empty())
                .is_some_and(|r| r == row)
        })
    }

    /// Waits for the client's end; its exit status. The terminal must be as it was before.
    pub(crate) fn ends(&self) -> i32 {
        let ended =
            |rows: &[String]| word(rows, "status=").is_some() && word(rows, "after=").is_some();
        self.shows("an exit status", ended);
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let setting = |name| word(&lines, name).unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(
            setting("after="),
            setting("before="),
            "the terminal is as it was"
        );
        setting("status=").parse().unwrap()
    }

    /// Sends a signal to everything on this terminal; the shell outlives it.
    pub(crate) fn is_told(&self, signal: &str) {
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let group = format!("-{}", word(&lines, "pid=").unwrap());
        let status = Command::new("kill")
            .args(["-s", signal, "--", &group])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The shell does not heed anything milder; the client goes with its terminal.
        drop(self.process.kill(Signal::SIGKILL));
    }
}

/// The value of `name` where a line begins with a word or has one that does.
fn word(lines: &[String], name: &str) -> Option<String> {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words
        .filter_map(|word| word.strip_prefix(name))
        .next_back()
        .map(str::to_owned)
}

fn watch(mut terminal: File, shown: Arc<(Mutex<Shown>, Condvar)>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            // A pseudo-terminal whose other side is closed fails to read instead of ending.
            let count = terminal.read(&mut buffer).unwrap_or(0);
            let mut state = shown.0.lock().unwrap();
            state.bytes.extend_from_slice(&buffer[..count]);
            state.ended = count == 0;
            shown.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}
