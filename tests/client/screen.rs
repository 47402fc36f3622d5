//! A real pseudo-terminal with a program on it, and what a person sees there.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rexpect::process::{PtyProcess, Signal};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;
use tokio::time::Instant;
use vt100::Callbacks;

const PATIENCE: Duration = Duration::from_secs(60);

/// Rows and columns.
pub(crate) type Size = (u16, u16);

/// A shell that says how the terminal is set, runs the program, and says so again.
const SHELL: &str = "
    trap : TERM INT HUP
    stty rows $1 cols $2
    shift 2
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
    size: Size,
    /// Where the program keeps what it keeps.
    pub(crate) home: Arc<TempDir>,
}

impl Screen {
    /// `chat-client ADDRESS alice MORE...` on a terminal of 80 by 24.
    pub(crate) fn open(server: SocketAddr, more: &[&str]) -> Self {
        Self::open_at_home(server, more, Arc::new(tempfile::tempdir().unwrap()))
    }

    /// The same in a home that was used before.
    pub(crate) fn open_at_home(server: SocketAddr, more: &[&str], home: Arc<TempDir>) -> Self {
        let mut arguments = vec![server.to_string(), "alice".to_owned()];
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        let client = Path::new(env!("CARGO_BIN_EXE_chat-client"));
        Self::run(client, &arguments, home, (24, 80))
    }

    /// Runs a program on a terminal of this size.
    pub(crate) fn run(
        program: &Path,
        arguments: &[String],
        home: Arc<TempDir>,
        size: Size,
    ) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh", &size.0.to_string(), &size.1.to_string()]);
        command.arg(program).args(arguments);
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
            size,
            home,
        }
    }

    /// The window has another size from now on.
    #[allow(dead_code, reason = "nothing here minds; `chatctl top` does")]
    pub(crate) fn resizes(&mut self, size: Size) {
        self.size = size;
        let window = Winsize {
            ws_row: size.0,
            ws_col: size.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.keys, window).unwrap();
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.types_bytes(keys.as_bytes());
    }

    pub(crate) fn types_bytes(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// The rows as they look now.
    pub(crate) fn rows(&self) -> Vec<String> {
        let (rows, columns) = self.size;
        let size = |size| NonZeroU16::new(size).unwrap();
        let mut parser = vt100::Parser::new(size(rows), size(columns), 0);
        parser.process(&self.bytes());
        parser
            .screen()
            .rows(0, columns)
            .map(|row| row.trim_end().to_owned())
            .collect()
    }

    /// Everything that was ever written to it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shown.0.lock().unwrap().bytes.clone()
    }

    /// The state that the terminal is in, and everything that it was asked for beside showing text.
    pub(crate) fn state(&self) -> (String, Vec<String>) {
        let (rows, columns) = self.size;
        let size = |size| NonZeroU16::new(size).unwrap();
        let (rows, columns) = (size(rows), size(columns));
        let mut parser = vt100::Parser::new_with_callbacks(rows, columns, 0, Asked::default());
        parser.process(&self.bytes());
        let state = parser.screen().state_formatted();
        (state, parser.callbacks().0.clone())
    }

    /// Waits until the screen looks so, and gives its rows.
    pub(crate) fn shows(&self, what: &str, looks_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let (shown, changed) = &*self.shown;
        let deadline = Instant::now() + PATIENCE;
        let mut state = shown.lock().unwrap();
        loop {
            let length = state.bytes.len();
            drop(state);
            let rows = self.rows();
            if looks_so(&rows) {
                return rows;
            }
            // Some screens never rest.
            assert!(
                Instant::now() < deadline,
                "never {what}:\n{}",
                rows.join("\n")
            );
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
        // A program may leave the cursor where it likes: what the shell says need not begin a line.
        let setting = |name| {
            let said = text.rsplit_once(name).map(|(_, rest)| rest);
            said.and_then(|rest| rest.split_whitespace().next())
                .unwrap_or_else(|| panic!("{name}: {text}"))
        };
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

/// What a terminal is asked for that is no text.
#[derive(Default)]
struct Asked(Vec<String>);

impl Callbacks for Asked {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("bell".to_owned());
    }

    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("flash".to_owned());
    }

    fn resize(&mut self, _: &mut vt100::Screen, _: (u16, u16)) {
        self.0.push("resize".to_owned());
    }

    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("icon".to_owned());
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("title".to_owned());
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.0.push("copy".to_owned());
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("paste".to_owned());
    }

    fn unhandled_char(&mut self, _: &mut vt100::Screen, c: char) {
        // The sign for what cannot be read is a text like any other.
        if c != char::REPLACEMENT_CHARACTER {
            self.0.push(format!("character {c:?}"));
        }
    }

    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.0.push(format!("control {byte:?}"));
    }

    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, byte: u8) {
        self.0.push(format!("escape {:?}", char::from(byte)));
    }

    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        c: char,
    ) {
        let is_private = first == Some(b'?');
        // The editor draws as one step where a terminal knows how to.
        if !(is_private && *parameters == [&[2026]] && matches!(c, 'h' | 'l')) {
            self.0.push(format!("CSI {first:?} {parameters:?} {c:?}"));
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.0.push("OSC".to_owned());
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
