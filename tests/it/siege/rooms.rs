//! Faults that are many rooms, and what is kept of them.

use serde_json::json;

use crate::harness::{Daemon, Peer, until};

use super::Fault;
use super::found::Found;

/// Rooms of one kind.
const MANY: usize = 100;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "more rooms than there may be",
            Found::Rejected("too_many_rooms", "rooms"),
            |chat| Box::pin(more_rooms_than(chat, "too many rooms")),
        )
        .with(|config| config.limit("rooms", 20).limit("room_idle", "1s")),
        Fault::new(
            "more rooms than one may be in",
            Found::Rejected("too_many_rooms", "rooms_per_client"),
            |chat| Box::pin(more_rooms_than(chat, "you are in too many rooms")),
        )
        .with(|config| config.limit("rooms_per_client", 20)),
        Fault::new(
            "topics longer than they may be",
            Found::Rejected("bad_field", "topic"),
            |chat| Box::pin(long_topics(chat)),
        )
        .with(|config| config.limit("topic", "100B")),
        Fault::new(
            "topics of more rooms than are kept",
            Found::Rejected("too_many_rooms", "max_rooms"),
            |chat| Box::pin(topics_of_many(chat)),
        )
        .with(|config| {
            config
                .limit("room_idle", "1s")
                .set("history.max_rooms", MOST_KEPT)
        }),
        Fault::new(
            "a history of many rooms that is more than is kept",
            Found::Counted(
                "chatd_history_pruned_messages_total",
                "bound=\"bytes\"",
                "history.pruned",
            ),
            |chat| Box::pin(histories_of_many(chat)),
        )
        .with(|config| {
            config
                .limit("recent_bytes", "16KiB")
                .set("history.max_bytes", "3MiB")
        }),
    ]
}

async fn more_rooms_than(chat: &Daemon, sentence: &str) -> u64 {
    let mut eager = Peer::connect_from(chat.chat(), "127.0.0.8").await;
    eager.hello("eager").await;
    let mut refused = 0;
    for n in 0..60 {
        let fields = json!({ "room": format!("plot{n}") });
        eager.request("join", fields).await;
        let answer = eager.object().await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "too_many_rooms", "{answer}");
            let text = answer["text"].as_str().unwrap();
            assert!(text.contains(sentence), "{answer}");
            refused += 1;
        }
    }
    assert!(refused >= 39, "{refused}");
    refused
}

async fn long_topics(chat: &Daemon) -> u64 {
    let mut verbose = chat.full("verbose").await;
    for n in 0..MANY {
        let room = format!("plot{n}");
        verbose.join(&room).await;
        let fields = json!({ "room": room, "topic": "x".repeat(101) });
        verbose.request("topic", fields).await;
        let error = verbose.hears_error("bad_field").await;
        let text = error["text"].as_str().unwrap();
        assert!(text.contains("at most 100 bytes"), "{error}");
        verbose.ask("part", json!({ "room": room }), "parted").await;
    }
    MANY as u64
}

/// Rooms that the store has at most: more than the faults before have left behind.
const MOST_KEPT: i64 = 300;

/// A room with a topic is kept when everybody has left it. Somebody leaves topics everywhere, until
/// no more room can be made. Those that are there can be had; and without their topics they go.
async fn topics_of_many(chat: &Daemon) -> u64 {
    const MORE: u64 = 20;
    let kept = async |name: &str| chat.metrics().await.value(name, &[]);
    let mut vandal = chat.full("vandal").await;
    let topic = "x".repeat(500);
    let mut made = Vec::new();
    let mut refused = 0;
    for n in 0.. {
        let room = format!("wall{n}");
        vandal.request("join", json!({ "room": room })).await;
        let answer = vandal.object().await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "too_many_rooms", "{answer}");
            let text = answer["text"].as_str().unwrap();
            assert!(text.contains("rooms with a past"), "{answer}");
            refused += 1;
            if refused == MORE {
                break;
            }
            continue;
        }
        change_topic(&mut vandal, &room, &topic).await;
        vandal.ask("part", json!({ "room": room }), "parted").await;
        made.push(room);
        assert!(made.len() as i64 <= MOST_KEPT, "no end of rooms");
    }
    assert!(!made.is_empty(), "all places were taken before");
    assert_eq!(
        kept("chatd_history_rooms_limit").await,
        MOST_KEPT as f64,
        "the bound is another"
    );
    until("they rest in the store alone", async || {
        (kept("chatd_rooms").await < 50.0).then_some(())
    })
    .await;
    // Those that others had left without a word are gone by now.
    let left = kept("chatd_history_rooms").await;
    let fits = made.len() as f64..=MOST_KEPT as f64;
    assert!(fits.contains(&left), "{left} and not {fits:?}");
    for room in &made {
        vandal.join(room).await;
        change_topic(&mut vandal, room, "").await;
        vandal.ask("part", json!({ "room": room }), "parted").await;
    }
    until("there is a place again", async || {
        vandal.request("join", json!({ "room": "fresco" })).await;
        (vandal.object().await["type"] == "joined").then_some(())
    })
    .await;
    MORE
}

/// Sets a topic; its author hears of it as everybody does.
async fn change_topic(peer: &mut Peer, room: &str, topic: &str) {
    let fields = json!({ "room": room, "topic": topic });
    let told = peer.ask("topic", fields, "topic").await;
    assert_eq!(told["topic"], topic, "{told}");
}

/// Much is said in many rooms. What is the oldest goes, and who asks for it is told where the rest
/// begins.
async fn histories_of_many(chat: &Daemon) -> u64 {
    const EACH: usize = 20;
    let mut talker = chat.full("talker").await;
    let text = "x".repeat(3_000);
    for n in 0..MANY {
        let room = format!("hall{n}");
        talker.join(&room).await;
        for _ in 0..EACH {
            talker.publish(&room, &text).await;
        }
        talker.ask("part", json!({ "room": room }), "parted").await;
    }
    // How much the disk holds is looked at once a second: that it was exceeded is known later.
    until("what is the oldest of it is gone", async || {
        let oldest = talker.join("hall0").await;
        assert_eq!(oldest["seq"], EACH, "{oldest}");
        talker
            .ask("part", json!({ "room": "hall0" }), "parted")
            .await;
        (oldest["first"].as_u64() > Some(1)).then_some(())
    })
    .await;
    until("the disk is within its bound", async || {
        let metrics = chat.metrics().await;
        let used = metrics.value("chatd_history_used_bytes", &[]);
        (used <= metrics.value("chatd_history_limit_bytes", &[])).then_some(())
    })
    .await;
    // Twice what is kept was said.
    MANY as u64 * EACH as u64 / 2
}
