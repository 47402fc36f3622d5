//! Faults that are one person who is too fast.

use serde_json::json;

use crate::harness::{Daemon, Peer};

use super::Fault;
use super::found::Found;

pub(super) fn faults() -> Vec<Fault> {
    vec![
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
            "messages that do not wait for their acks",
            Found::Counted("chatd_unacked_waits_total", "", ""),
            |chat| Box::pin(pipelined(chat)),
        )
        .with(|config| config.limit("unacked", 2)),
        Fault::new(
            "messages faster than they may come",
            Found::Counted("chatd_paced_total", "", ""),
            |chat| Box::pin(pipelined(chat)),
        )
        .with(|config| {
            config
                .limit("message_rate", "1000/1s")
                .limit("message_burst", 10)
        }),
        Fault::new(
            "more retries than are remembered",
            Found::Counted("chatd_dedup_evictions_total", "", ""),
            |chat| Box::pin(retries(chat)),
        )
        .with(|config| config.limit("dedup_entries", MOST_RETRIES)),
    ]
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
        refused += u64::from(eager.moves_too_fast(n).await);
    }
    assert!(refused >= 25, "{refused}");
    refused
}

/// Nothing is refused and nothing lost: whoever is too fast is not read meanwhile, and all of it is
/// said in the end.
async fn pipelined(chat: &Daemon) -> u64 {
    const MESSAGES: u64 = 500;
    let mut eager = chat.full_in("den", "eager").await;
    let line = json!({ "type": "message", "room": "den", "message": "x" });
    let lines = format!("{line}\n").repeat(MESSAGES as usize);
    eager.send(lines.as_bytes()).await;
    let (mut acks, mut messages) = (0, 0);
    while (acks, messages) != (MESSAGES, MESSAGES) {
        let object = eager.object().await;
        match object["type"].as_str() {
            Some("ack") => acks += 1,
            Some("message") => messages += 1,
            _ => panic!("{object}"),
        }
    }
    1
}

/// Retry ids that are remembered.
const MOST_RETRIES: i64 = 100;

/// Each message with an id of its own. The oldest are forgotten, and there are never more than may be.
async fn retries(chat: &Daemon) -> u64 {
    const MESSAGES: u64 = 500;
    let mut forgetful = chat.full_in("den", "forgetful").await;
    for n in 0..MESSAGES {
        let fields = json!({ "room": "den", "message": "x", "cid": n.to_string() });
        forgetful.request("message", fields).await;
        let mut heard = [forgetful.object().await, forgetful.object().await];
        heard.sort_by_key(|object| object["type"].as_str() != Some("ack"));
        assert!(heard[0]["duplicate"].is_null(), "{heard:?}");
    }
    let metrics = chat.metrics().await;
    let remembered = metrics.value("chatd_dedup_entries", &[]);
    assert!(remembered <= MOST_RETRIES as f64, "{remembered}");
    MESSAGES - MOST_RETRIES as u64
}
