//! What both kinds of recording client share: a socket that can stop being read.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::harness::{NARROW_BYTES, within};

/// A switch that stops a client's reading.
#[derive(Clone)]
pub(crate) struct Stall(watch::Sender<bool>);

impl Stall {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Stops reading.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Reads on.
    pub(crate) fn end(&self) {
        self.0.send_replace(false);
    }
}

/// The lines of one connection.
pub(crate) struct Lines {
    read: BufReader<OwnedReadHalf>,
    stall: watch::Receiver<bool>,
}

/// What reading brought.
pub(super) enum Read<'a> {
    /// A whole line, without its CRLF.
    Line(&'a str),
    /// Something that is no line.
    Garbled(String),
    /// The beginning of a line, and nothing more.
    Cut(String),
    /// Nothing more.
    End,
}

impl Lines {
    /// Connects with little room for what is not read.
    ///
    /// # Errors
    /// Nobody is there.
    pub(super) async fn connect(
        server: SocketAddr,
        stall: &Stall,
    ) -> io::Result<(Self, OwnedWriteHalf)> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
        let stream = within("a connection", socket.connect(server)).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let lines = Self {
            read: BufReader::new(read),
            stall: stall.0.subscribe(),
        };
        Ok((lines, write))
    }

    /// The next line, when reading is not stopped. `line` is scratch space.
    pub(super) async fn next<'a>(&mut self, line: &'a mut Vec<u8>) -> Read<'a> {
        line.clear();
        if self.stall.wait_for(|stalled| !stalled).await.is_err() {
            return Read::End;
        }
        match self.read.read_until(b'\n', line).await {
            Ok(0) => return Read::End,
            // A reset may cut a line: what the server wrote whole, the kernel then threw away.
            Err(_) => return Read::End,
            Ok(_) => {}
        }
        let whole = str::from_utf8(line)
            .ok()
            .and_then(|line| line.strip_suffix("\r\n"));
        match whole {
            Some(line) => Read::Line(line),
            None if !line.ends_with(b"\n") => Read::Cut(String::from_utf8_lossy(line).into_owned()),
            None => Read::Garbled(String::from_utf8_lossy(line).into_owned()),
        }
    }
}
