//! One real `chatd` in a folder of its own, gone when the play ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tempfile::TempDir;

use super::config::Config;
use super::patience::until;

/// A running daemon.
pub(crate) struct Daemon {
    child: Mutex<Child>,
    dir: TempDir,
    stderr: Transcript,
    ready: Ready,
    staging: Staging,
    /// It breaks a promise on purpose, and nothing is to be expected of its books.
    is_broken: bool,
}

/// One process.
struct Life {
    child: Child,
    stderr: Transcript,
    ready: Ready,
}

/// How a daemon is put on the stage, where that is not as usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staging {
    /// Further environment variables.
    environment: Vec<(String, String)>,
    /// What a shell does before it becomes the daemon (`ulimit -n 64`).
    prelude: String,
    /// Where its log goes instead of into the harness.
    log: Option<Arc<OwnedFd>>,
    /// Held for it as systemd does, over its lives.
    socket: Option<Arc<TcpListener>>,
}

impl Staging {
    /// With these environment variables.
    pub(crate) fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment.extend(variables.iter().map(owned));
        self
    }

    /// By a shell that does this first.
    pub(crate) fn after(mut self, prelude: &str) -> Self {
        prelude.clone_into(&mut self.prelude);
        self
    }

    /// With its log going there.
    pub(crate) fn logging_to(mut self, log: impl Into<OwnedFd>) -> Self {
        self.log = Some(Arc::new(log.into()));
        self
    }

    /// With its chat socket inherited: its standard input becomes the first inherited descriptor
    /// (sd_listen_fds(3)).
    pub(crate) fn inheriting(self, socket: TcpListener) -> Self {
        let mut staging = self
            .environment(&[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "chat")])
            .after("exec 3<&0 </dev/null; export LISTEN_PID=$$");
        staging.socket = Some(Arc::new(socket));
        staging
    }

    /// The program on the configuration in this folder.
    fn command(&self, dir: &Path) -> Command {
        let mut command = self.program();
        command
            .arg("--config")
            .arg(dir.join("chatd.toml"))
            .env_remove("CHATD_FAULT")
            .current_dir(dir);
        command
            .env("STATE_DIRECTORY", dir)
            .env("RUNTIME_DIRECTORY", dir);
        if let Ok(fault) = std::env::var("CHATD_TEST_FAULT") {
            command.env("CHATD_FAULT", fault);
        }
        let variables = self.environment.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
        command
            .stdin(self.stdin())
            .stdout(Stdio::piped())
            .stderr(match &self.log {
                Some(log) => log.try_clone().unwrap().into(),
                None => Stdio::piped(),
            });
        command
    }

    fn program(&self) -> Command {
        let program = program("chatd");
        if self.prelude.is_empty() {
            return Command::new(program);
        }
        let mut shell = Command::new("sh");
        let script = format!("{}\nexec \"$0\" \"$@\"", self.prelude);
        shell.args(["-euc", &script]).arg(program);
        shell
    }

    fn stdin(&self) -> Stdio {
        match &self.socket {
            None => Stdio::null(),
            Some(socket) => OwnedFd::from(socket.try_clone().unwrap()).into(),
        }
    }
}

/// What the daemon said about itself when it was ready.
#[derive(Clone, Debug)]
struct Ready {
    chat: SocketAddr,
    admin: SocketAddr,
    admin_socket: PathBuf,
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
        Self::start_staged(config, Staging::default().environment(environment)).await
    }

    /// Starts a daemon that inherits its chat socket, as from systemd.
    pub(crate) async fn start_on(config: Config, socket: TcpListener) -> Self {
        Self::start_staged(config, Staging::default().inheriting(socket)).await
    }

    /// Starts a daemon on a stage prepared for it.
    pub(crate) async fn start_staged(config: Config, staging: Staging) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("chatd.toml"), config.text(dir.path())).unwrap();
        let life = Life::begin(dir.path(), &staging).await;
        let variables = &staging.environment;
        Self {
            is_broken: variables.iter().any(|(name, _)| name == "CHATD_FAULT"),
            child: Mutex::new(life.child),
            stderr: life.stderr,
            ready: life.ready,
            staging,
            dir,
        }
    }

    /// Starts it once more after its end, in the same folder, on other ports. What the ended life
    /// logged.
    pub(crate) async fn start_again(&mut self) -> String {
        assert!(!self.is_running(), "it has to end before it starts again");
        let life = Life::begin(self.dir.path(), &self.staging).await;
        self.child = Mutex::new(life.child);
        self.ready = life.ready;
        std::mem::replace(&mut self.stderr, life.stderr).text()
    }

    /// Starts it once more in the same folder; it refuses, and says this.
    pub(crate) fn fails_to_start(&self) -> String {
        assert!(!self.is_running(), "it has to end before it starts again");
        let output = self.staging.command(self.dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "it must not start");
        String::from_utf8_lossy(&output.stderr).into_owned()
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
        self.ready.admin_socket.clone()
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
        // Whole, as an operator's editor does: a signal may make the daemon read it at any time.
        let new = self.dir.path().join("chatd.toml.new");
        fs::write(&new, config.text(self.dir.path())).unwrap();
        fs::rename(new, self.config_file()).unwrap();
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
        if !thread::panicking() && !self.is_broken {
            self.check_books();
        }
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

impl Life {
    /// Starts the program on the configuration in this folder, and waits until it is ready.
    async fn begin(dir: &Path, staging: &Staging) -> Self {
        let mut command = staging.command(dir);
        allow_many_descriptors();
        let mut child = command.spawn().expect("chatd starts");

        let stdout = Transcript::of(child.stdout.take().unwrap());
        let stderr = child.stderr.take().map(Transcript::of).unwrap_or_default();
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
            child,
            stderr,
            ready,
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
            admin_socket: place("admin_socket")?.into(),
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

/// Raises the soft limit of descriptors to the hard one, here and for the daemon that inherits it.
fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Whether the daemon's configuration has a key of this name.
pub(crate) fn knows_key(key: &str) -> bool {
    let printed = Command::new(program("chatd"))
        .arg("--print-default-config")
        .output()
        .unwrap();
    let keys = String::from_utf8(printed.stdout).unwrap();
    keys.lines().any(|line| {
        line.split('=')
            .next()
            .is_some_and(|name| name.trim() == key)
    })
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
