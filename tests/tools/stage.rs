//! The stage: a daemon in a folder of its own, programs whose output can be waited for.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// How long anything may take that should be there at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One of this package's programs.
pub(crate) fn own(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("CHATD_BIN_DIR") {
        return Path::new(&folder).join(name);
    }
    let built = match name {
        "chatd" => env!("CARGO_BIN_EXE_chatd"),
        "chatctl" => env!("CARGO_BIN_EXE_chatctl"),
        "chat-client" => env!("CARGO_BIN_EXE_chat-client"),
        other => panic!("this package has no program {other}"),
    };
    built.into()
}

/// What a program has written so far.
#[derive(Clone, Default)]
struct Transcript(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    ended: bool,
}

impl Transcript {
    fn follow(&self, mut source: impl Read + Send + 'static) {
        let transcript = self.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let read = source.read(&mut chunk).unwrap_or(0);
                let (written, changed) = &*transcript.0;
                let mut written = written.lock().unwrap();
                written.bytes.extend_from_slice(&chunk[..read]);
                written.ended |= read == 0;
                changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits until the text is as wanted; none if the program ended or the time ran out first.
    fn wait<T>(&self, patience: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (written, changed) = &*self.0;
        let find = |written: &Written| wanted(&String::from_utf8_lossy(&written.bytes));
        let (written, _) = changed
            .wait_timeout_while(written.lock().unwrap(), patience, |written| {
                !written.ended && find(written).is_none()
            })
            .unwrap();
        find(&written)
    }
}

/// A program with its hands on a pipe. Killed when it goes out of scope.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Transcript,
    told: Transcript,
}

impl Program {
    /// Starts it with both of its outputs being read.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (output, told) = (Transcript::default(), Transcript::default());
        output.follow(child.stdout.take().unwrap());
        told.follow(child.stderr.take().unwrap());
        Self {
            name,
            input: child.stdin.take(),
            child,
            output,
            told,
        }
    }

    /// Starts it on a terminal of its own.
    pub(crate) fn on_terminal(shell_command: &str) -> Self {
        let sized = format!("stty rows 40 cols 200; exec {shell_command}");
        Self::start(
            Command::new("script")
                .args(["-qefc", &sized, "/dev/null"])
                .env("TERM", "xterm"),
        )
    }

    /// What it has written so far.
    pub(crate) fn text(&self) -> String {
        self.output.text()
    }

    /// What it has complained about so far.
    pub(crate) fn told(&self) -> String {
        self.told.text()
    }

    /// Types, without a line end.
    pub(crate) fn types(&mut self, text: &str) {
        self.input
            .as_mut()
            .expect("its input is open")
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// Types a line.
    pub(crate) fn says(&mut self, line: &str) {
        self.types(&format!("{line}\n"));
    }

    /// Lets it read the end of its input.
    pub(crate) fn closes_its_input(&mut self) {
        self.input = None;
    }

    /// Waits until it has written this.
    pub(crate) fn hears(&self, wanted: &str) {
        self.hears_within(PATIENCE, wanted, |text| text.contains(wanted).then_some(()));
    }

    /// Waits until what it has written gives a value.
    pub(crate) fn hears_within<T>(
        &self,
        patience: Duration,
        what: impl Debug,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> T {
        self.output.wait(patience, wanted).unwrap_or_else(|| {
            let (text, told) = (self.output.text(), self.told.text());
            panic!(
                "{} did not write {what:?}, but:\n{text}\n--- and told:\n{told}",
                self.name
            )
        })
    }

    /// Waits until it ends by itself.
    pub(crate) fn ends_within(mut self, patience: Duration) -> ExitStatus {
        let (written, changed) = &*self.output.0;
        let waited = changed
            .wait_timeout_while(written.lock().unwrap(), patience, |written| !written.ended)
            .unwrap();
        assert!(waited.0.ended, "{} does not end", self.name);
        drop(waited);
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon on free ports, with everything it keeps in a folder that goes with it.
pub(crate) struct Daemon {
    pub(crate) chat: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// Where its history is.
    history: PathBuf,
    folder: TempDir,
    /// How many whoever looks after it may have.
    descriptors: Option<u32>,
    program: Program,
}

impl Daemon {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut command = Command::new(own("chatd"));
        command.args(arguments);
        Self::launch(command, None)
    }

    /// Starts it by a command that ends with its name, with these settings.
    pub(crate) fn start_by(mut command: Command, settings: &[&str]) -> Self {
        for setting in settings {
            command.args(["--set", setting]);
        }
        Self::launch(command, None)
    }

    /// The same where a process, and whoever looks after it, may have so many descriptors.
    pub(crate) fn within_descriptors(descriptors: u32) -> Self {
        let mut command = Command::new("bash");
        command.args([
            "-c",
            &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""),
        ]);
        command.arg(own("chatd"));
        Self::launch(command, Some(descriptors))
    }

    fn launch(mut command: Command, descriptors: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("chatd.toml");
        std::fs::write(&config, "").unwrap();
        command.arg("--config").arg(config);
        for address in [
            "server.listen=[\"127.0.0.1:0\"]",
            "admin.listen=127.0.0.1:0",
            "metrics.listen=127.0.0.1:0",
        ] {
            command.args(["--set", address]);
        }
        let program = Program::start(at_home(&mut command, folder.path()));
        let line = program.hears_within(PATIENCE, "its ready line", |text| {
            text.lines()
                .find(|line| line.contains(" ready: "))
                .map(str::to_owned)
        });
        let place = |name: &str| {
            let start = line
                .split_once(&format!(" {name}="))
                .expect("the address is named")
                .1;
            start.split_whitespace().next().unwrap()
        };
        let address = |name: &str| place(name).parse().unwrap();
        let (chat, admin, metrics) = (address("chat"), address("admin"), address("metrics"));
        let history = place("history").into();
        Self {
            chat,
            admin,
            metrics,
            history,
            folder,
            descriptors,
            program,
        }
    }

    /// Somebody with netcat, who is there under this nick when this returns.
    pub(crate) fn netcat(&self, nick: &str) -> Program {
        let port = self.chat.port().to_string();
        let mut person = Program::start(Command::new("nc").args(["127.0.0.1", &port]));
        person.says(&format!("/nick {nick}"));
        person.says("/names");
        person.hears(nick);
        person
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.child.id()
    }

    /// The file with the secret of the admin port.
    pub(crate) fn token_file(&self) -> String {
        let file = self.folder.path().join("admin.token");
        file.to_str().unwrap().to_owned()
    }

    /// The secret of the admin port.
    pub(crate) fn token(&self) -> String {
        let file = self.folder.path().join("admin.token");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Its configuration file; empty at first.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("chatd.toml")
    }

    /// A command typed on a terminal beside the daemon: it finds its folders, its programs, and in
    /// variables its configuration file, its history, and where its metrics and its chat are.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let limit = self.descriptors.map(|most| format!("ulimit -n {most}; "));
        let mut shell = Command::new("script");
        let sized = format!(
            "stty rows 40 cols 250; {}{script}",
            limit.unwrap_or_default()
        );
        shell.args(["-qefc", &sized, "/dev/null"]);
        let programs = own("chatd").parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .env("PATH", format!("{programs}:{path}"))
            .env("SHELL", "/bin/bash")
            .env("TERM", "xterm")
            .env("CONFIG", self.config())
            .env("HISTORY", &self.history)
            .env("CHATD_SERVER", self.chat.to_string())
            .env("METRICS", self.metrics.to_string());
        at_home(&mut shell, self.folder.path());
        shell
    }

    /// Runs `chatctl`, which has to succeed, and gives what it printed.
    pub(crate) fn chatctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(own("chatctl"));
        succeeds(at_home(&mut command, self.folder.path()).args(arguments))
    }
}

fn at_home<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .env("RUNTIME_DIRECTORY", folder)
        .env("STATE_DIRECTORY", folder)
}

/// Runs a command that has to succeed, and gives what it printed.
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output = ends(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command to its end.
pub(crate) fn ends(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
