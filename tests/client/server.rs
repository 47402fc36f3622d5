//! A server that says and hears exactly what the play says. It shares no code with chatd.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than anything here should take; a play that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Receiver<TcpStream>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepts, accepted) = sync_channel(8);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepts.send(stream.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { address, accepted }
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Peer {
        let stream = self.accepted.recv_timeout(PATIENCE).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer {
            lines: BufReader::new(stream.try_clone().unwrap()),
            stream,
        }
    }

    /// The next connection, greeted as `nick`; and its `hello`.
    pub(crate) fn greet(&self, nick: &str) -> (Peer, Value) {
        let mut peer = self.accept();
        let hello = peer.hears();
        assert_eq!(hello["type"], "hello", "{hello}");
        peer.says(welcome(nick));
        (peer, hello)
    }

    /// The next connection, greeted and in the lobby at number 0.
    pub(crate) fn in_lobby(&self, nick: &str) -> Peer {
        let (mut peer, hello) = self.greet(nick);
        assert_eq!(hello["join"], true, "{hello}");
        peer.says(joined("lobby", 0, &hello));
        peer
    }
}

pub(crate) fn welcome(nick: &str) -> Value {
    json!({
        "type": "welcome", "version": 1, "server": "fake", "username": nick, "caps": [],
        "resume": "a secret", "limits": {"line": 16384, "message": 4000, "unacked": 256},
        "ping_interval_ms": 60000,
    })
}

/// The answer to `asked`, which carries its label back.
pub(crate) fn joined(room: &str, seq: u64, asked: &Value) -> Value {
    json!({
        "type": "joined", "room": room, "epoch": "e1", "seq": seq, "first": 1,
        "members_total": 1, "label": asked["label"],
    })
}

pub(crate) fn said(seq: u64, nick: &str, text: &str) -> Value {
    json!({"type": "message", "room": "lobby", "seq": seq, "time": "", "username": nick, "message": text})
}

pub(crate) fn ack(message: &Value, seq: u64) -> Value {
    json!({
        "type": "ack", "cid": message["cid"], "room": "lobby", "epoch": "e1", "seq": seq,
        "time": "", "durability": "none",
    })
}

/// One connection, seen from the server.
pub(crate) struct Peer {
    lines: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Peer {
    pub(crate) fn says(&mut self, line: Value) {
        self.says_raw(&format!("{line}\r\n"));
    }

    pub(crate) fn says_raw(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    /// Says it if the client still listens.
    pub(crate) fn tries_to_say(&mut self, line: &Value) -> bool {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .is_ok()
    }

    pub(crate) fn hears_raw(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line in time");
        assert!(line.ends_with('\n'), "a torn line or the end: {line:?}");
        line
    }

    pub(crate) fn hears(&mut self) -> Value {
        let line = self.hears_raw();
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"))
    }

    /// The next line is a message; its text.
    pub(crate) fn hears_text(&mut self) -> (String, Value) {
        let line = self.hears();
        assert_eq!(line["type"], "message", "{line}");
        (line["message"].as_str().unwrap().to_owned(), line)
    }

    /// Hears a message and acknowledges it.
    pub(crate) fn acks(&mut self, seq: u64, text: &str) {
        let (heard, message) = self.hears_text();
        assert_eq!(heard, text);
        self.says(ack(&message, seq));
    }

    /// Nothing has been said for a moment.
    pub(crate) fn hears_nothing(&mut self) {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let heard = self.lines.fill_buf();
        let kind = heard.as_ref().map_err(|fault| fault.kind());
        let quiet = matches!(kind, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(quiet, "{heard:?}");
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// The client has closed, at least its sending side.
    pub(crate) fn hears_end(&mut self) {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the end in time");
        assert_eq!(line, "");
    }

    /// The client leaves, and the server lets it go.
    pub(crate) fn lets_go(mut self) {
        let quit = self.hears();
        assert_eq!(quit["type"], "quit", "{quit}");
        self.stream.shutdown(Shutdown::Both).unwrap();
    }
}
