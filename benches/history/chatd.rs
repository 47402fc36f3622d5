//! A daemon that keeps history, and one client of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running daemon; it ends with this.
pub(crate) struct Chatd {
    child: Child,
    pub(crate) address: String,
    /// From its start to the line that says that it serves.
    pub(crate) start: Duration,
}

impl Chatd {
    /// Starts one on the history in this folder.
    pub(crate) fn start(folder: &Path, durability: &str) -> Self {
        Self::start_with(folder, durability, &[])
    }

    /// The same with further settings.
    pub(crate) fn start_with(folder: &Path, durability: &str, settings: &[&str]) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        let begin = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
            .current_dir(folder)
            .env("STATE_DIRECTORY", folder)
            .args(["--set", "server.listen=[\"127.0.0.1:0\"]"])
            .args(["--set", "admin.listen="])
            .args(["--set", "metrics.listen="])
            .args(["--set", &format!("admin.socket={}", path("admin.sock"))])
            .args(["--set", &format!("history.path={}", path("history.db"))])
            .args(["--set", &format!("history.durability={durability}")])
            .args(["--set", "limits.message_rate=unlimited"])
            .args(["--set", "limits.request_rate=unlimited"])
            .args(["--set", "limits.unacked=100000"])
            .args(["--set", "limits.outbox=16MiB"])
            .args(settings.iter().flat_map(|setting| ["--set", *setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let start = begin.elapsed();
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("chat="));
        let address = address
            .unwrap_or_else(|| panic!("chatd said {line:?}"))
            .to_owned();
        Self {
            child,
            address,
            start,
        }
    }

    /// Somebody in this room.
    pub(crate) fn member(&self, room: &str) -> TcpStream {
        self.joined(room, "author").0
    }

    /// Somebody of this name in this room, and what it was told up to the `joined`.
    pub(crate) fn joined(&self, room: &str, name: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let hello =
            format!("{{\"type\":\"hello\",\"version\":1,\"username\":\"{name}\",\"caps\":[]}}");
        write!(
            stream,
            "{hello}\n{{\"type\":\"join\",\"room\":\"{room}\"}}\n"
        )
        .unwrap();
        let mut heard = Vec::new();
        let mut byte = [0];
        while !(heard.ends_with(b"\n") && memchr::memmem::find(&heard, b"\"joined\"").is_some()) {
            stream.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        (stream, String::from_utf8(heard).unwrap())
    }
}

impl Drop for Chatd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
