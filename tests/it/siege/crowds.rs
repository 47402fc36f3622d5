//! Faults that are many people, or people who hold something back.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::harness::{Daemon, NARROW_BYTES, Peer, until};

use super::Fault;
use super::found::Found;

/// So many of a kind.
const CROWD: usize = 500;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "500 first lines without an end",
            Found::Closed("hello_timeout", ""),
            |chat| Box::pin(half_first_lines(chat)),
        )
        .with(|config| config.limit("hello_timeout", "3s")),
        Fault::new(
            "first lines a byte at a time",
            Found::Closed("hello_timeout", ""),
            |chat| Box::pin(dripping(chat, false)),
        )
        .with(|config| config.limit("hello_timeout", "2s")),
        Fault::new(
            "100 later lines without an end",
            Found::Closed("line_timeout", ""),
            |chat| Box::pin(half_lines(chat)),
        )
        .with(|config| config.limit("line_timeout", "2s")),
        Fault::new(
            "later lines a byte at a time",
            Found::Closed("line_timeout", ""),
            |chat| Box::pin(dripping(chat, true)),
        )
        .with(|config| config.limit("line_timeout", "2s")),
        Fault::new(
            "500 silent listeners and 20 more",
            Found::Closed("server_full", "listeners"),
            |chat| Box::pin(silent(chat)),
        )
        .with(|config| {
            config
                .limit("listeners", CROWD as i64)
                .limit("hello_timeout", "3s")
        }),
        Fault::new(
            "2,000 connections at once from one address",
            Found::Refused("too_many_connections", "connect_rate"),
            |chat| Box::pin(flood_of_connections(chat)),
        )
        .with(|config| config.limit("connect_rate", "100/10s")),
        Fault::new(
            "more people than there is room for",
            Found::Refused("server_full", "clients"),
            |chat| Box::pin(more_than(chat, 50, "server_full")),
        )
        .with(|config| config.limit("clients", 50)),
        Fault::new(
            "more people of one address than may come",
            Found::Refused("too_many_connections", "clients_per_address"),
            |chat| Box::pin(more_than(chat, 10, "too_many_connections")),
        )
        .with(|config| config.limit("clients_per_address", 10)),
        Fault::new(
            "readers that read nothing",
            Found::Closed("slow_consumer", "write_stall"),
            |chat| Box::pin(slow_readers(chat, false)),
        )
        .with(|config| config.limit("write_stall", "2s")),
        Fault::new(
            "readers that read a byte at a time",
            Found::Closed("slow_consumer", "write_stall"),
            |chat| Box::pin(slow_readers(chat, true)),
        )
        .with(|config| config.limit("write_stall", "2s")),
        Fault::new(
            "readers that are told to hurry, and do not",
            Found::Closed("slow_consumer", "lag"),
            |chat| Box::pin(slow_readers(chat, false)),
        )
        .with(|config| {
            config
                .limit("lag_bytes", "256KiB")
                .limit("on_lag", "disconnect")
                // So long they may take to read why.
                .limit("write_stall", "8s")
        }),
        Fault::new(
            "more bytes for the slow than may be kept",
            Found::Counted("chatd_buffer_evictions_total", "", ""),
            |chat| Box::pin(slow_readers(chat, false)),
        )
        .with(|config| {
            config
                .limit("buffer_bytes", "1KiB")
                .limit("write_stall", "2s")
        }),
        Fault::new(
            "people who answer no ping",
            Found::Closed("ping_timeout", ""),
            |chat| Box::pin(mute(chat)),
        )
        .with(|config| {
            config
                .limit("ping_interval", "1s")
                // The pair must have the time to answer, however busy the machine is.
                .limit("ping_timeout", "4s")
        }),
    ]
}

/// As many as the worst of the faults brings, and more text than the store keeps in memory, come
/// and gone: what the daemon keeps for the next time is a part of its rest.
pub(super) async fn has_been_here(chat: &Daemon) {
    /// Above the 16 MiB of pages that the store's writer keeps.
    const LONG_TEXTS: usize = 5_000;
    let mut talker = chat.full_in("past", "talker").await;
    let text = "x".repeat(4_000);
    for _ in 0..LONG_TEXTS {
        talker.publish("past", &text).await;
    }
    drop(talker);
    let crowd = crowd(chat, CROWD, "127.0.0.6").await;
    drop(crowd);
    until("the crowd is gone from the books too", async || {
        let gone = chat.clients().await.len() == 2
            && chat.metrics().await.sum("chatd_connections", &[]) == 2.0;
        gone.then_some(())
    })
    .await;
}

/// So many people, and all of them are at the door at least: who still queues before it would come
/// in when everybody is thought to have left.
async fn crowd(chat: &Daemon, count: usize, source: &str) -> Vec<Peer> {
    let before = accepted(chat).await;
    let crowd = knock(chat, count, source).await;
    are_accepted(chat, before, count).await;
    crowd
}

async fn knock(chat: &Daemon, count: usize, source: &str) -> Vec<Peer> {
    join_all((0..count).map(|_| Peer::connect_from(chat.chat(), source))).await
}

/// Connections that were taken from the queue so far, those included that were reset in it.
pub(super) async fn accepted(chat: &Daemon) -> u64 {
    let metrics = chat.metrics().await;
    let reset = metrics.sum("chatd_accept_errors_total", &["aborted"]);
    (metrics.sum("chatd_connections_accepted_total", &[]) + reset) as u64
}

pub(super) async fn are_accepted(chat: &Daemon, before: u64, count: usize) {
    until("nobody is left in the queue", async || {
        (accepted(chat).await >= before + count as u64).then_some(())
    })
    .await;
}

async fn half_first_lines(chat: &Daemon) -> u64 {
    let mut crowd = crowd(chat, CROWD, "127.0.0.8").await;
    for peer in &mut crowd {
        peer.send(b"{\"type\":\"hello\",").await;
    }
    for peer in &mut crowd {
        let heard = peer.hears_out().await;
        assert!(
            heard.last().is_some_and(|line| line.contains("in time")),
            "{heard:?}"
        );
    }
    CROWD as u64
}

async fn half_lines(chat: &Daemon) -> u64 {
    const COUNT: usize = 100;
    let mut crowd = crowd(chat, COUNT, "127.0.0.8").await;
    for (n, peer) in crowd.iter_mut().enumerate() {
        peer.hello(&format!("half{n}")).await;
        peer.send(b"{\"type\":\"pi").await;
    }
    for peer in &mut crowd {
        peer.hears_bye("line_timeout").await;
    }
    COUNT as u64
}

/// A byte now and then buys no time: the clock of a line runs from its first one.
async fn dripping(chat: &Daemon, is_later: bool) -> u64 {
    const COUNT: usize = 20;
    let mut crowd = crowd(chat, COUNT, "127.0.0.8").await;
    for (n, peer) in crowd.iter_mut().enumerate() {
        if is_later {
            peer.hello(&format!("drip{n}")).await;
        }
        peer.send(b"{").await;
    }
    until("they are gone", async || {
        for peer in &mut crowd {
            peer.send_if_open(b" ").await;
        }
        sleep(Duration::from_millis(100)).await;
        (chat.clients().await.len() == 2).then_some(())
    })
    .await;
    COUNT as u64
}

/// Whoever only listens is let be, up to a number, and hears everything.
async fn silent(chat: &Daemon) -> u64 {
    const MORE: usize = 20;
    let mut crowd = crowd(chat, CROWD + MORE, "127.0.0.8").await;
    until("all have been silent for long enough", async || {
        let metrics = chat.metrics().await;
        let is_full = metrics.sum("chatd_listeners", &[]) == CROWD as f64;
        (is_full && chat.clients().await.len() == 2 + CROWD).then_some(())
    })
    .await;
    let mut speaker = Peer::connect_from(chat.chat(), "127.0.0.9").await;
    speaker.hello("speaker").await;
    speaker.join("lobby").await;
    speaker.publish("lobby", "to whom it may concern").await;
    let mut heard = 0;
    for peer in &mut crowd {
        let line = peer.line().await;
        heard +=
            usize::from(line == r#"{"username":"speaker","message":"to whom it may concern"}"#);
    }
    assert_eq!(heard, CROWD, "everybody who is left hears it");
    MORE as u64
}

async fn flood_of_connections(chat: &Daemon) -> u64 {
    const FLOOD: usize = 2_000;
    const WAVE: usize = 250;
    let before = accepted(chat).await;
    for _ in 0..FLOOD / WAVE {
        drop(knock(chat, WAVE, "127.0.0.8").await);
    }
    are_accepted(chat, before, FLOOD).await;
    // One burst, and what the time brings.
    FLOOD as u64 / 2
}

async fn more_than(chat: &Daemon, limit: usize, code: &str) -> u64 {
    const MORE: usize = 30;
    let mut crowd = crowd(chat, limit + MORE, "127.0.0.8").await;
    for peer in crowd.iter_mut().rev().take(5) {
        let bye = peer.hears_bye(code).await;
        assert_eq!(
            bye["username"], "chatd",
            "who speaks no dialect yet can read it: {bye}"
        );
        assert!(
            bye["message"]
                .as_str()
                .is_some_and(|text| text.contains(' ')),
            "{bye}"
        );
    }
    MORE as u64
}

/// People in a busy room who read too little of it.
async fn slow_readers(chat: &Daemon, is_dripping: bool) -> u64 {
    const COUNT: usize = 4;
    let mut slow = Vec::new();
    for n in 0..COUNT {
        let mut peer = Peer::connect_with(chat.chat(), NARROW_BYTES).await;
        peer.hello(&format!("slow{n}")).await;
        peer.join("well").await;
        slow.push(peer);
    }
    let mut speaker = chat.full_in("well", "speaker").await;
    let text = "x".repeat(3000);
    until("they are gone", async || {
        for _ in 0..10 {
            speaker.publish("well", &text).await;
        }
        if is_dripping {
            slow.iter().for_each(Peer::takes_a_byte);
        }
        (chat.clients().await.len() == 3).then_some(())
    })
    .await;
    COUNT as u64
}

async fn mute(chat: &Daemon) -> u64 {
    const COUNT: usize = 50;
    let mut crowd = crowd(chat, COUNT, "127.0.0.8").await;
    for (n, peer) in crowd.iter_mut().enumerate() {
        peer.hello(&format!("mute{n}")).await;
    }
    for peer in &mut crowd {
        peer.hears_type("ping").await;
        peer.hears_bye("ping_timeout").await;
    }
    COUNT as u64
}
