//! What is measured: who is there, who speaks, how often.

use std::io;
use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Ear, Guest};
use crate::hearer::Witness;
use crate::load::{Figures, Load, Pace};
use crate::machine::{self, Cpu};
use crate::subject::{Kind, Running, Subject};
use crate::tongue::Tongue;

/// Bytes of a message.
const PAYLOAD: usize = 128;

/// One way to load a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// One room: so many hear, and ten speak. So many in a thousand never read.
    Room {
        hearers: usize,
        pace: Pace,
        deaf: usize,
    },
    /// Rooms of ten, in each of which one speaks.
    Rooms { rooms: usize, pace: Pace },
    /// Rooms of two, with connections in fifty rooms each.
    Pairs {
        rooms: usize,
        pace: Pace,
        workers: usize,
    },
    /// One room, in which the protocols are mixed.
    Mixed { hearers: usize, pace: Pace },
    /// Idle clients: memory for each between the two numbers.
    Idle { few: usize, many: usize },
    /// Connections that come in, one after another.
    Arrivals { count: usize },
}

/// A shape with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// As the report calls it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// How it is made.
    pub shape: Shape,
}

const fn workload(name: &'static str, about: &'static str, shape: Shape) -> Workload {
    Workload { name, about, shape }
}

const fn room(hearers: usize, pace: Pace) -> Shape {
    Shape::Room {
        hearers,
        pace,
        deaf: 0,
    }
}

const CLOSED: Pace = Pace::Window(512);

/// All of them.
pub const ALL: &[Workload] = &[
    workload(
        "S",
        "1 room, 1,000 hearers, 10 speakers, 512 messages in flight",
        room(1_000, CLOSED),
    ),
    workload(
        "M",
        "S, and 1 % of the members never read",
        Shape::Room {
            hearers: 1_000,
            pace: CLOSED,
            deaf: 10,
        },
    ),
    workload(
        "P",
        "1 room, 1,000 hearers, 100 messages/s",
        room(1_000, Pace::Rate(100.0)),
    ),
    workload(
        "Q",
        "1 room, 100 hearers, 1,000 messages/s",
        room(100, Pace::Rate(1_000.0)),
    ),
    workload(
        "R",
        "100 rooms of 10, 5,000 messages/s",
        Shape::Rooms {
            rooms: 100,
            pace: Pace::Rate(5_000.0),
        },
    ),
    workload(
        "N10",
        "1 room, 10 hearers, 50,000 deliveries/s",
        room(10, Pace::Rate(5_000.0)),
    ),
    workload(
        "N100",
        "1 room, 100 hearers, 50,000 deliveries/s",
        room(100, Pace::Rate(500.0)),
    ),
    workload(
        "N1000",
        "1 room, 1,000 hearers, 50,000 deliveries/s",
        room(1_000, Pace::Rate(50.0)),
    ),
    workload(
        "N10000",
        "1 room, 10,000 hearers, 50,000 deliveries/s",
        room(10_000, Pace::Rate(5.0)),
    ),
    workload(
        "T",
        "1,000 hearers: 1/3 full, 1/3 two-field, 1/3 text",
        Shape::Mixed {
            hearers: 1_000,
            pace: CLOSED,
        },
    ),
    workload(
        "I",
        "memory for each idle client, 1,000 to 10,000",
        Shape::Idle {
            few: 1_000,
            many: 10_000,
        },
    ),
    workload(
        "C",
        "connect, subscribe, be confirmed: 5,000 times",
        Shape::Arrivals { count: 5_000 },
    ),
    workload(
        "W1",
        "10,000 rooms of 2, 5,000 messages/s, 1 worker",
        pairs(1),
    ),
    workload("W2", "the same with 2 workers", pairs(2)),
    workload("W4", "the same with 4 workers", pairs(4)),
];

const fn pairs(workers: usize) -> Shape {
    Shape::Pairs {
        rooms: 10_000,
        pace: Pace::Rate(5_000.0),
        workers,
    }
}

impl Workload {
    /// Whether this server can be loaded so at all.
    pub fn suits(&self, subject: &Subject) -> bool {
        let is_chatd = subject.kind == Kind::Chatd;
        let is_full = subject.tongue == Tongue::Full;
        match self.shape {
            Shape::Room { deaf, .. } if deaf > 0 => is_full,
            // Who introduces itself by speaking cannot come in by the thousands in reasonable time.
            Shape::Room { .. } if self.name.starts_with('N') => {
                !is_chatd && !matches!(subject.kind, Kind::Ngircd | Kind::NatsDebian) || is_full
            }
            Shape::Room { .. } => true,
            Shape::Pairs { .. } | Shape::Mixed { .. } => is_full,
            Shape::Rooms { .. } | Shape::Arrivals { .. } => {
                subject.kind != Kind::Floor && (!is_chatd || is_full)
            }
            // Two fields are how one comes in by speaking: that is no idle client.
            Shape::Idle { .. } => !is_chatd || is_full,
        }
    }

    /// How many threads chatd gets.
    pub fn workers(&self) -> usize {
        match self.shape {
            Shape::Pairs { workers, .. } => workers,
            _ => 1,
        }
    }

    /// Loads a running server.
    ///
    /// # Errors
    /// The server refused somebody, or stopped answering.
    pub fn run(&self, server: &Running, tongue: Tongue, span: Duration) -> io::Result<Figures> {
        let warm = span / 4;
        match self.shape {
            Shape::Idle { few, many } => idle(server, tongue, few, many),
            Shape::Arrivals { count } => arrivals(server, tongue, count),
            Shape::Room {
                hearers,
                pace,
                deaf,
            } => {
                let mut load = one_room(server, tongue, hearers, deaf)?;
                load.run(server.pid(), pace, warm, span)
            }
            Shape::Rooms { rooms, pace } => {
                let mut load = many_rooms(server, tongue, rooms)?;
                load.run(server.pid(), pace, warm, span)
            }
            Shape::Pairs { rooms, pace, .. } => {
                let mut load = pairs_of(server, tongue, rooms)?;
                load.run(server.pid(), pace, warm, span)
            }
            Shape::Mixed { hearers, pace } => {
                let mut load = mixed(server, hearers)?;
                load.run(server.pid(), pace, warm, span)
            }
        }
    }
}

fn witness(tongue: Tongue) -> Ear {
    Ear::Witness(Box::new(Witness::new(tongue == Tongue::Full)))
}

/// Every hundredth is a witness, but at least ten are.
fn ear(tongue: Tongue, at: usize, of: usize) -> Ear {
    if at.is_multiple_of((of / 10).clamp(1, 100)) {
        witness(tongue)
    } else {
        Ear::Count(0)
    }
}

fn hearer(tongue: Tongue, room: usize, ear: Ear) -> Guest {
    Guest {
        tongue,
        rooms: vec![room],
        speaks_in: room,
        ear,
    }
}

fn speaker(tongue: Tongue, room: usize) -> Guest {
    let rooms = if tongue.speaks_anywhere() {
        Vec::new()
    } else {
        vec![room]
    };
    Guest {
        tongue,
        rooms,
        speaks_in: room,
        ear: witness(tongue),
    }
}

fn one_room(server: &Running, tongue: Tongue, hearers: usize, deaf: usize) -> io::Result<Load> {
    let mut crowd = Crowd::new(server.port)?;
    crowd.gather((0..hearers).map(|at| hearer(tongue, 0, ear(tongue, at, hearers))))?;
    let silent = || Ear::Deaf(Box::new(Witness::new(tongue == Tongue::Full)));
    crowd.gather((0..deaf).map(|_| hearer(tongue, 0, silent())))?;
    let first = crowd.members.len();
    crowd.gather((0..10).map(|_| speaker(tongue, 0)))?;
    let speakers = (first..crowd.members.len()).collect();
    if tongue == Tongue::Full {
        // Another room: a ping there waits for nothing but the server's turn.
        crowd.gather([hearer(tongue, 1, witness(tongue))])?;
        crowd.probe = Some(crowd.members.len() - 1);
    }
    crowd.settle()?;
    crowd.deafen()?;
    Ok(Load::new(crowd, speakers, PAYLOAD))
}

fn many_rooms(server: &Running, tongue: Tongue, rooms: usize) -> io::Result<Load> {
    let mut crowd = Crowd::new(server.port)?;
    // One of the ten speaks, where a connection can do both.
    let speaks = tongue.speakers_hear();
    crowd.gather((0..10 * rooms).map(|at| hearer(tongue, at / 10, witness(tongue))))?;
    let mut speakers: Vec<usize> = (0..rooms).map(|room| 10 * room).collect();
    if !speaks {
        let first = crowd.members.len();
        crowd.gather((0..rooms).map(|room| speaker(tongue, room)))?;
        speakers = (first..crowd.members.len()).collect();
    }
    crowd.settle()?;
    Ok(Load::new(crowd, speakers, PAYLOAD))
}

/// Room `i` is that of client `i mod half` and of client `half + i / 50`, with 50 rooms each.
fn pairs_of(server: &Running, tongue: Tongue, rooms: usize) -> io::Result<Load> {
    let half = rooms / 50;
    let guest = |rooms: Vec<usize>| Guest {
        tongue,
        speaks_in: rooms[0],
        rooms,
        ear: witness(tongue),
    };
    let mut crowd = Crowd::new(server.port)?;
    crowd
        .gather((0..half).map(|at| guest((0..rooms).filter(|room| room % half == at).collect())))?;
    crowd.gather((0..half).map(|at| guest((0..rooms).filter(|room| room / 50 == at).collect())))?;
    crowd.settle()?;
    Ok(Load::new(crowd, (0..half).collect(), PAYLOAD))
}

fn mixed(server: &Running, hearers: usize) -> io::Result<Load> {
    let mut crowd = Crowd::new(server.port)?;
    let tongues = [Tongue::Full, Tongue::Basic, Tongue::Text];
    crowd.gather((0..hearers).map(|at| {
        let tongue = tongues[at % 3];
        hearer(tongue, 0, ear(tongue, at / 3, hearers / 3))
    }))?;
    let first = crowd.members.len();
    crowd.gather((0..10).map(|at| speaker(tongues[at % 3], 0)))?;
    let speakers = (first..crowd.members.len()).collect();
    crowd.settle()?;
    Ok(Load::new(crowd, speakers, PAYLOAD))
}

/// ngIRCd tells everybody in a room of everybody who comes: there they come to rooms of a hundred.
fn room_of(tongue: Tongue, at: usize) -> usize {
    if tongue == Tongue::Irc { at / 100 } else { 0 }
}

fn idle(server: &Running, tongue: Tongue, few: usize, many: usize) -> io::Result<Figures> {
    let mut crowd = Crowd::new(server.port)?;
    let guest = |at| hearer(tongue, room_of(tongue, at), Ear::Count(0));
    crowd.gather((0..few).map(guest))?;
    crowd.settle()?;
    let before = machine::resident(server.pid());
    crowd.gather((few..many).map(guest))?;
    crowd.settle()?;
    let after = machine::resident(server.pid());
    Ok(Figures {
        kib_per_client: Some((after - before) / (many - few) as f64),
        rss_kib: after,
        lost: crowd.lost,
        ..Figures::default()
    })
}

fn arrivals(server: &Running, tongue: Tongue, count: usize) -> io::Result<Figures> {
    let mut crowd = Crowd::new(server.port)?;
    let guest = |at| hearer(tongue, room_of(tongue, at), Ear::Count(0));
    let (begin, cpu) = (Instant::now(), Cpu::of(server.pid()));
    crowd.gather((0..count).map(guest))?;
    let (took, used) = (begin.elapsed(), Cpu::of(server.pid()).total - cpu.total);
    Ok(Figures {
        connects_per_second: Some(count as f64 / took.as_secs_f64()),
        cpu_us_per_connect: Some(used.as_secs_f64() * 1e6 / count as f64),
        lost: crowd.lost,
        ..Figures::default()
    })
}
