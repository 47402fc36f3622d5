//! What is run under callgrind, and which part of it is counted.
//!
//! Everything happens in one thread. Callgrind collects only inside [`callgrind_counts`], and only
//! what is measured is called through it:
//! - `fanout`, `paced`: one step of a real lane ([`House::step`]), from readable publishers to the
//!   last member written. The clients' own writes and reads are outside. A step ends with one turn of
//!   the runtime more than a daemon's would; `rest` counts exactly that and is subtracted.
//! - `parse`: lines cut out of 16 KiB of input and read as requests.
//! - `append`: `Log::append` with one lane subscribed. The lane's receiving is outside.
//!
//! Warm-up fills the room's memory first, so that each message also makes an old one be forgotten.

use std::hint::black_box;
use std::sync::Arc;

use chatd::event::SessionId;
use chatd::hub::Hub;
use chatd::limits::Limits;
use chatd::log::Draft;
use chatd::mail::{Mailbox, Ticket};
use chatd::name::{Nick, RoomName};
use chatd::wire::{Fields, Frame, Framer};

use crate::house::{House, PAYLOAD, RECENT};

/// Members of `fanout`: receivers, and the publishers, who hear themselves too.
const FANOUT: (usize, usize) = (1_000, 10);
/// Messages under way at once in `fanout`.
const IN_FLIGHT: usize = 512;
/// Members of `paced`, one of whom speaks.
const PACED: usize = 100;
/// Messages before counting begins: more than a room remembers.
const WARM_UP: usize = RECENT + WARM_UP_STEP;
const WARM_UP_STEP: usize = 128;
/// Steps of each kind that are counted.
const FANOUT_STEPS: usize = 8;
const PACED_STEPS: usize = 256;
/// Lines and messages of the scenarios without a lane.
const LINES: usize = 4_096;
/// Input that is read at once.
const INPUT: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Fanout,
    Paced,
    Parse,
    Append,
    Rest,
}

/// How much was done while it was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Steps of a lane.
    pub(crate) steps: u64,
    /// Messages published.
    pub(crate) messages: u64,
    /// Messages times those who hear them.
    pub(crate) deliveries: u64,
}

/// The one function inside which callgrind collects. Never inlined, so that it can be found.
#[inline(never)]
pub(crate) fn callgrind_counts<T>(work: impl FnOnce() -> T) -> T {
    // Not the last thing that happens here: a jump instead of a call would not be seen to return.
    black_box(work())
}

/// Each scenario once, without a count.
pub(crate) fn smoke() {
    for scenario in Scenario::ALL {
        let work = scenario.run();
        println!("{}: ran, not counted: {work:?}", scenario.as_str());
    }
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [
        Self::Fanout,
        Self::Paced,
        Self::Parse,
        Self::Append,
        Self::Rest,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Paced => "paced",
            Self::Parse => "parse",
            Self::Append => "append",
            Self::Rest => "rest",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }

    pub(crate) fn run(self) -> Work {
        match self {
            Self::Fanout => {
                let (receivers, speakers) = FANOUT;
                steps(receivers + speakers, speakers, IN_FLIGHT, FANOUT_STEPS)
            }
            Self::Paced => steps(PACED, 1, 1, PACED_STEPS),
            Self::Parse => parse(),
            Self::Append => append(),
            Self::Rest => rest(),
        }
    }
}

impl Work {
    /// Tells the parent process.
    pub(crate) fn tell(self) {
        println!("{} {} {}", self.steps, self.messages, self.deliveries);
    }

    /// What the child process told.
    pub(crate) fn told(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            steps: next()?,
            messages: next()?,
            deliveries: next()?,
        })
    }
}

fn steps(members: usize, speakers: usize, messages: usize, steps: usize) -> Work {
    let mut house = House::open(members);
    for _ in 0..WARM_UP / WARM_UP_STEP {
        house.say(1, WARM_UP_STEP);
        house.step();
        house.hear(1, WARM_UP_STEP);
    }
    let mut work = Work::default();
    for _ in 0..steps {
        house.say(speakers, messages);
        callgrind_counts(|| house.step());
        work.deliveries += house.hear(speakers, messages);
        work.messages += messages as u64;
        work.steps += 1;
    }
    work
}

fn rest() -> Work {
    let mut house = House::open(PACED);
    house.step();
    for _ in 0..PACED_STEPS {
        callgrind_counts(|| house.step());
    }
    Work {
        steps: PACED_STEPS as u64,
        ..Work::default()
    }
}

fn parse() -> Work {
    let text = "x".repeat(PAYLOAD);
    let line = format!(
        "{{\"type\":\"message\",\"room\":\"lobby\",\"message\":\"{text}\",\"cid\":\"a-17\"}}\r\n"
    );
    let stream = line.repeat(LINES).into_bytes();
    let limit = Limits::default().line;
    let mut framer = Framer::default();
    let mut lines = 0;
    callgrind_counts(|| {
        for read in stream.chunks(INPUT) {
            let mut input = read;
            while let Some(frame) = framer.next(&mut input, limit) {
                let Frame::Line(line) = frame else {
                    panic!("a line is too long")
                };
                let fields = Fields::parse(line).unwrap();
                black_box(fields.into_request().unwrap());
                lines += 1;
            }
        }
    });
    Work {
        messages: lines,
        ..Work::default()
    }
}

fn append() -> Work {
    let lobby = RoomName::new("lobby").unwrap();
    let limits = Limits {
        recent_messages: WARM_UP,
        recent_bytes: usize::MAX,
        ..Limits::default()
    };
    let hub = Hub::new("bench", limits, lobby.clone(), || 1_700_000_000_000);
    let room = hub.enter_room(&lobby).unwrap();
    let mut lane = hub.log.subscribe(1).remove(0);
    room.add_lane(0);
    let mailbox: Arc<Mailbox> = Arc::default();
    let nick = Nick::new("alice").unwrap();
    let text = "x".repeat(PAYLOAD);
    for number in 0..(WARM_UP + LINES) as u64 {
        let slot = hub.log.try_slot().unwrap();
        let draft = Draft::new(SessionId(1), nick.clone(), text.as_str().into());
        let ticket = Ticket {
            lane: mailbox.clone(),
            session: SessionId(1),
            number,
            retry: None,
        };
        let append = || hub.log.append(slot, &room, draft, ticket);
        let appended = if number < WARM_UP as u64 {
            append()
        } else {
            callgrind_counts(append)
        };
        drop(appended);
        lane.try_recv().unwrap();
    }
    Work {
        messages: LINES as u64,
        ..Work::default()
    }
}
