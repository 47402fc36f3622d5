//! One connection to a server: lines out, lines in.
//!
//! No retries, no state of the conversation, nothing shown: that is for those who use it. The
//! pieces that a loop with several branches needs ([`LineReader::next_line`] is cancel safe,
//! [`LineWriter`] writes what is buffered a piece at a time) are the same that
//! [`Connection::send`] and [`Connection::next`] use one after the other.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use super::wire::{Event, Hello, Labelled, Limits, Request, Welcome};

/// What a server's line may be longer than `limits.line`.
const LINE_SLACK: usize = 1024;
/// Longest line before `welcome` has told the limit.
const FIRST_LINE: usize = 64 * 1024;

/// A connection that speaks one line after the other. For tests, benches and bots.
///
/// ```no_run
/// use chatd::client::{Connection, wire::{Event, Hello, Request}};
///
/// # async fn example() -> std::io::Result<()> {
/// let mut alice = Connection::connect("127.0.0.1:7687").await?;
/// alice.hello(Hello { join: Some(true), ..Hello::named("alice") }).await?;
/// let hi = Request::Message { room: None, to: None, message: "hi".into(), cid: None };
/// alice.send(&hi).await?;
/// while let Some(event) = alice.next().await? {
///     if let Event::Ack(ack) = event {
///         println!("number {:?}", ack.seq);
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    reader: LineReader,
    writer: LineWriter,
}

impl Connection {
    /// Connects, to the first address that answers.
    ///
    /// # Errors
    /// What the resolver or the last tried address said.
    pub async fn connect(server: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new(TcpStream::connect(server).await?)
    }

    /// Takes a connected stream.
    ///
    /// # Errors
    /// If the socket cannot be told to send small writes at once.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Self {
            reader: LineReader::new(read),
            writer: LineWriter::new(write),
        })
    }

    /// The server's address.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.writer.half.peer_addr()
    }

    /// Says `hello` and waits for `welcome`; what comes before it is ignored, as the protocol wants.
    ///
    /// # Errors
    /// An `error` or `bye` instead is [`io::ErrorKind::ConnectionRefused`] with its code and text;
    /// the end of the connection is [`io::ErrorKind::UnexpectedEof`].
    pub async fn hello(&mut self, hello: Hello) -> io::Result<Welcome> {
        self.send(&Request::Hello(hello)).await?;
        loop {
            match self.next().await? {
                Some(Event::Welcome(welcome)) => {
                    self.reader.limit(&welcome.limits);
                    return Ok(welcome);
                }
                Some(Event::Error(error)) => return Err(refused(&error.code, &error.text)),
                Some(Event::Bye(bye)) => return Err(refused(&bye.code, &bye.text)),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Sends a request. Not cancel safe: half a line may have been written.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn send(&mut self, request: &Request) -> io::Result<()> {
        self.send_labelled(request, None).await
    }

    /// Sends a request whose answers carry `label` back. Not cancel safe.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn send_labelled(
        &mut self,
        request: &Request,
        label: Option<&str>,
    ) -> io::Result<()> {
        self.writer.push(&Labelled { request, label });
        self.writer.flush().await
    }

    /// Sends a line as it is, with a line end behind it. Not cancel safe.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn send_line(&mut self, line: &str) -> io::Result<()> {
        self.writer.push_raw(line);
        self.writer.flush().await
    }

    /// The next event; `None` when the server has closed. Cancel safe.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a line that is not an event or is longer than allowed;
    /// otherwise what the socket said.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        let Some(line) = self.reader.next_line().await? else {
            return Ok(None);
        };
        let event = Event::parse(&line).map_err(|fault| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{fault}: {line}"))
        })?;
        Ok(Some(event))
    }

    /// The next line as it is, without its line end; `None` when the server has closed. Cancel safe.
    ///
    /// # Errors
    /// As [`Connection::next`].
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        self.reader.next_line().await
    }

    /// Says that nothing more will be sent; the server answers to the end and closes.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.writer.half.shutdown().await
    }

    /// The two directions, for a loop that serves both at once.
    pub fn into_split(self) -> (LineReader, LineWriter) {
        (self.reader, self.writer)
    }
}

fn refused(code: &str, text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("{code}: {text}"))
}

/// The server's lines.
#[derive(Debug)]
pub struct LineReader {
    lines: FramedRead<OwnedReadHalf, LinesCodec>,
}

impl LineReader {
    fn new(half: OwnedReadHalf) -> Self {
        let codec = LinesCodec::new_with_max_length(FIRST_LINE);
        Self {
            lines: FramedRead::new(half, codec),
        }
    }

    /// Takes the longest line from the server's own limits.
    pub fn limit(&mut self, limits: &Limits) {
        let longest = limits.line.saturating_add(LINE_SLACK);
        *self.lines.decoder_mut() = LinesCodec::new_with_max_length(longest);
    }

    /// The next line without its line end; `None` when the server has closed. Cancel safe.
    ///
    /// A last line without a line end is given too: it was torn unless it happens to be whole.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a line that is too long or not UTF-8, after which the
    /// connection is of no use; otherwise what the socket said.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        match self.lines.next().await {
            None => Ok(None),
            Some(Ok(line)) => Ok(Some(line)),
            Some(Err(LinesCodecError::Io(fault))) => Err(fault),
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server sent a line longer than its own limit",
            )),
        }
    }
}

/// The lines to the server, buffered until the socket takes them.
///
/// The buffer has no limit of its own: whoever pushes looks at [`LineWriter::waiting`] first.
#[derive(Debug)]
pub struct LineWriter {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

impl LineWriter {
    fn new(half: OwnedWriteHalf) -> Self {
        Self {
            half,
            buffer: BytesMut::new(),
        }
    }

    /// Puts one line of JSON into the buffer.
    pub fn push(&mut self, line: &impl Serialize) {
        // Plain structs of strings and numbers: there is nothing that could fail to serialize.
        if let Ok(json) = serde_json::to_string(line) {
            self.push_raw(&json);
        }
    }

    /// Puts a line into the buffer as it is.
    pub fn push_raw(&mut self, line: &str) {
        self.buffer.extend_from_slice(line.as_bytes());
        self.buffer.extend_from_slice(b"\n");
    }

    /// Bytes that the socket has not taken yet.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Writes one piece of what waits. Cancel safe: what was written has left the buffer.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn write_some(&mut self) -> io::Result<()> {
        if self.buffer.has_remaining() && self.half.write_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.waiting() > 0 {
            self.write_some().await?;
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// What the socket said.
    pub async fn finish(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.half).poll_shutdown(cx)).await
    }
}
