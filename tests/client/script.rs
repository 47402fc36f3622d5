//! chat-client as a script runs it: bytes in, bytes out, an exit status.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::server::PATIENCE;

/// The program, with nothing from the environment of whoever runs the tests.
pub(crate) fn chat_client() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    for name in [
        "CHATD_SERVER",
        "CHATD_USERNAME",
        "NO_COLOR",
        "USER",
        "LOGNAME",
    ] {
        command.env_remove(name);
    }
    command
}

/// A running program.
pub(crate) struct Script {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Script {
    /// `chat-client ADDRESS NICK MORE...`
    pub(crate) fn talk(server: SocketAddr, more: &[&str]) -> Self {
        let mut command = chat_client();
        command.arg(server.to_string()).arg("alice").args(more);
        Self::start(command)
    }

    /// `chat-client send --server ADDRESS MORE...`
    pub(crate) fn send(server: SocketAddr, more: &[&str]) -> Self {
        let mut command = chat_client();
        command
            .args(["send", "--server", &server.to_string()])
            .args(more);
        Self::start(command)
    }

    pub(crate) fn start(mut command: Command) -> Self {
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            stderr,
        }
    }

    /// Writes to its standard input.
    pub(crate) fn types(&mut self, text: &str) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn ends_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end. Its standard input stays open unless the play has ended it.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = self.stdout.recv_timeout(PATIENCE);
        let stderr = self.stderr.recv_timeout(PATIENCE);
        if stdout.is_err() || stderr.is_err() {
            self.child.kill().unwrap();
        }
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout: stdout.unwrap(),
            stderr: stderr.unwrap(),
        }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (done, text) = sync_channel(1);
    thread::spawn(move || {
        let mut bytes = vec![];
        drop(pipe.read_to_end(&mut bytes));
        drop(done.send(String::from_utf8(bytes).expect("UTF-8")));
    });
    text
}
