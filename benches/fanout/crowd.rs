//! The connections of the load: one thread, one epoll.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::RecvFlags;
use rustix::time::Timespec;

use crate::hearer::Witness;
use crate::tongue::{Step, Tongue};

/// Connections that come in at the same time.
const COMING: usize = 64;
/// How long the crowd has to have heard nothing to be called quiet.
const QUIET: Duration = Duration::from_millis(200);
/// How long one waits for an answer that does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a connection hears.
#[derive(Debug)]
pub enum Ear {
    /// The kernel throws away what came, and says how much it was.
    Count(u64),
    /// Everything is read and understood.
    Witness(Box<Witness>),
    /// Nothing is read.
    Deaf(Box<Witness>),
}

impl Ear {
    /// Bytes heard.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Count(bytes) => *bytes,
            Self::Witness(witness) | Self::Deaf(witness) => witness.bytes,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Member {
    stream: TcpStream,
    /// How it is talked to.
    pub tongue: Tongue,
    /// Its number among all that ever came.
    pub id: usize,
    /// Its rooms; the first is the one that it speaks in.
    pub rooms: Vec<usize>,
    /// How it hears.
    pub ear: Ear,
    /// Whether it speaks in this load.
    pub speaks: bool,
    /// Messages that it has said.
    pub said: u32,
    out: Vec<u8>,
    steps: std::vec::IntoIter<Step>,
    until: &'static [u8],
    answer: Vec<u8>,
    lost: bool,
}

/// Who is to come.
#[derive(Debug)]
pub struct Guest {
    /// How it is talked to.
    pub tongue: Tongue,
    /// Its rooms.
    pub rooms: Vec<usize>,
    /// Where it speaks, if it hears no room.
    pub speaks_in: usize,
    /// How it hears.
    pub ear: Ear,
}

/// All connections to one server.
#[derive(Debug)]
pub struct Crowd {
    port: u16,
    poll: OwnedFd,
    /// By index, in the order in which they came.
    pub members: Vec<Member>,
    begin: Instant,
    buffer: Vec<u8>,
    /// From due to heard, in nanoseconds, of what witnesses heard.
    pub delays: Histogram<u64>,
    /// The same of the one whose index is `probe`.
    pub probe_delays: Histogram<u64>,
    /// Speaks alone in a room of its own.
    pub probe: Option<usize>,
    /// Connections that the server ended.
    pub lost: usize,
    /// What was heard since `tallies` was last emptied.
    pub tallies: Vec<Tally>,
    heard_at: Instant,
}

/// What all members of one protocol have heard.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The protocol.
    pub tongue: Tongue,
    /// Bytes that were only counted.
    pub counted: u64,
    /// Messages that witnesses have heard.
    pub messages: u64,
    /// Those of them heard by who does not speak, so that nothing else came between, and their bytes.
    pub lines: (u64, u64),
}

impl Tally {
    /// Mean length of a line; a guess before the first.
    pub fn line_len(&self) -> f64 {
        match self.lines {
            (0, _) => 200.0,
            (lines, bytes) => bytes as f64 / lines as f64,
        }
    }

    /// Messages, counted bytes included.
    pub fn heard(&self) -> f64 {
        self.messages as f64 + self.counted as f64 / self.line_len()
    }

    /// The same without those who speak: some protocols do not give them their own.
    pub fn heard_by_hearers(&self) -> f64 {
        self.lines.0 as f64 + self.counted as f64 / self.line_len()
    }
}

/// An empty histogram of nanoseconds up to a minute, in three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// No epoll.
    pub fn new(port: u16) -> io::Result<Self> {
        Ok(Self {
            port,
            poll: epoll::create(CreateFlags::CLOEXEC)?,
            members: Vec::new(),
            begin: Instant::now(),
            buffer: vec![0; 1 << 20],
            delays: histogram(),
            probe_delays: histogram(),
            probe: None,
            lost: 0,
            tallies: Vec::new(),
            heard_at: Instant::now(),
        })
    }

    /// Nanoseconds since the crowd began.
    pub fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// Lets them in, some at a time, and waits until the server has confirmed each.
    ///
    /// # Errors
    /// One could not connect, or got no answer for a minute.
    pub fn gather(&mut self, guests: impl IntoIterator<Item = Guest>) -> io::Result<()> {
        let mut guests = guests.into_iter().peekable();
        let mut coming = 0;
        let mut last = Instant::now();
        loop {
            while coming < COMING && guests.peek().is_some() {
                let Some(guest) = guests.next() else { break };
                coming += usize::from(self.connect(guest)?);
            }
            if coming == 0 && guests.peek().is_none() {
                return Ok(());
            }
            let before = coming;
            coming -= self.turn(Some(Duration::from_millis(100)))?;
            if coming < before {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                let waits = self.members.iter().find(|member| !member.until.is_empty());
                return Err(io::Error::other(format!(
                    "no answer while coming in; last heard {:?}",
                    waits.map(|member| String::from_utf8_lossy(&member.answer).into_owned()),
                )));
            }
        }
    }

    /// True if it has to wait for an answer.
    fn connect(&mut self, guest: Guest) -> io::Result<bool> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let at = self.members.len();
        let steps = guest.tongue.come_in(at, &guest.rooms).into_iter();
        let rooms = if guest.rooms.is_empty() {
            vec![guest.speaks_in]
        } else {
            guest.rooms
        };
        epoll::add(
            &self.poll,
            &stream,
            EventData::new_u64(at as u64),
            EventFlags::IN,
        )?;
        self.members.push(Member {
            stream,
            tongue: guest.tongue,
            id: at,
            rooms,
            ear: guest.ear,
            speaks: false,
            said: 0,
            out: Vec::new(),
            steps,
            until: b"",
            answer: Vec::new(),
            lost: false,
        });
        self.next_step(at)
    }

    /// Says what comes next. True if there is an answer to wait for.
    fn next_step(&mut self, at: usize) -> io::Result<bool> {
        let member = &mut self.members[at];
        loop {
            let Some(step) = member.steps.next() else {
                member.until = b"";
                member.answer = Vec::new();
                return Ok(false);
            };
            member.stream.write_all(&step.say)?;
            if !step.until.is_empty() {
                member.until = step.until;
                return Ok(true);
            }
        }
    }

    /// Waits for events at most so long and reads what came. Returns how many have come in.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<usize> {
        let wait = wait.map(|wait| Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        match epoll::wait(
            &self.poll,
            rustix::buffer::spare_capacity(&mut events),
            wait.as_ref(),
        ) {
            Err(rustix::io::Errno::INTR) => return Ok(0),
            other => other?,
        };
        if !events.is_empty() {
            self.heard_at = Instant::now();
        }
        let mut arrived = 0;
        for event in &events {
            let (at, flags) = (event.data.u64() as usize, event.flags);
            if flags.contains(EventFlags::OUT) {
                self.flush(at)?;
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                arrived += usize::from(self.read(at)?);
            }
        }
        Ok(arrived)
    }

    /// Reads once. True if that was the last answer of coming in.
    fn read(&mut self, at: usize) -> io::Result<bool> {
        let now = self.now();
        let is_probe = self.probe == Some(at);
        let member = &mut self.members[at];
        let is_coming = !member.until.is_empty();
        let discards = matches!(member.ear, Ear::Count(_)) && !is_coming;
        let count = if discards {
            // TCP on Linux: the bytes are dropped in the kernel, and only counted (tcp(7)).
            match rustix::net::recv(&member.stream, &mut self.buffer[..], RecvFlags::TRUNC) {
                Ok((_, count)) => Ok(count),
                Err(error) => Err(io::Error::from(error)),
            }
        } else {
            member.stream.read(&mut self.buffer)
        };
        let count = match count {
            Ok(0) => return self.lose(at),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return self.lose(at),
        };
        let bytes = &self.buffer[..count.min(self.buffer.len())];
        if is_coming {
            member.answer.extend_from_slice(bytes);
        }
        let tongue = member.tongue;
        let known = self.tallies.iter().position(|tally| tally.tongue == tongue);
        let known = known.unwrap_or_else(|| {
            self.tallies.push(Tally {
                tongue,
                counted: 0,
                messages: 0,
                lines: (0, 0),
            });
            self.tallies.len() - 1
        });
        let tally = &mut self.tallies[known];
        match &mut member.ear {
            Ear::Count(total) => {
                *total += count as u64;
                tally.counted += count as u64;
            }
            Ear::Witness(witness) | Ear::Deaf(witness) if is_probe => {
                witness.hear(bytes, now, &mut self.probe_delays);
            }
            Ear::Witness(witness) | Ear::Deaf(witness) => {
                let heard = witness.hear(bytes, now, &mut self.delays);
                tally.messages += heard;
                if !member.speaks {
                    tally.lines.0 += heard;
                    tally.lines.1 += count as u64;
                }
            }
        }
        let member = &mut self.members[at];
        if is_coming && memchr::memmem::find(&member.answer, member.until).is_some() {
            member.answer.clear();
            return Ok(!self.next_step(at)?);
        }
        Ok(false)
    }

    fn lose(&mut self, at: usize) -> io::Result<bool> {
        let member = &mut self.members[at];
        if !std::mem::replace(&mut member.lost, true) {
            self.lost += 1;
            epoll::delete(&self.poll, &member.stream)?;
        }
        if member.until.is_empty() {
            return Ok(false);
        }
        let heard = String::from_utf8_lossy(&member.answer).into_owned();
        Err(io::Error::other(format!(
            "refused while coming in: {heard:?}"
        )))
    }

    /// Who came with a deaf ear stops reading.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn deafen(&mut self) -> io::Result<()> {
        for member in &self.members {
            if matches!(member.ear, Ear::Deaf(_)) {
                epoll::delete(&self.poll, &member.stream)?;
            }
        }
        Ok(())
    }

    /// Who was deaf reads on.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn heal(&mut self) -> io::Result<()> {
        for (at, member) in self.members.iter().enumerate() {
            if matches!(member.ear, Ear::Deaf(_)) && !member.lost {
                let data = EventData::new_u64(at as u64);
                epoll::add(&self.poll, &member.stream, data, EventFlags::IN)?;
            }
        }
        Ok(())
    }

    /// Puts bytes where `flush` sends them from.
    pub fn out(&mut self, at: usize) -> &mut Vec<u8> {
        &mut self.members[at].out
    }

    /// Sends what waits, as far as it fits; the rest goes when there is room.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn flush(&mut self, at: usize) -> io::Result<()> {
        let member = &mut self.members[at];
        if member.out.is_empty() || member.lost {
            return Ok(());
        }
        match member.stream.write(&member.out) {
            Ok(written) => drop(member.out.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return self.lose(at).map(drop),
        }
        let mut flags = EventFlags::IN;
        if !member.out.is_empty() {
            flags |= EventFlags::OUT;
        }
        epoll::modify(
            &self.poll,
            &member.stream,
            EventData::new_u64(at as u64),
            flags,
        )?;
        Ok(())
    }

    /// Reads until nobody has heard anything for a while.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn settle(&mut self) -> io::Result<()> {
        self.heard_at = Instant::now();
        while self.heard_at.elapsed() < QUIET {
            self.turn(Some(QUIET / 4))?;
        }
        Ok(())
    }
}
