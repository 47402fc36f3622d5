//! Faults that are many people, or people who hold something back.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
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
            "people who answer no ping",
            Found::Closed("ping_timeout", ""),
            |chat| Box::pin(mute(chat)),
        )
        .with(|config| {
            config
                .limit("ping_interval", "1s")
                .limit("ping_timeout", "1s")
        }),
        Fault::new("a flood of requests", Found::Closed("flood", ""), |chat| {
            Box::pin(flood_of_requests(chat))
        })
        .with(|config| config.limit("request_rate", "10/10s")),
        Fault::new(
            "joins and names faster than they may come",
            Found::Rejected("rate_limited", ""),
            |chat| Box::pin(joins_and_nicks(chat)),
        )
        .with(|config| config.limit("request_rate", "10/100s")),
        Fault::new(
            "more rooms than there may be",
            Found::Rejected("too_many_rooms", ""),
            |chat| Box::pin(rooms(chat)),
        )
        .with(|config| config.limit("rooms", 20).limit("room_idle", "1s")),
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

async fn crowd(chat: &Daemon, count: usize, source: &str) -> Vec<Peer> {
    join_all((0..count).map(|_| Peer::connect_from(chat.chat(), source))).await
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
    for _ in 0..FLOOD / WAVE {
        drop(crowd(chat, WAVE, "127.0.0.8").await);
    }
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

async fn flood_of_requests(chat: &Daemon) -> u64 {
    let mut eager = Peer::connect_from(chat.chat(), "127.0.0.8").await;
    eager.hello("eager").await;
    eager
        .send_if_open(&b"{\"type\":\"rooms\"}\n".repeat(5_000))
        .await;
    let heard = eager.hears_out().await;
    assert!(heard.last().unwrap().contains("\"flood\""), "{heard:?}");
    1
}

async fn joins_and_nicks(chat: &Daemon) -> u64 {
    let mut eager = Peer::connect_from(chat.chat(), "127.0.0.8").await;
    eager.hello("eager").await;
    let mut refused = 0;
    for n in 0..40 {
        let (kind, fields) = if n % 2 == 0 {
            ("join", json!({ "room": format!("room{n}") }))
        } else {
            ("nick", json!({ "username": format!("eager{n}") }))
        };
        eager.request(kind, fields).await;
        let answer = eager.object().await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "rate_limited", "{answer}");
            assert!(answer["retry_after_ms"].as_u64() > Some(0), "{answer}");
            refused += 1;
        }
    }
    assert!(refused >= 25, "{refused}");
    refused
}

async fn rooms(chat: &Daemon) -> u64 {
    let mut eager = Peer::connect_from(chat.chat(), "127.0.0.8").await;
    eager.hello("eager").await;
    let mut refused = 0;
    for n in 0..60 {
        eager
            .request("join", json!({ "room": format!("plot{n}") }))
            .await;
        let answer = eager.object().await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "too_many_rooms", "{answer}");
            refused += 1;
        }
    }
    assert!(chat.metrics().await.sum("chatd_rooms", &[]) <= 20.0);
    refused
}
