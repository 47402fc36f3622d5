//! Where the server is: what a person writes, as host and port.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Connection;

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 7687;
/// How long the resolver and all addresses together may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host (name or IP literal) and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
}

impl Server {
    /// The server where nothing is said: this machine.
    pub fn local() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
        }
    }

    /// Reads `HOST`, `HOST:PORT`, `::1`, `[::1]` or `[::1]:PORT`.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = split(text)?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(format!("{text:?} names no host"));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| format!("{port:?} is not a port: 1 to 65535"))?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Connects to the first of the host's addresses that answers.
    ///
    /// # Errors
    /// What the resolver or the last address said; [`io::ErrorKind::TimedOut`] after 10 s.
    pub async fn connect(&self) -> io::Result<Connection> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(PATIENCE, connecting).await.map_err(|_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer in {} s", PATIENCE.as_secs()),
            )
        })??;
        Connection::new(stream)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| format!("{text:?} lacks a ]"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("{rest:?} after the ] is no :PORT")),
        };
    }
    match text.matches(':').count() {
        1 => Ok(text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port)))),
        // No colon: a name. Two and more: an IPv6 address without brackets and without a port.
        _ => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_addresses_and_ports() {
        for (text, shown) in [
            ("localhost", "localhost:7687"),
            ("chat.example.org:99", "chat.example.org:99"),
            ("192.0.2.1", "192.0.2.1:7687"),
            ("::1", "[::1]:7687"),
            ("[::1]", "[::1]:7687"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, words) in [
            ("", "no host"),
            (":7687", "no host"),
            ("a b", "no host"),
            ("host:", "not a port"),
            ("host:0", "not a port"),
            ("host:65536", "not a port"),
            ("host:chat", "not a port"),
            ("[::1", "lacks a ]"),
            ("[::1]7687", "no :PORT"),
        ] {
            let fault = Server::parse(text).unwrap_err();
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }
}
