//! Readers that stop: they cost themselves only, and are told what they missed.
//!
//! The ones that stop are processes of their own, so that SIGSTOP stops the whole peer as the
//! daemon sees it: this binary again, running the ignored test at the end of this file.

use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::{Companion, Config, Daemon, Peer, alone, until};

/// Far more than what is kept.
const FLOOD: u64 = 30_000;
/// Far more than `lag_bytes`, and over before the kernel gives up on the farewell.
const SMALL_FLOOD: u64 = 16_000;
const READERS: usize = 36;
const STOPPED: usize = 4;
const PUBLISHERS: u64 = 8;
const BUFFER_BYTES: u64 = 4 * 1024 * 1024;
const RECENT_BYTES: u64 = 2 * 1024 * 1024;

fn config(on_lag: &str) -> Config {
    Config::roomy()
        .limit("recent_bytes", "2MiB")
        .limit("buffer_bytes", "4MiB")
        .limit("socket_buffer", "32KiB")
        .limit("on_lag", on_lag)
        .limit("lag_bytes", "1MiB")
        .limit("write_stall", "600s")
        .limit("ping_interval", "600s")
}

#[tokio::test]
async fn who_stops_reading_is_told_exactly_what_it_missed() {
    let _alone = alone().await;
    let chat = Daemon::start(config("gap")).await;
    let mut stopped = flood_past_stopped_readers(&chat, FLOOD).await;

    stopped
        .iter()
        .for_each(|reader| reader.signal(Signal::CONT));
    for reader in &mut stopped {
        let told = report(reader).await;
        let count = |key: &str| told[key].as_u64().unwrap();
        assert_eq!(count("received") + count("gapped"), FLOOD, "{told}");
        assert!(count("gapped") >= 10_000, "{told}");
        assert!(count("gaps") >= 1 && told["bye"].is_null(), "{told}");
    }
    let metrics = chat.metrics().await;
    assert!(metrics.sum("chatd_gaps_total", &["slow_consumer"]) >= STOPPED as f64);
    assert_eq!(
        metrics.sum("chatd_connections_closed_total", &["slow_consumer"]),
        0.0
    );
}

#[tokio::test]
async fn who_stops_reading_is_sent_away_where_the_operator_wants_that() {
    let _alone = alone().await;
    let chat = Daemon::start(config("disconnect")).await;
    let mut stopped = flood_past_stopped_readers(&chat, SMALL_FLOOD).await;

    stopped
        .iter()
        .for_each(|reader| reader.signal(Signal::CONT));
    for reader in &mut stopped {
        let told = report(reader).await;
        assert_eq!(told["bye"], "slow_consumer", "{told}");
        assert_eq!(told["gapped"], 0, "{told}");
    }
    let counted = ["chatd_connections_closed_total", "slow_consumer"];
    chat.counts(counted[0], &[counted[1]], STOPPED as f64).await;
    assert_eq!(
        chat.metrics().await.sum("chatd_gap_messages_total", &[]),
        0.0
    );
}

/// Everybody is in the room, four readers are stopped, the room is flooded, and the others hear
/// all of it. The stopped ones are handed back still stopped.
async fn flood_past_stopped_readers(chat: &Daemon, messages: u64) -> Vec<Companion> {
    let mut stopped: Vec<Companion> = (0..STOPPED)
        .map(|n| spawn_reader(chat, n, messages))
        .collect();
    for reader in &mut stopped {
        reader.prints_words(&["ready"]).await;
    }
    let mut readers = JoinSet::new();
    let mut progress = Vec::new();
    for n in 0..READERS {
        let peer = chat.full_in("flood", &format!("reader{n}")).await;
        let (read, seen) = watch::channel(0);
        progress.push(seen);
        readers.spawn(read_all(peer, messages, read));
    }
    let before = chat.resident_bytes();
    stopped
        .iter()
        .for_each(|reader| reader.signal(Signal::STOP));
    until("they stand still", async || {
        stopped.iter().all(Companion::is_stopped).then_some(())
    })
    .await;

    let mut publishers = JoinSet::new();
    for n in 0..PUBLISHERS {
        let peer = chat.full(&format!("publisher{n}")).await;
        publishers.spawn(publish(peer, n, messages, progress.clone()));
    }
    publishers.join_all().await;
    readers.join_all().await;

    // What the limits allow, the pages that the store's writer keeps, and what 44 connections, acks
    // and the allocator may cost beside it.
    const PAGES: u64 = 16 * 1024 * 1024;
    const ALLOWANCE: u64 = 16 * 1024 * 1024;
    let grown = chat.peak_resident_bytes().saturating_sub(before);
    assert!(
        grown <= RECENT_BYTES + BUFFER_BYTES + PAGES + ALLOWANCE,
        "grew by {grown} bytes"
    );
    stopped
}

/// A healthy reader: every number once, no gap.
async fn read_all(mut peer: Peer, messages: u64, read: watch::Sender<u64>) {
    for expected in 1..=messages {
        let line = peer
            .line_with_any_patience()
            .await
            .expect("a line, not the end");
        let seq = number(&line).unwrap_or_else(|| panic!("no message: {line:.200}"));
        assert_eq!(seq, expected, "{line:.200}");
        if seq.is_multiple_of(64) {
            read.send_replace(seq);
        }
    }
    read.send_replace(messages);
}

/// The number of a message line, without parsing all of it 30,000 × 36 times.
fn number(line: &str) -> Option<u64> {
    if !line.contains(r#""type":"message""#) {
        return None;
    }
    let (_, rest) = line.split_once(r#""seq":"#)?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?]
        .parse()
        .ok()
}

/// Publishes its share, never far ahead of the slowest healthy reader: this test is about the
/// stopped ones.
async fn publish(mut peer: Peer, n: u64, messages: u64, mut readers: Vec<watch::Receiver<u64>>) {
    const AHEAD: u64 = 500;
    peer.join("flood").await;
    let share = messages / PUBLISHERS;
    let text = "x".repeat(512);
    for said in 0..share {
        let published = said * PUBLISHERS + n;
        for reader in &mut readers {
            reader
                .wait_for(|read| read + AHEAD >= published)
                .await
                .unwrap();
        }
        peer.request("message", json!({ "room": "flood", "message": text }))
            .await;
        peer.hears_type_among_messages("ack").await;
    }
}

impl Peer {
    /// Reads over room messages to an object of this `type`.
    async fn hears_type_among_messages(&mut self, kind: &str) {
        let wanted = format!(r#""type":"{kind}""#);
        loop {
            let line = self.line().await;
            if line.contains(&wanted) {
                return;
            }
            assert!(number(&line).is_some(), "{line:.200}");
        }
    }
}

fn spawn_reader(chat: &Daemon, n: usize, messages: u64) -> Companion {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "slow::reader_process",
        "--ignored",
        "--nocapture",
    ]);
    command.env(
        "CHATD_TEST_READER",
        format!("{} stopped{n} {messages}", chat.chat()),
    );
    Companion::start(&mut command)
}

/// What the reader process counted, once it has seen the end.
async fn report(reader: &mut Companion) -> Value {
    let line = reader.prints_words(&["received"]).await;
    serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap()
}

/// Little beside the flood, and enough for the kernel to go on quickly afterwards.
const ROOM_BYTES: u32 = 200 * 1024;

/// Not a test of its own: the reader that `spawn_reader` starts.
#[tokio::test]
#[ignore = "a helper process of the plays about slow readers"]
async fn reader_process() {
    let Ok(role) = std::env::var("CHATD_TEST_READER") else {
        return;
    };
    let words: Vec<&str> = role.split(' ').collect();
    let [server, username, messages] = words[..] else {
        panic!("no role: {role}");
    };
    let messages: u64 = messages.parse().unwrap();
    let mut peer = Peer::connect_with(server.parse().unwrap(), ROOM_BYTES).await;
    peer.hello(username).await;
    peer.join("flood").await;
    println!("\nready");

    let (mut received, mut gapped, mut gaps, mut bye) = (0, 0, 0, Value::Null);
    let mut last = 0;
    while last < messages {
        let Some(line) = peer.line_with_any_patience().await else {
            break;
        };
        let object: Value = serde_json::from_str(&line).unwrap();
        match object["type"].as_str().unwrap() {
            "message" => {
                received += 1;
                last = object["seq"].as_u64().unwrap();
            }
            "gap" => {
                let (from, to) = (
                    object["from"].as_u64().unwrap(),
                    object["to"].as_u64().unwrap(),
                );
                assert_eq!(
                    (from, object["count"].as_u64()),
                    (last + 1, Some(to + 1 - from))
                );
                gaps += 1;
                gapped += to + 1 - from;
                last = to;
            }
            "bye" => bye = object["code"].clone(),
            _ => {}
        }
    }
    println!(
        "{}",
        json!({ "received": received, "gapped": gapped, "gaps": gaps, "bye": bye })
    );
}
