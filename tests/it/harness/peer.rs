//! One person with a raw socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::patience::within;

/// A small receive buffer, and yet larger than a segment of the loopback interface: below that the
/// kernel sends by its probe timer only, and whoever reads on is slow for no fault of the server.
pub(crate) const NARROW_BYTES: u32 = 64 * 1024;

/// A connection, line by line. Whatever it hears is whole lines with CRLF, or the play fails.
pub(crate) struct Peer {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    address: SocketAddr,
}

impl Peer {
    /// Connects and says nothing.
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(server))
            .await
            .unwrap();
        Self::over(stream)
    }

    /// Connects with little room for what is not read.
    pub(crate) async fn connect_narrow(server: SocketAddr) -> Self {
        Self::connect_with(server, NARROW_BYTES).await
    }

    /// Connects with so much room for what is not read.
    pub(crate) async fn connect_with(server: SocketAddr, receive_bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(receive_bytes).unwrap();
        Self::over(
            within("a connection", socket.connect(server))
                .await
                .unwrap(),
        )
    }

    /// Connects from this address of the machine's own.
    pub(crate) async fn connect_from(server: SocketAddr, source: &str) -> Self {
        let source: IpAddr = source.parse().unwrap();
        let socket = if source.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        };
        let socket = socket.unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        let connecting = within("a connection", socket.connect(server));
        Self::over(connecting.await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let address = stream.local_addr().unwrap();
        let (read, write) = stream.into_split();
        Self {
            read: BufReader::new(read),
            write,
            address,
        }
    }

    /// This end's address, as the operator sees it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says one line.
    pub(crate) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes()).await;
    }

    /// Says one object.
    pub(crate) async fn say_json(&mut self, object: Value) {
        self.say(&object.to_string()).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("the server reads", self.write.write_all(bytes))
            .await
            .unwrap();
    }

    /// Sends bytes to a server that may have closed by now.
    pub(crate) async fn send_if_open(&mut self, bytes: &[u8]) {
        let _ = within("the server reads", self.write.write_all(bytes)).await;
    }

    /// Sends what the server takes within `time`; how many bytes it was.
    pub(crate) async fn send_for(&mut self, bytes: &[u8], time: Duration) -> usize {
        let mut sent = 0;
        let _ = tokio::time::timeout(time, async {
            while sent < bytes.len() {
                match self.write.write(&bytes[sent..]).await {
                    Ok(written) => sent += written,
                    Err(_) => return,
                }
            }
        })
        .await;
        sent
    }

    /// The next line, without its CRLF.
    pub(crate) async fn line(&mut self) -> String {
        self.line_or_end().await.expect("a line, not the end")
    }

    /// The next line, or nothing at the end (a reset is an end too).
    pub(crate) async fn line_or_end(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match within("a line", self.read.read_until(b'\n', &mut line)).await {
            Ok(0) | Err(_) => {
                assert!(
                    line.is_empty(),
                    "a torn line: {:?}",
                    String::from_utf8_lossy(&line)
                );
                return None;
            }
            Ok(_) => {}
        }
        let line = String::from_utf8(line).expect("what the server says is UTF-8");
        Some(
            line.strip_suffix("\r\n")
                .unwrap_or_else(|| panic!("torn line {line:?}"))
                .to_owned(),
        )
    }

    /// The next line however long it takes: for a process that is stopped meanwhile.
    pub(crate) async fn line_with_any_patience(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.read.read_until(b'\n', &mut line).await {
            Ok(_) if line.ends_with(b"\r\n") => {
                Some(String::from_utf8(line).unwrap().trim_end().to_owned())
            }
            // The end, also in the middle of a line: the server may give up on who reads nothing.
            Ok(_) | Err(_) => None,
        }
    }

    /// Takes one byte of what has come, if anything has.
    pub(crate) fn takes_a_byte(&self) {
        let _ = self.read.get_ref().try_read(&mut [0]);
    }

    /// So many bytes that are no line.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        within("bytes", self.read.read_exact(&mut bytes))
            .await
            .unwrap();
        bytes
    }

    /// The next line is this one.
    pub(crate) async fn hears(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }

    /// The next lines are these.
    pub(crate) async fn hears_all(&mut self, lines: &[&str]) {
        for line in lines {
            self.hears(line).await;
        }
    }

    /// The next line as an object.
    pub(crate) async fn object(&mut self) -> Value {
        let line = self.line().await;
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    }

    /// The next line is an object of this `type`.
    pub(crate) async fn hears_type(&mut self, kind: &str) -> Value {
        let object = self.object().await;
        assert_eq!(object["type"], kind, "{object}");
        object
    }

    /// The next line is an error with this code.
    pub(crate) async fn hears_error(&mut self, code: &str) -> Value {
        let object = self.hears_type("error").await;
        assert_eq!(object["code"], code, "{object}");
        assert!(
            object["text"].as_str().is_some_and(|text| !text.is_empty()),
            "{object}"
        );
        object
    }

    /// The last line is a `bye` with this code, then the connection ends.
    pub(crate) async fn hears_bye(&mut self, code: &str) -> Value {
        let object = self.hears_type("bye").await;
        assert_eq!(object["code"], code, "{object}");
        assert!(object["reconnect"].is_boolean(), "{object}");
        self.ends().await;
        object
    }

    /// Everything up to and including the first object of this `type`.
    pub(crate) async fn hears_until(&mut self, kind: &str) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.object().await);
            if heard[heard.len() - 1]["type"] == kind {
                return heard;
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn hears_out(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(line) = self.line_or_end().await {
            heard.push(line);
        }
        heard
    }

    /// The connection ends here, with nothing more said.
    pub(crate) async fn ends(&mut self) {
        let more = self.line_or_end().await;
        assert_eq!(more, None, "the connection was to end");
    }

    /// Says nothing more, but goes on listening.
    pub(crate) async fn stop_talking(&mut self) {
        within("a half-close", self.write.shutdown()).await.unwrap();
    }

    /// Ends the connection the rude way.
    pub(crate) fn reset(self) {
        let stream = self.read.into_inner().reunite(self.write).unwrap();
        stream.set_zero_linger().unwrap();
    }
}
