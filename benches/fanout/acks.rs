//! Publish to ack: authors who have so many messages under way, and what the server promises for each.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::crowd::histogram;
use crate::load::Figures;
use crate::machine::{self, Cpu};
use crate::tongue::Tongue;

/// How long one waits for an answer that does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Some who speak in one room, and count what is acknowledged.
#[derive(Debug)]
pub struct Authors {
    all: Vec<Author>,
    window: usize,
    payload: Vec<u8>,
    begin: Instant,
    delays: Histogram<u64>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Author {
    stream: TcpStream,
    tongue: Tongue,
    id: usize,
    /// When each message that is not acknowledged was sent, oldest first.
    under_way: VecDeque<u64>,
    said: u64,
    acked: u64,
    out: Vec<u8>,
    /// The end of what was read, which may hold the beginning of a mark.
    tail: Vec<u8>,
}

impl Authors {
    /// So many, in one room, each with at most `window` messages under way.
    ///
    /// # Errors
    /// One could not connect, or was not let in.
    pub fn come_in(
        port: u16,
        tongue: Tongue,
        count: usize,
        window: usize,
        payload: usize,
    ) -> io::Result<Self> {
        let all = (0..count).map(|id| Author::come_in(port, tongue, id));
        Ok(Self {
            all: all.collect::<io::Result<_>>()?,
            window,
            payload: vec![b'x'; payload],
            begin: Instant::now(),
            delays: histogram(),
            buffer: vec![0; 1 << 18],
        })
    }

    /// Speaks for `warm` and `span`, and measures the second.
    ///
    /// # Errors
    /// The server ended a connection or stopped answering.
    pub fn run(&mut self, server: u32, warm: Duration, span: Duration) -> io::Result<Figures> {
        self.speak_for(warm)?;
        self.delays.reset();
        let (begin, cpu) = (Instant::now(), Cpu::of(server));
        let (acked, load) = (self.acked(), machine::own_time());
        self.speak_for(span)?;
        let seconds = begin.elapsed().as_secs_f64();
        let acks = (self.acked() - acked) as f64;
        let (used, system_share) = Cpu::of(server).since(cpu);
        let micros = |quantile| self.delays.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Figures {
            acks_per_second: Some(acks / seconds),
            cpu_us_per_ack: Some(used.as_secs_f64() * 1e6 / acks.max(1.0)),
            system_share,
            server_busy: used.as_secs_f64() / seconds,
            load_busy: (machine::own_time() - load).as_secs_f64() / seconds,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            max_us: micros(1.0),
            rss_kib: machine::resident(server),
            ..Figures::default()
        })
    }

    fn acked(&self) -> u64 {
        self.all.iter().map(|author| author.acked).sum()
    }

    fn speak_for(&mut self, span: Duration) -> io::Result<()> {
        let end = Instant::now() + span;
        let mut heard_at = Instant::now();
        while Instant::now() < end {
            let mut heard = 0;
            for author in &mut self.all {
                let now = self.begin.elapsed().as_nanos() as u64;
                author.speak(self.window, &self.payload, now)?;
                heard += author.listen(&mut self.buffer)?;
                let now = self.begin.elapsed().as_nanos() as u64;
                author.settle(now, &mut self.delays);
            }
            if heard > 0 {
                heard_at = Instant::now();
            } else if heard_at.elapsed() > PATIENCE {
                return Err(io::Error::other("no ack for a long time"));
            } else {
                std::thread::yield_now();
            }
        }
        Ok(())
    }
}

impl Author {
    fn come_in(port: u16, tongue: Tongue, id: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for step in tongue.come_in_for_acks(id) {
            stream.write_all(&step.say)?;
            let mut answer = Vec::new();
            while memchr::memmem::find(&answer, step.until).is_none() {
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer)? {
                    0 => return Err(io::Error::other(refusal(&answer))),
                    count => answer.extend_from_slice(&buffer[..count]),
                }
            }
        }
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            tongue,
            id,
            under_way: VecDeque::new(),
            said: 0,
            acked: 0,
            out: Vec::new(),
            tail: Vec::new(),
        })
    }

    /// Fills the window, once a quarter of it is free: one who has much to say writes many lines at once.
    fn speak(&mut self, window: usize, payload: &[u8], now: u64) -> io::Result<()> {
        let free = window - self.under_way.len();
        if free >= window / 4 {
            for _ in 0..free {
                self.tongue.say_for_ack(self.id, payload, &mut self.out);
                self.under_way.push_back(now);
                self.said += 1;
            }
        }
        match self.stream.write(&self.out) {
            Ok(count) => drop(self.out.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads what is there, and counts the acks in it.
    fn listen(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(io::Error::other(refusal(&self.tail))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let mark = self.tongue.ack();
        self.tail.extend_from_slice(&buffer[..count]);
        let acks = memchr::memmem::find_iter(&self.tail, mark).count() as u64;
        // A mark that is torn here is whole with what comes next; no mark begins in its own end.
        let cut = self.tail.len() - self.tail.len().min(mark.len() - 1);
        self.tail.drain(..cut);
        self.acked += acks;
        Ok(acks)
    }

    /// Acks come in the order in which the messages went.
    fn settle(&mut self, now: u64, delays: &mut Histogram<u64>) {
        let open = self.said.saturating_sub(self.acked) as usize;
        while self.under_way.len() > open {
            if let Some(sent) = self.under_way.pop_front() {
                delays.saturating_record(now.saturating_sub(sent).max(1));
            }
        }
    }
}

fn refusal(heard: &[u8]) -> String {
    format!("ended; last heard {:?}", String::from_utf8_lossy(heard))
}
