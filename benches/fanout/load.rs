//! One run: who speaks when, and what that cost the server.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::crowd::{Crowd, Ear, Member, Tally, histogram};
use crate::machine::{self, Cpu};
use crate::stamp::Stamp;
use crate::tongue::Tongue;

/// How often messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many are on their way at any time (closed loop).
    Window(usize),
    /// So many a second, due at fixed times whatever the server does (open loop).
    Rate(f64),
}

/// Messages per second that the probe asks.
const PROBES: f64 = 100.0;

/// Who speaks.
#[derive(Debug)]
pub struct Load {
    /// Everybody.
    pub crowd: Crowd,
    /// Indexes of those who speak, in turn.
    pub speakers: Vec<usize>,
    /// Bytes of a payload.
    pub payload: usize,
    sent: u64,
    /// How many read and do not speak.
    hearers: usize,
    /// Bytes that each had heard when the run began.
    before: Vec<u64>,
}

/// What one run has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Messages that were sent while it was measured.
    pub messages_per_second: f64,
    /// Messages that came to somebody.
    pub deliveries_per_second: f64,
    /// The server's CPU time for each, in microseconds.
    pub cpu_us_per_delivery: f64,
    /// The server's CPU time for each message, in microseconds.
    pub cpu_us_per_message: f64,
    /// The kernel's share of the server's CPU time.
    pub system_share: f64,
    /// The server's CPU time as a share of the time.
    pub server_busy: f64,
    /// The load's CPU time as a share of the time.
    pub load_busy: f64,
    /// From due to heard, in microseconds.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// The worst.
    pub max_us: f64,
    /// Ping to pong in another room: 99th percentile.
    pub probe_p99_us: Option<f64>,
    /// The worst.
    pub probe_max_us: Option<f64>,
    /// The server's resident memory at the end, in KiB.
    pub rss_kib: f64,
    /// Mean length of a delivered line.
    pub line_bytes: f64,
    /// Connections that the server ended.
    pub lost: usize,
    /// Messages that did not come to those who read, and were in no gap.
    pub behind: u64,
    /// Messages that gaps have named.
    pub gapped: u64,
    /// Connections confirmed per second.
    pub connects_per_second: Option<f64>,
    /// The server's CPU time for each, in microseconds.
    pub cpu_us_per_connect: Option<f64>,
    /// Resident memory for each idle client, in KiB.
    pub kib_per_client: Option<f64>,
    /// What was wrong.
    pub wrong: Vec<String>,
}

/// Counters at one moment.
struct Moment {
    at: Instant,
    sent: u64,
    heard: f64,
    cpu: Cpu,
    load: Duration,
}

impl Load {
    /// A load of those who have come in.
    pub fn new(mut crowd: Crowd, speakers: Vec<usize>, payload: usize) -> Self {
        crowd.tallies.clear();
        for at in &speakers {
            crowd.members[*at].speaks = true;
        }
        let hears = |member: &&Member| !member.speaks && !matches!(member.ear, Ear::Deaf(_));
        let hearers = crowd.members.iter().filter(hears).count();
        Self {
            hearers: hearers - usize::from(crowd.probe.is_some()),
            before: crowd
                .members
                .iter()
                .map(|member| member.ear.bytes())
                .collect(),
            crowd,
            speakers,
            payload,
            sent: 0,
        }
    }

    /// Talks for `warm` and `span`, measures the second, and reads what is still on its way.
    ///
    /// # Errors
    /// Epoll failed.
    pub fn run(
        &mut self,
        server: u32,
        pace: Pace,
        warm: Duration,
        span: Duration,
    ) -> io::Result<Figures> {
        let begin = self.crowd.now();
        let warm = begin + warm.as_nanos() as u64;
        let end = warm + span.as_nanos() as u64;
        let mut first = None;
        let mut probes = 0u64;
        loop {
            let now = self.crowd.now();
            if first.is_none() && now >= warm {
                first = Some(self.moment(server));
                self.crowd.delays.reset();
                self.crowd.probe_delays.reset();
            }
            if now >= end {
                break;
            }
            let mut until = self.speak(pace, begin, now)?.min(end);
            if self.crowd.probe.is_some() {
                let due = begin + (probes as f64 * 1e9 / PROBES) as u64;
                if now >= due {
                    self.ask(due, probes as u32)?;
                    probes += 1;
                }
                until = until.min(begin + (probes as f64 * 1e9 / PROBES) as u64);
            }
            let wait = until.saturating_sub(self.crowd.now());
            self.crowd.turn(Some(Duration::from_nanos(wait)))?;
        }
        let last = self.moment(server);
        let delays = std::mem::replace(&mut self.crowd.delays, histogram());
        let rss = machine::resident(server);
        self.crowd.settle()?;
        let first = first.expect("the end comes after the warm-up");
        let mut figures = figures(&first, &last, &delays);
        figures.rss_kib = rss;
        if self.crowd.probe.is_some() {
            figures.probe_p99_us = Some(micros(&self.crowd.probe_delays, 0.99));
            figures.probe_max_us = Some(micros(&self.crowd.probe_delays, 1.0));
        }
        self.judge(&mut figures)?;
        Ok(figures)
    }

    /// Sends what is due. Returns when to look again.
    fn speak(&mut self, pace: Pace, begin: u64, now: u64) -> io::Result<u64> {
        let (count, next) = match pace {
            Pace::Window(window) => {
                let free =
                    (window as f64 - (self.sent as f64 - self.completed())).max(0.0) as usize;
                // A speaker sends some lines at once, as one who has much to say does.
                (if free >= window / 4 { free } else { 0 }, now + 100_000_000)
            }
            Pace::Rate(rate) => {
                let due = ((now - begin) as f64 * rate / 1e9) as u64 + 1;
                (
                    due.saturating_sub(self.sent) as usize,
                    begin + (due as f64 * 1e9 / rate) as u64,
                )
            }
        };
        for _ in 0..count {
            let due = match pace {
                Pace::Window(_) => now,
                Pace::Rate(rate) => begin + (self.sent as f64 * 1e9 / rate) as u64,
            };
            self.say(due);
        }
        for turn in 0..count.min(self.speakers.len()) {
            let last = (self.sent as usize - 1) % self.speakers.len();
            let speaker = (last + self.speakers.len() - turn) % self.speakers.len();
            self.crowd.flush(self.speakers[speaker])?;
        }
        Ok(next)
    }

    fn say(&mut self, due: u64) {
        let speaker = self.sent as usize % self.speakers.len();
        let at = self.speakers[speaker];
        let member = &mut self.crowd.members[at];
        let mut payload = Vec::with_capacity(self.payload);
        let stamp = Stamp {
            due,
            speaker: speaker as u16,
            number: member.said,
        };
        stamp.write(self.payload, &mut payload);
        let (tongue, id) = (member.tongue, member.id);
        let room = member.rooms[member.said as usize % member.rooms.len()];
        member.said += 1;
        tongue.say(id, room, &payload, self.crowd.out(at));
        self.sent += 1;
    }

    fn ask(&mut self, due: u64, number: u32) -> io::Result<()> {
        let Some(at) = self.crowd.probe else {
            return Ok(());
        };
        let stamp = Stamp {
            due,
            speaker: 0,
            number,
        };
        let out = self.crowd.out(at);
        out.extend_from_slice(br#"{"type":"ping","token":""#);
        stamp.write(0, out);
        out.extend_from_slice(b"\"}\n");
        self.crowd.flush(at)
    }

    /// Mean length of a line in a protocol.
    fn line_len(&self, tongue: Tongue) -> f64 {
        let tally = self
            .crowd
            .tallies
            .iter()
            .find(|tally| tally.tongue == tongue);
        tally.map_or(200.0, Tally::line_len)
    }

    /// Deliveries so far.
    fn heard(&self) -> f64 {
        self.crowd.tallies.iter().map(Tally::heard).sum()
    }

    /// Messages that have come, on the average over all who only hear.
    fn completed(&self) -> f64 {
        let heard: f64 = self.crowd.tallies.iter().map(Tally::heard_by_hearers).sum();
        heard / self.hearers.max(1) as f64
    }

    fn moment(&self, server: u32) -> Moment {
        let load = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = load.split(' ').next().and_then(|text| text.parse().ok());
        Moment {
            at: Instant::now(),
            sent: self.sent,
            heard: self.heard(),
            cpu: Cpu::of(server),
            load: Duration::from_nanos(nanos.unwrap_or(0)),
        }
    }

    /// Whether everybody has heard what the witnesses of the same protocol have heard.
    fn judge(&mut self, figures: &mut Figures) -> io::Result<()> {
        self.crowd.heal()?;
        self.crowd.settle()?;
        figures.lost = self.crowd.lost;
        figures.line_bytes = self.line_len(self.crowd.members[0].tongue);
        for (at, member) in self.crowd.members.iter().enumerate() {
            match &member.ear {
                Ear::Count(bytes) => {
                    let most = self.most_bytes(member.tongue, &member.rooms);
                    let missing = most.saturating_sub(bytes - self.before[at]);
                    figures.behind += (missing as f64 / self.line_len(member.tongue)).ceil() as u64;
                }
                Ear::Witness(witness) | Ear::Deaf(witness) => {
                    figures.gapped += witness.gapped();
                    for wrong in &witness.wrong {
                        if figures.wrong.len() < 5 {
                            figures.wrong.push(format!("member {at}: {wrong}"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What those heard who read, and were in the same rooms.
    fn most_bytes(&self, tongue: Tongue, rooms: &[usize]) -> u64 {
        let members = self.crowd.members.iter().enumerate();
        members
            .filter(|(_, member)| {
                !member.speaks && member.tongue == tongue && member.rooms == rooms
            })
            .filter_map(|(at, member)| match &member.ear {
                Ear::Witness(witness) => Some(witness.bytes - self.before[at]),
                Ear::Count(_) | Ear::Deaf(_) => None,
            })
            .max()
            .unwrap_or(0)
    }
}

fn figures(first: &Moment, last: &Moment, delays: &Histogram<u64>) -> Figures {
    let seconds = (last.at - first.at).as_secs_f64();
    let (cpu, system_share) = last.cpu.since(first.cpu);
    let (messages, heard) = ((last.sent - first.sent) as f64, last.heard - first.heard);
    Figures {
        messages_per_second: messages / seconds,
        deliveries_per_second: heard / seconds,
        cpu_us_per_delivery: cpu.as_secs_f64() * 1e6 / heard.max(1.0),
        cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages.max(1.0),
        system_share,
        server_busy: cpu.as_secs_f64() / seconds,
        load_busy: (last.load - first.load).as_secs_f64() / seconds,
        p50_us: micros(delays, 0.5),
        p99_us: micros(delays, 0.99),
        p999_us: micros(delays, 0.999),
        max_us: micros(delays, 1.0),
        ..Figures::default()
    }
}

fn micros(delays: &Histogram<u64>, quantile: f64) -> f64 {
    delays.value_at_quantile(quantile) as f64 / 1e3
}
