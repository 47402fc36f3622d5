//! One real `chatd` in a folder of its own, gone when the play ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::config::Config;
use super::patience::until;

/// A running daemon.
pub(crate) struct Daemon {
    child: Mutex<Child>,
    dir: TempDir,
    stderr: Transcript,
    ready: Ready,
}

/// What the daemon said about itself when it was ready.
#[derive(Clone, Debug)]
struct Ready {
    chat: SocketAddr,
    admin: SocketAddr,
    metrics: SocketAddr,
}

/// Everything that came out of one stream so far.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<String>>);

impl Daemon {
    /// Starts a daemon and waits until it says where it listens.
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_with(config, &[]).await
    }

    /// Starts a daemon with further environment variables.
    pub(crate) async fn start_with(config: Config, environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chatd.toml");
        fs::write(&file, config.text(dir.path())).unwrap();

        let mut command = Command::new(program("chatd"));
        command
            .arg("--config")
            .arg(&file)
            .env_remove("CHATD_FAULT")
            .current_dir(dir.path());
        command
            .env("STATE_DIRECTORY", dir.path())
            .env("RUNTIME_DIRECTORY", dir.path());
        if let Ok(fault) = std::env::var("CHATD_TEST_FAULT") {
            command.env("CHATD_FAULT", fault);
        }
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("chatd starts");

        let stdout = Transcript::of(child.stdout.take().unwrap());
        let stderr = Transcript::of(child.stderr.take().unwrap());
        let ready = until("chatd says that it is ready", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "chatd ended with {status} instead of starting:\n{}",
                    stderr.text()
                );
            }
            stdout.text().lines().find_map(Ready::parse)
        })
        .await;
        Self {
            child: Mutex::new(child),
            dir,
            stderr,
            ready,
        }
    }

    /// Where people talk.
    pub(crate) fn chat(&self) -> SocketAddr {
        self.ready.chat
    }

    /// Where the operator's TCP door is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.ready.admin
    }

    /// Where the scraper looks.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.ready.metrics
    }

    /// The operator's Unix socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    /// The operator's secret for TCP.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.dir.path().join("admin.token")
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("chatd.toml")
    }

    /// Writes another configuration in place of the first; addresses stay those of the first.
    pub(crate) fn rewrite_config(&self, config: &Config) {
        fs::write(self.config_file(), config.text(self.dir.path())).unwrap();
    }

    /// The folder that the daemon lives in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child.lock().unwrap())
    }

    /// Waits for the end of the process.
    pub(crate) async fn exit(&self) -> ExitStatus {
        until("chatd ends", async || {
            self.child.lock().unwrap().try_wait().unwrap()
        })
        .await
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Everything that the daemon logged.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a log line with all of `words` in it.
    pub(crate) async fn logs(&self, words: &[&str]) -> String {
        until(&format!("chatd logs {words:?}"), async || {
            let log = self.stderr();
            log.lines()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(str::to_owned)
        })
        .await
    }

    /// Resident memory in bytes, now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory in bytes that it ever had.
    pub(crate) fn peak_resident_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

impl Daemon {
    /// Rows of clients that have not heard everything, for the story of a failed play.
    fn who_is_behind(&self) -> String {
        let mut chatctl = Command::new(program("chatctl"));
        chatctl.arg("--socket").arg(self.admin_socket()).args([
            "--format",
            "ndjson",
            "list-clients",
        ]);
        let rows = chatctl
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let rows = rows.unwrap_or_default();
        let behind = rows.lines().filter(|row| !row.contains("\"lag_msgs\":0,"));
        behind.take(20).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let behind = if thread::panicking() {
            self.who_is_behind()
        } else {
            String::new()
        };
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        if thread::panicking() {
            let log = self.stderr.text();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!(
                "--- the daemon's last words, newest first ---\n{}\n--- who is behind ---\n{behind}",
                tail.join("\n")
            );
        }
    }
}

impl Ready {
    /// `chatd 0.1.0 ready: chat=127.0.0.1:41234 admin=127.0.0.1:41235 admin_socket=... metrics=127.0.0.1:41236`
    fn parse(line: &str) -> Option<Self> {
        let (_, places) = line.split_once(" ready: ")?;
        let place = |name: &str| {
            places
                .split(' ')
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            chat: place("chat")?.parse().ok()?,
            admin: place("admin")?.parse().ok()?,
            metrics: place("metrics")?.parse().ok()?,
        })
    }
}

impl Transcript {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let copy = transcript.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                copy.0
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        transcript
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// The program to play against: the one Cargo built, or a release build in `CHATD_BIN_DIR`.
pub(crate) fn program(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("CHATD_BIN_DIR") {
        return Path::new(&dir).join(name);
    }
    PathBuf::from(match name {
        "chatd" => env!("CARGO_BIN_EXE_chatd"),
        "chatctl" => env!("CARGO_BIN_EXE_chatctl"),
        "chat-client" => env!("CARGO_BIN_EXE_chat-client"),
        other => panic!("there is no program {other}"),
    })
}
