//! Micro-benchmarks: the time of each part of a message's way, apart from the others.
//!
//! `cargo bench --bench micro`, or with `-- NAME` for some. They say where to look; whether a change
//! may go in is decided by counts (`--bench instructions`) and by the whole daemon.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

mod house;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use chatd::event::{Event, Message, SessionId};
use chatd::hub::Hub;
use chatd::limits::Limits;
use chatd::log::Draft;
use chatd::mail::{Mailbox, Ticket};
use chatd::name::{Nick, RoomName};
use chatd::wire::{Fields, Frame, Framer, Profile, encode_event};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::time::Instant;

use house::{House, PAYLOAD, RECENT};

criterion_group!(benches, decode, encode, frame, append, turn);
criterion_main!(benches);

/// Decides whether the reading of objects is worth a parser of our own.
fn decode(criterion: &mut Criterion) {
    let text = "x".repeat(PAYLOAD);
    let escaped = r#"a \"word\" \u00e9\n"#.repeat(7);
    let full = |text: &str| {
        format!(
            r#"{{"type":"message","room":"lobby","message":"{text}","cid":"a-17","label":"7"}}"#
        )
    };
    let mut group = criterion.benchmark_group("decode");
    for (name, line) in [("full", full(&text)), ("escapes", full(&escaped))] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut fields = Fields::parse(black_box(line.as_bytes())).unwrap();
                let label = fields.take_label().unwrap();
                black_box((label, fields.into_request().unwrap()));
            });
        });
    }
    let line = format!(r#"{{"username":"alice","message":"{text}"}}"#);
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("basic", |bencher| {
        bencher.iter(|| {
            let fields = Fields::parse(black_box(line.as_bytes())).unwrap();
            black_box(fields.into_basic().unwrap());
        });
    });
    group.finish();
}

/// Decides whether lines are made dearly enough to be shared between profiles too.
fn encode(criterion: &mut Criterion) {
    let room = RoomName::new("lobby").unwrap();
    let event = Event::Message(Arc::new(Message {
        seq: 1_234_567,
        end: 1,
        time_ms: 1_700_000_000_123,
        author: SessionId(1),
        nick: Nick::new("alice").unwrap(),
        text: "x".repeat(PAYLOAD).into(),
        cid: None,
    }));
    let mut group = criterion.benchmark_group("encode");
    let mut out = Vec::new();
    for profile in Profile::ALL {
        group.bench_function(format!("{profile:?}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_event(profile, &room, black_box(&event), &mut out);
            });
        });
    }
    group.finish();
}

/// Decides whether cutting lines is still nothing beside reading them.
fn frame(criterion: &mut Criterion) {
    const INPUT: usize = 16 * 1024;
    let line = format!(
        r#"{{"type":"message","message":"{}"}}"#,
        "x".repeat(PAYLOAD)
    ) + "\r\n";
    let bytes = &line.repeat(INPUT / line.len() + 1).into_bytes()[..INPUT];
    let limit = Limits::default().line;
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Bytes(INPUT as u64));
    group.bench_function("16_KiB", |bencher| {
        bencher.iter(|| {
            let mut framer = Framer::default();
            let mut input = black_box(bytes);
            while let Some(Frame::Line(line)) = framer.next(&mut input, limit) {
                black_box(line);
            }
        });
    });
    group.finish();
}

/// Decides whether lanes may share one channel, or what each further one costs the committer.
fn append(criterion: &mut Criterion) {
    let lobby = RoomName::new("lobby").unwrap();
    let mut group = criterion.benchmark_group("append");
    for lanes in [1, 2] {
        let limits = Limits {
            recent_messages: RECENT,
            ..Limits::default()
        };
        let hub = Hub::new("bench", limits, lobby.clone(), || 1_700_000_000_000);
        let room = hub.enter_room(&lobby).unwrap();
        let mut receivers = hub.log.subscribe(lanes);
        (0..lanes).for_each(|lane| room.add_lane(lane));
        let mailbox: Arc<Mailbox> = Arc::default();
        let nick = Nick::new("alice").unwrap();
        let text = "x".repeat(PAYLOAD);
        group.bench_function(BenchmarkId::new("lanes", lanes), |bencher| {
            bencher.iter(|| {
                let slot = hub.log.try_slot().unwrap();
                let draft = Draft::new(SessionId(1), nick.clone(), text.as_str().into());
                let ticket = Ticket {
                    lane: mailbox.clone(),
                    session: SessionId(1),
                    number: 0,
                    retry: None,
                };
                black_box(hub.log.append(slot, &room, draft, ticket));
                for receiver in &mut receivers {
                    receiver.try_recv().unwrap();
                }
            });
        });
    }
    group.finish();
}

/// Decides how many members a slice of a turn may have, and what a write may cost in user space.
fn turn(criterion: &mut Criterion) {
    /// Messages that one session may have carried out before others get their turn.
    const BATCH: usize = 32;
    let mut group = criterion.benchmark_group("lane_turn");
    for members in [10, 100, 1_000] {
        let mut house = House::open(members);
        for messages in [1, BATCH] {
            group.throughput(Throughput::Elements((members * messages) as u64));
            let id = BenchmarkId::new(format!("{messages}_messages"), members);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|turns| (0..turns).map(|_| timed(&mut house, messages)).sum());
            });
        }
    }
    group.finish();
}

/// The daemon's part of one turn: not the clients' writes before it and reads after it.
fn timed(house: &mut House, messages: usize) -> Duration {
    house.say(1, messages);
    let begin = Instant::now();
    house.step();
    let took = begin.elapsed();
    house.hear(1, messages);
    took
}
