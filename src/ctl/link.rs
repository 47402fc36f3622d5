//! The connection to a daemon.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::At;
use super::trouble::Trouble;
use crate::places::Surroundings;
use crate::rpc::LONGEST_ANSWER;

/// How long a daemon may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

trait Stream: Read + Write + Send {
    /// How long a read waits; for ever if none is given.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

/// A daemon that can be asked.
pub(super) struct Link {
    stream: BufReader<Box<dyn Stream>>,
    /// Who is at the other end, for sentences.
    name: String,
    asked: u64,
    /// A line that has begun to come.
    begun: Vec<u8>,
}

/// What came on a connection that only listens.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// One object.
    Object(Value),
    /// Nothing, for as long as was waited.
    Silence,
    /// The end.
    End,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the daemon said instead of a result, or that it said nothing.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The error object of its answer.
    Error(Value),
    /// The connection ended.
    Ended(Trouble),
}

impl Unanswered {
    /// As an end of this program.
    pub(super) fn trouble(self, doing: &str) -> Trouble {
        match self {
            Self::Error(error) => Trouble::of_answer(&error, doing),
            Self::Ended(trouble) => trouble,
        }
    }
}

impl Link {
    /// Reaches the daemon that was named, or the first that is found.
    pub(super) fn open(at: &At, around: &Surroundings) -> Result<Self, Trouble> {
        match (&at.socket, &at.addr) {
            (Some(path), _) => Self::to_socket(path).map_err(|error| unreachable(path, &error)),
            (None, Some(address)) => Self::to_port(address, at.token_file.as_deref(), around),
            (None, None) => Self::find(around),
        }
    }

    fn to_socket(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self::new(Box::new(stream), path.display().to_string()))
    }

    /// Tries the places in their order; if none answers, what was closest to an answer is told.
    fn find(around: &Surroundings) -> Result<Self, Trouble> {
        let mut tried = Vec::new();
        for place in around.runtime() {
            let path = place.socket();
            match place.check().and_then(|()| Self::to_socket(&path)) {
                Ok(link) => return Ok(link),
                Err(error) => tried.push((path, error)),
            }
        }
        let telling = tried
            .iter()
            .find(|(_, error)| error.kind() == ErrorKind::PermissionDenied)
            .or_else(|| {
                tried
                    .iter()
                    .find(|(_, error)| error.kind() != ErrorKind::NotFound)
            });
        Err(match telling {
            Some((path, error)) => unreachable(path, error),
            None => Trouble::Unreachable(nowhere(&tried)),
        })
    }

    fn to_port(
        address: &str,
        token: Option<&Path>,
        around: &Surroundings,
    ) -> Result<Self, Trouble> {
        let stream = connect(address).map_err(|error| {
            Trouble::Unreachable(format!(
                "cannot reach chatd at {address}: {error}; is admin.listen set to it?"
            ))
        })?;
        let mut link = Self::new(Box::new(stream), address.to_owned());
        let token = read_token(token, around)?;
        link.ask("auth", json!({"token": token}))
            .map_err(|unanswered| unanswered.trouble("log in with the token"))?;
        Ok(link)
    }

    fn new(stream: Box<dyn Stream>, name: String) -> Self {
        Self {
            stream: BufReader::new(stream),
            name,
            asked: 0,
            begun: Vec::new(),
        }
    }

    /// One request, one answer. `doing` completes "cannot ...".
    pub(super) fn call(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
    ) -> Result<Value, Trouble> {
        self.ask(method, params)
            .map_err(|unanswered| unanswered.trouble(doing))
    }

    /// As [`Link::call`], with so much patience.
    pub(super) fn call_patiently(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
        patience: Duration,
    ) -> Result<Value, Trouble> {
        let failed = |error: io::Error| Trouble::Failed(format!("cannot {doing}: {error}"));
        self.stream
            .get_ref()
            .set_patience(Some(patience))
            .map_err(failed)?;
        let answer = self.call(method, params, doing);
        self.stream
            .get_ref()
            .set_patience(Some(ANSWER))
            .map_err(failed)?;
        answer
    }

    /// One request, one answer.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<Value, Unanswered> {
        self.asked += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        let line = format!("{request}\n");
        let sent = self.stream.get_mut().write_all(line.as_bytes());
        // It may have said why before it closed.
        let answer = self.hear().map_err(|error| match (error.kind(), sent) {
            (ErrorKind::UnexpectedEof, Err(error)) => error,
            _ => error,
        });
        let mut answer = answer.map_err(|error| Unanswered::Ended(self.broke_off(&error)))?;
        let is_ours = answer["id"] == self.asked || answer["id"].is_null();
        match (
            answer.get_mut("result").map(Value::take),
            answer.get_mut("error").map(Value::take),
        ) {
            (Some(result), None) if is_ours => Ok(result),
            (None, Some(error)) if is_ours => Err(Unanswered::Error(error)),
            _ => Err(Unanswered::Ended(Trouble::Failed(format!(
                "{} does not speak chatd's admin protocol",
                self.name
            )))),
        }
    }

    fn hear(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        (&mut self.stream)
            .take(LONGEST_ANSWER as u64 + 2)
            .read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&line).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// The next object after an answer that objects follow; waits at most this long, or for ever.
    pub(super) fn listen(&mut self, patience: Option<Duration>) -> Result<Heard, Trouble> {
        // No time at all would be for ever.
        let patience = patience.map(|patience| patience.max(Duration::from_millis(1)));
        let waited = self.stream.get_ref().set_patience(patience);
        let longest = LONGEST_ANSWER as u64 + 2;
        let read = waited.and_then(|()| {
            let left = longest.saturating_sub(self.begun.len() as u64);
            (&mut self.stream)
                .take(left)
                .read_until(b'\n', &mut self.begun)
        });
        match read {
            Ok(_) if self.begun.ends_with(b"\n") => {
                let line = std::mem::take(&mut self.begun);
                serde_json::from_slice(&line)
                    .map(Heard::Object)
                    .map_err(|error| self.broke_off(&io::Error::new(ErrorKind::InvalidData, error)))
            }
            Ok(_) => Ok(Heard::End),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Ok(Heard::Silence)
                }
                ErrorKind::ConnectionReset => Ok(Heard::End),
                _ => Err(self.broke_off(&error)),
            },
        }
    }

    /// Waits until the daemon closes the connection, at most this long. True if it did.
    pub(super) fn is_closed_within(&mut self, patience: Duration) -> bool {
        let waited = self.stream.get_ref().set_patience(Some(patience));
        let closed = waited.is_ok()
            && match self.stream.fill_buf() {
                Ok(bytes) => bytes.is_empty(),
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            };
        closed || self.stream.get_ref().set_patience(Some(ANSWER)).is_err()
    }

    fn broke_off(&self, error: &io::Error) -> Trouble {
        let name = &self.name;
        Trouble::Failed(match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                format!("chatd at {name} closed the connection before it had answered; see its log")
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!(
                    "chatd at {name} did not answer within {} s; see its log",
                    ANSWER.as_secs()
                )
            }
            _ => format!("the answer of chatd at {name} cannot be read: {error}"),
        })
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(ANSWER))?;
                stream.set_write_timeout(Some(ANSWER))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn read_token(file: Option<&Path>, around: &Surroundings) -> Result<String, Trouble> {
    let places = || around.state().iter().map(|place| place.token()).collect();
    let files: Vec<PathBuf> = file.map_or_else(places, |file| vec![file.to_owned()]);
    let mut last = None;
    for file in files {
        match fs::read_to_string(&file) {
            Ok(token) => return Ok(token.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound && last.is_some() => {}
            Err(error) => last = Some((file, error)),
        }
    }
    let Some((file, error)) = last else {
        return Err(Trouble::Failed(
            "there is no token file; name it with --token-file".to_owned(),
        ));
    };
    let sentence = format!(
        "cannot read the token in {}: {error}; name the file with --token-file",
        file.display()
    );
    Err(match error.kind() {
        ErrorKind::PermissionDenied => Trouble::Denied(sentence),
        _ => Trouble::Failed(sentence),
    })
}

fn unreachable(path: &Path, error: &io::Error) -> Trouble {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => Trouble::Unreachable(format!(
            "cannot reach chatd: there is no socket {path}; start chatd, or name its socket with --socket"
        )),
        ErrorKind::ConnectionRefused => Trouble::Unreachable(format!(
            "cannot reach chatd: nobody listens at {path}; start chatd"
        )),
        ErrorKind::PermissionDenied => Trouble::Denied(format!(
            "you may not talk to chatd at {path}: {error}; become a member of its group, or root"
        )),
        _ => Trouble::Unreachable(format!("cannot reach chatd at {path}: {error}")),
    }
}

fn nowhere(tried: &[(PathBuf, io::Error)]) -> String {
    let paths: Vec<_> = tried
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    format!(
        "cannot reach chatd: there is no socket {}; start chatd, or name its socket with --socket",
        paths.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    fn at(socket: PathBuf) -> At {
        At {
            socket: Some(socket),
            addr: None,
            token_file: None,
        }
    }

    fn open(socket: PathBuf) -> Result<Link, Trouble> {
        Link::open(&at(socket), &Surroundings::default())
    }

    /// A daemon that says this to the first request and closes.
    fn daemon_that_says(
        said: &'static str,
    ) -> (tempfile::TempDir, PathBuf, thread::JoinHandle<()>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            stream.read_line(&mut String::new()).unwrap();
            stream.get_mut().write_all(said.as_bytes()).unwrap();
        });
        (folder, path, daemon)
    }

    #[test]
    fn no_daemon_is_3_and_says_where_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let none = open(path.clone()).unwrap_err();
        assert_eq!(none.exit(), 3);
        assert!(
            none.to_string().contains("admin.sock; start chatd"),
            "{none}"
        );
        drop(UnixListener::bind(&path).unwrap());
        let stale = open(path).unwrap_err();
        assert_eq!(stale.exit(), 3);
        assert!(stale.to_string().contains("nobody listens"), "{stale}");
    }

    #[test]
    fn nothing_named_and_nothing_found_names_the_places() {
        let folder = tempfile::tempdir().unwrap();
        let around = Surroundings {
            runtime_directory: Some(folder.path().join("a").into()),
            ..Surroundings::default()
        };
        let named_nothing = At {
            socket: None,
            addr: None,
            token_file: None,
        };
        let trouble = Link::open(&named_nothing, &around).unwrap_err();
        assert!(trouble.exit() == 3 || trouble.exit() == 4, "{trouble}");
    }

    #[test]
    fn half_an_answer_none_and_nonsense_are_1() {
        for (said, hint) in [
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"resu",
                "closed the connection",
            ),
            ("", "closed the connection"),
            ("220 mail.example ESMTP\n", "cannot be read"),
            ("{}\n", "does not speak"),
            ("{\"id\":7,\"result\":1}\n", "does not speak"),
        ] {
            let (_folder, path, daemon) = daemon_that_says(said);
            let trouble = open(path)
                .unwrap()
                .call("status", json!({}), "see the status")
                .unwrap_err();
            assert_eq!(trouble.exit(), 1, "{said}");
            assert!(trouble.to_string().contains(hint), "{said}: {trouble}");
            daemon.join().unwrap();
        }
    }
}
