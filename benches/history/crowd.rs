//! Many who come into one room at once: one thread, one epoll.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::RecvFlags;
use rustix::time::Timespec;

use crate::chatd::Chatd;

/// Connections that wait for an answer at the same time: more than the door's own line would only wait
/// in the kernel.
const COMING: usize = 512;
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What somebody who was away has missed.
pub(crate) struct Missed {
    epoch: String,
    head: u64,
    /// Bytes of the lines of the last messages, the newest first, summed.
    bytes: Vec<usize>,
}

/// Everybody who came.
pub(crate) struct Crowd {
    address: String,
    room: String,
    poll: OwnedFd,
    members: Vec<Member>,
    buffer: Vec<u8>,
}

struct Member {
    stream: TcpStream,
    /// What came before it was in the room; none from then on.
    answer: Option<Vec<u8>>,
    /// Bytes that it has still to hear.
    left: usize,
}

impl Missed {
    /// The last so many messages of the room.
    pub(crate) fn of(chatd: &Chatd, room: &str, head: u64, most: u64) -> Self {
        let (mut stream, joined) = chatd.joined(room, "looker");
        let epoch = word(&joined, "\"epoch\":\"").to_owned();
        let since = head - most;
        let again = format!(
            "{{\"type\":\"part\",\"room\":\"{room}\"}}\n\
             {{\"type\":\"join\",\"room\":\"{room}\",\"since\":{{\"epoch\":\"{epoch}\",\"seq\":{since}}}}}\n"
        );
        stream.write_all(again.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut lengths = Vec::new();
        while lengths.len() < most as usize {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line.starts_with("{\"type\":\"message\"") {
                lengths.push(line.len());
            }
        }
        let mut sum = 0;
        let bytes = lengths.iter().rev().map(|length| {
            sum += length;
            sum
        });
        Self {
            epoch,
            head,
            bytes: bytes.collect(),
        }
    }

    /// Where the n-th of a crowd left off, and what it has to hear: nobody begins where its neighbour does.
    fn of_the(&self, n: usize) -> (u64, usize) {
        let missed = self.bytes.len() - n * 37 % (self.bytes.len() / 2).max(1);
        (self.head - missed as u64, self.bytes[missed - 1])
    }
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new(address: &str, room: &str) -> Self {
        Self {
            address: address.to_owned(),
            room: room.to_owned(),
            poll: epoll::create(CreateFlags::CLOEXEC).unwrap(),
            members: Vec::new(),
            buffer: vec![0; 1 << 20],
        }
    }

    /// Lets so many in, and returns when each has heard what it missed.
    pub(crate) fn gather(&mut self, clients: usize, missed: Option<&Missed>) {
        let (mut coming, mut satisfied) = (0, 0);
        while satisfied < clients {
            while coming < COMING && self.members.len() < clients {
                self.connect(missed);
                coming += 1;
            }
            for at in self.wait() {
                let member = &mut self.members[at];
                let (was_coming, was_short) = (member.is_coming(), member.is_short());
                member.hear(&mut self.buffer);
                coming -= usize::from(was_coming && !member.is_coming());
                satisfied += usize::from(was_short && !member.is_short());
            }
        }
    }

    fn connect(&mut self, missed: Option<&Missed>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let (at, room) = (self.members.len(), &self.room);
        let (since, left) = match missed {
            None => (String::new(), 0),
            Some(missed) => {
                let ((seq, left), epoch) = (missed.of_the(at), &missed.epoch);
                let since = format!(",\"since\":{{\"epoch\":\"{epoch}\",\"seq\":{seq}}}");
                (since, left)
            }
        };
        let words = format!(
            "{{\"type\":\"hello\",\"version\":1,\"username\":\"crowd{at}\",\"caps\":[]}}\n\
             {{\"type\":\"join\",\"room\":\"{room}\"{since}}}\n"
        );
        stream.write_all(words.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let data = EventData::new_u64(at as u64);
        epoll::add(&self.poll, &stream, data, EventFlags::IN).unwrap();
        self.members.push(Member {
            stream,
            answer: Some(Vec::new()),
            left,
        });
    }

    /// Those who have something to hear.
    fn wait(&self) -> Vec<usize> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let patience = Timespec {
            tv_sec: PATIENCE.as_secs() as i64,
            tv_nsec: 0,
        };
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.poll, room, Some(&patience)) {
            Err(rustix::io::Errno::INTR) => return Vec::new(),
            other => assert_ne!(other.unwrap(), 0, "nobody hears anything"),
        }
        let at = events.iter().map(|event| event.data.u64() as usize);
        at.collect()
    }
}

impl Member {
    fn is_coming(&self) -> bool {
        self.answer.is_some()
    }

    fn is_short(&self) -> bool {
        self.is_coming() || self.left > 0
    }

    /// Reads once. What follows the `joined` is only counted.
    fn hear(&mut self, buffer: &mut [u8]) {
        let Some(answer) = &mut self.answer else {
            // TCP on Linux: the bytes are dropped in the kernel (tcp(7)).
            let dropped = rustix::net::recv(&self.stream, buffer, RecvFlags::TRUNC);
            return match dropped {
                Ok((_, count)) => {
                    assert_ne!(count, 0, "the server closed");
                    self.left = self.left.saturating_sub(count);
                }
                Err(error) => assert_eq!(error, rustix::io::Errno::WOULDBLOCK),
            };
        };
        match self.stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            other => answer.extend_from_slice(&buffer[..other.unwrap()]),
        }
        let Some(at) = memchr::memmem::find(answer, b"{\"type\":\"joined\"") else {
            let is_told = |word: &[u8]| memchr::memmem::find(answer, word).is_some();
            let is_refused = is_told(b"\"error\"") || is_told(b"\"bye\"");
            assert!(!is_refused, "{}", String::from_utf8_lossy(answer));
            return;
        };
        if let Some(end) = memchr::memchr(b'\n', &answer[at..]) {
            self.left = self.left.saturating_sub(answer.len() - (at + end + 1));
            self.answer = None;
        }
    }
}

/// What stands behind this mark, up to the next quote.
fn word<'a>(line: &'a str, mark: &str) -> &'a str {
    let (_, rest) = line.split_once(mark).expect("the mark is there");
    rest.split('"').next().unwrap_or_default()
}
