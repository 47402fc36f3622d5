//! Start, and pages, of a large store.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chatd::event::{Durability, SessionId};
use chatd::name::{Nick, RoomName};
use chatd::store::{NewMessage, Opened, Store};
use hdrhistogram::Histogram;

use crate::chatd::Chatd;
use crate::{Pages, TEXT};

pub(crate) const ROOM: &str = "archive";
/// Messages of one turn while the store is built.
const TURN: u64 = 4096;
/// Messages of one page.
const PAGE: u64 = 100;

pub(crate) fn run(order: &Pages) {
    let kept = tempfile::tempdir().unwrap();
    let folder = order.folder.as_deref().unwrap_or(kept.path());
    std::fs::create_dir_all(folder).unwrap();
    build(folder, order.messages);
    // The first start may find a store that was never looked at.
    drop(Chatd::start(folder, "process"));
    let chatd = Chatd::start(folder, "process");
    println!("start: {:.3} s", chatd.start.as_secs_f64());
    let delays = ask(&chatd, order);
    let ms = |quantile: f64| delays.value_at_quantile(quantile) as f64 / 1e6;
    println!(
        "pages of {PAGE} from anywhere in {}: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
        order.messages,
        ms(0.5),
        ms(0.99),
        delays.max() as f64 / 1e6
    );
}

/// Brings the store up to so many messages.
pub(crate) fn build(folder: &Path, messages: u64) {
    let begin = Instant::now();
    let path = folder.join("history.db");
    let opened = Store::open(&path, Durability::Process).unwrap();
    let Opened {
        store,
        mut writer,
        rooms,
        ..
    } = opened;
    let (name, nick) = (RoomName::new(ROOM).unwrap(), Nick::new("author").unwrap());
    let known = rooms.into_iter().find(|room| room.name == name);
    let mut head = known.as_ref().map_or(0, |room| room.head);
    let mut key = known.map(|room| room.key);
    let checkpointer = store.checkpointer().unwrap();
    let mut turns = 0;
    while head < messages {
        let mut turn = writer.begin().unwrap();
        let key = match key {
            Some(key) => key,
            None => *key.insert(turn.make_room(&name, store.epoch_of_new(&name)).unwrap()),
        };
        let (last, mut bytes) = (messages.min(head + TURN), 0);
        let message = NewMessage::new(SessionId(1), &nick, TEXT);
        for seq in head + 1..=last {
            turn.append(key, seq, 1_700_000_000_000 + seq as i64, &message)
                .unwrap();
            bytes += message.cost();
        }
        turn.settle(key, last, bytes).unwrap();
        turn.commit().unwrap();
        head = last;
        turns += 1;
        if turns % 32 == 0 {
            checkpointer.bring_in().unwrap();
            checkpointer.begin_anew().unwrap();
        }
    }
    writer.close().unwrap();
    println!("built in {:.1} s", begin.elapsed().as_secs_f64());
}

fn ask(chatd: &Chatd, order: &Pages) -> Histogram<u64> {
    let mut stream = chatd.member(ROOM);
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut delays = Histogram::new(3).unwrap();
    let mut line = String::new();
    // The same places in each run, and no two neighbours.
    let mut place = 0x9e37_79b9_7f4a_7c15_u64;
    for asked in 0..order.pages + order.pages / 10 {
        place ^= place << 13;
        place ^= place >> 7;
        place ^= place << 17;
        let after = place % order.messages.saturating_sub(PAGE).max(1);
        let begin = Instant::now();
        writeln!(
            stream,
            "{{\"type\":\"history\",\"room\":\"{ROOM}\",\"after\":{after},\"limit\":{PAGE},\"label\":\"p\"}}"
        )
        .unwrap();
        let mut count = 0;
        loop {
            line.clear();
            lines.read_line(&mut line).unwrap();
            if line.starts_with("{\"type\":\"history\"") {
                break;
            }
            assert!(
                line.starts_with("{\"type\":\"message\",\"label\":\"p\""),
                "{line}"
            );
            count += 1;
        }
        assert_eq!(count, PAGE.min(order.messages - after), "after {after}");
        // The first tenth warms up.
        if asked >= order.pages / 10 {
            let delay: Duration = begin.elapsed();
            delays.record(delay.as_nanos() as u64).unwrap();
        }
    }
    delays
}
