//! Each limit at its edge: the named error or ending, a counter, and nobody else delayed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer, until};
use crate::pair::Pair;

/// A request of exactly so many bytes, padded where JSON does not mind.
fn line_of(bytes: usize) -> String {
    let (head, tail) = (r#"{"type":"ping","token":"t""#, "}");
    format!(
        "{head}{}{tail}",
        " ".repeat(bytes - head.len() - tail.len())
    )
}

/// Whoever is refused hears one sentence that a client of either kind can show.
async fn is_told(mut newcomer: Peer, code: &str) -> Value {
    let bye = newcomer.hears_bye(code).await;
    assert_eq!(bye["username"], "chatd", "{bye}");
    let text = bye["message"].as_str().unwrap_or_default();
    assert!(text.contains(' '), "no sentence: {bye}");
    bye
}

#[tokio::test]
async fn line() {
    let chat = Daemon::start(Config::shipped().limit("line", "8KiB")).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    for bytes in [8 * 1024 - 1, 8 * 1024] {
        peer.send(format!("{}\r\n", line_of(bytes)).as_bytes())
            .await;
        peer.hears_type("pong").await;
    }
    for bytes in [8 * 1024 + 1, 100 * 1024] {
        peer.say(&line_of(bytes)).await;
        peer.hears_error("line_too_long").await;
    }
    peer.hears_nothing_else().await;
    chat.counts("chatd_messages_rejected_total", &["line_too_long"], 2.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn a_line_without_an_end_costs_no_memory_and_ends_in_a_close() {
    const SENT: usize = 64 * 1024 * 1024;
    let chat = Daemon::start(Config::shipped().limit("bad_lines", 10)).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    let block = vec![b'x'; 1024 * 1024];
    peer.send(&block).await;
    let before = chat.peak_resident_bytes();
    for _ in 1..SENT / block.len() {
        peer.send_if_open(&block).await;
    }
    let heard = peer.hears_out().await;
    assert!(
        heard.len() <= 11,
        "at most an error for each fault, and bye: {heard:?}"
    );
    chat.counts("chatd_connections_closed_total", &["protocol_error"], 1.0)
        .await;
    let peak = chat.peak_resident_bytes();
    assert!(
        peak < before + 4 * 1024 * 1024,
        "the line was kept: {peak} bytes after {before}"
    );
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn message() {
    let chat = Daemon::start(Config::shipped().limit("message", "100B")).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full_in("lobby", "peer").await;
    for text in ["x".repeat(99), "x".repeat(100), "ü".repeat(50)] {
        peer.publish("lobby", &text).await;
    }
    for text in ["x".repeat(101), format!("x{}", "ü".repeat(50))] {
        peer.request(
            "message",
            json!({ "room": "lobby", "message": text, "cid": "c" }),
        )
        .await;
        let error = peer.hears_error("message_too_long").await;
        assert_eq!(
            (&error["limit"], &error["cid"]),
            (&json!(100), &json!("c")),
            "{error}"
        );
    }
    chat.counts("chatd_messages_rejected_total", &["message_too_long"], 2.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn clients() {
    let chat = Daemon::start(Config::shipped().limit("clients", 4).limit("listeners", 4)).await;
    let mut pair = Pair::arrive(&chat).await;
    let third = chat.full("third").await;
    let _fourth = chat.full("fourth").await;
    is_told(chat.stranger().await, "server_full").await;
    let labels = ["reason=\"server_full\"", "detail=\"clients\""];
    chat.counts("chatd_connections_refused_total", &labels, 1.0)
        .await;
    let limit = chat.metrics().await.value("chatd_connections_limit", &[]);
    assert_eq!(limit, 4.0);
    pair.goes_on_talking().await;
    drop(third);
    until("the place is free again", async || {
        let mut sixth = chat.stranger().await;
        sixth
            .send_if_open(b"{\"type\":\"hello\",\"version\":1,\"username\":\"sixth\"}\n")
            .await;
        let heard = sixth.line_or_end().await;
        heard.filter(|line| line.contains(r#""type":"welcome""#))
    })
    .await;
}

#[tokio::test]
async fn clients_per_address() {
    let chat = Daemon::start(Config::shipped().limit("clients_per_address", 3)).await;
    let mut pair = Pair::arrive(&chat).await;
    let _third = chat.full("third").await;
    is_told(chat.stranger().await, "too_many_connections").await;
    chat.counts(
        "chatd_connections_refused_total",
        &["too_many_connections", "clients_per_address"],
        1.0,
    )
    .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn connect_rate() {
    let chat = Daemon::start(Config::shipped().limit("connect_rate", "5/3600s")).await;
    let mut pair = Pair::arrive(&chat).await;
    for n in 0..3 {
        chat.full(&format!("peer{n}")).await;
    }
    let bye = is_told(chat.stranger().await, "too_many_connections").await;
    assert_eq!(bye["reconnect"], true, "{bye}");
    chat.counts(
        "chatd_connections_refused_total",
        &["too_many_connections", "connect_rate"],
        1.0,
    )
    .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn listeners() {
    let config = Config::shipped()
        .limit("listeners", 2)
        .limit("hello_timeout", "1s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut one = chat.listener().await;
    let _two = chat.listener().await;
    // Whoever has been silent for long enough; who comes later is one too many.
    chat.counts("chatd_listeners", &[], 2.0).await;
    is_told(chat.stranger().await, "server_full").await;
    let labels = ["reason=\"server_full\"", "detail=\"listeners\""];
    chat.counts("chatd_connections_closed_total", &labels, 1.0)
        .await;
    assert_eq!(chat.metrics().await.value("chatd_listeners", &[]), 2.0);
    pair.goes_on_talking().await;
    one.hello("one").await;
    let _again = chat.listener().await;
}

#[tokio::test]
async fn rooms_and_rooms_per_client() {
    let chat = Daemon::start(
        Config::shipped()
            .limit("rooms", 4)
            .limit("rooms_per_client", 2),
    )
    .await;
    let mut pair = Pair::arrive(&chat).await; // lobby and parlour
    let mut peer = chat.full("peer").await;
    peer.join("a").await;
    peer.join("b").await;
    peer.request("join", json!({ "room": "parlour" })).await;
    peer.hears_error("too_many_rooms").await;
    let mut other = chat.full("other").await;
    other.request("join", json!({ "room": "c" })).await;
    other.hears_error("too_many_rooms").await;
    other.join("a").await;
    peer.ask("part", json!({ "room": "a" }), "parted").await;
    peer.join("parlour").await;
    chat.counts("chatd_messages_rejected_total", &["too_many_rooms"], 2.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn request_rate() {
    let chat = Daemon::start(Config::shipped().limit("request_rate", "5/3600s")).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full_in("room0", "peer").await;
    let mut answered = 0;
    let error = loop {
        let fields = json!({ "room": "room0", "label": "l" });
        peer.request("names", fields).await;
        let answer = peer.object().await;
        if answer["type"] == "error" {
            break answer;
        }
        answered += 1;
    };
    assert!(
        (4..=25).contains(&answered),
        "a burst and no more: {answered}"
    );
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0),
        "{error}"
    );
    assert_eq!(error["label"], "l", "{error}");
    peer.publish("room0", "messages to rooms are paced, not refused")
        .await;
    chat.counts("chatd_messages_rejected_total", &["rate_limited"], 1.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn unacked() {
    let chat = Daemon::start(Config::roomy().limit("unacked", 2)).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full_in("lobby", "peer").await;
    for n in 0..200 {
        peer.request("message", json!({ "message": "x", "cid": n.to_string() }))
            .await;
    }
    let mut acks = 0;
    while acks < 200 {
        let object = peer.object().await;
        if object["type"] == "ack" {
            assert_eq!(object["cid"], acks.to_string(), "{object}");
            acks += 1;
        }
    }
    let waits = chat.metrics().await.sum("chatd_unacked_waits_total", &[]);
    assert!(waits > 0.0, "it was read on and on");
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn message_rate() {
    let config = Config::shipped()
        .limit("message_rate", "10/1s")
        .limit("message_burst", 5);
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut eager = chat.full_in("den", "eager").await;
    let begun = tokio::time::Instant::now();
    for n in 0..25 {
        eager
            .request(
                "message",
                json!({ "room": "den", "message": n.to_string() }),
            )
            .await;
    }
    let mut heard = 0;
    while heard < 25 {
        let object = eager.object().await;
        if object["type"] == "message" {
            assert_eq!(object["message"], heard.to_string(), "nothing is lost");
            heard += 1;
        }
    }
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(1800),
        "{took:?} for 20 over the burst"
    );
    assert!(chat.metrics().await.sum("chatd_paced_total", &[]) > 0.0);
    pair.goes_on_talking().await;
}

impl Peer {
    /// Goes to another room or takes another name, in turn. True if that was refused for its pace.
    pub(crate) async fn moves_too_fast(&mut self, n: usize) -> bool {
        let (kind, fields) = if n.is_multiple_of(2) {
            ("join", json!({ "room": format!("room{n}") }))
        } else {
            ("nick", json!({ "username": format!("eager{n}") }))
        };
        self.request(kind, fields).await;
        let answer = self.object().await;
        let is_refused = answer["type"] == "error";
        if is_refused {
            assert_eq!(answer["code"], "rate_limited", "{answer}");
            assert!(answer["retry_after_ms"].as_u64() > Some(0), "{answer}");
        }
        is_refused
    }
}

#[tokio::test]
async fn joins_and_nicks_count_as_requests() {
    let chat = Daemon::start(Config::shipped().limit("request_rate", "6/3600s")).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut eager = chat.full("eager").await;
    let mut person = chat.stranger().await;
    person.say("/nick person").await;
    let mut refused = 0;
    for n in 0..10 {
        refused += u64::from(eager.moves_too_fast(n).await);
        person.say(&format!("/join room{n}")).await;
    }
    assert_eq!(refused, 4, "six requests, and no more for an hour");
    loop {
        let line = person.line().await;
        if line.starts_with("! ") && line.contains("too many") {
            break;
        }
    }
    let refused = chat.metrics().await;
    assert!(refused.sum("chatd_messages_rejected_total", &["rate_limited"]) >= 5.0);
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn bad_lines() {
    let chat = Daemon::start(Config::shipped().limit("bad_lines", 3)).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    for _ in 0..2 {
        peer.say("{").await;
        peer.hears_error("bad_json").await;
    }
    peer.hears_nothing_else().await; // a good line: the count begins anew
    for _ in 0..3 {
        peer.say("{").await;
        peer.hears_error("bad_json").await;
    }
    peer.hears_bye("protocol_error").await;
    chat.counts("chatd_connections_closed_total", &["protocol_error"], 1.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn outbox_of_replies() {
    let config = Config::roomy()
        .limit("line", "8KiB")
        .limit("outbox", "24KiB")
        .limit("socket_buffer", "8KiB")
        .limit("write_stall", "3s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut deaf = Peer::connect_narrow(chat.chat()).await;
    deaf.hello("deaf").await;
    let pings = format!("{{\"type\":\"ping\",\"token\":\"{}\"}}\n", "x".repeat(60)).repeat(20_000);
    deaf.send_for(pings.as_bytes(), Duration::from_secs(10))
        .await;
    chat.counts("chatd_connections_closed_total", &["slow_consumer"], 1.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn outbox_of_private_messages() {
    let config = Config::roomy()
        .limit("line", "8KiB")
        .limit("outbox", "24KiB")
        .limit("socket_buffer", "8KiB")
        .limit("write_stall", "300s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut deaf = Peer::connect_narrow(chat.chat()).await;
    deaf.hello("deaf").await;
    let mut acked = 0;
    let busy = until("the recipient is busy", async || {
        let fields = json!({ "to": "deaf", "message": "x".repeat(1000), "cid": acked.to_string() });
        pair.alice.request("message", fields).await;
        let answer = pair.alice.object().await;
        acked += u64::from(answer["type"] == "ack");
        (answer["type"] == "error").then_some(answer)
    })
    .await;
    assert_eq!(busy["code"], "recipient_busy", "{busy}");
    chat.row_of(&deaf, |_| true).await;
    for n in 0..acked {
        let message = deaf.hears_type("message").await;
        assert_eq!(
            message["cid"],
            n.to_string(),
            "what was acknowledged arrives: {message}"
        );
    }
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn dedup_entries_and_age() {
    let say = async |peer: &mut Peer, cid: &str| {
        peer.request(
            "message",
            json!({ "room": "den", "message": "x", "cid": cid }),
        )
        .await;
        loop {
            let object = peer.object().await;
            if object["type"] == "ack" {
                return object["duplicate"] == true;
            }
        }
    };
    let chat = Daemon::start(Config::roomy().limit("dedup_entries", 100)).await;
    let mut alice = chat.full_in("den", "alice").await;
    assert!(!say(&mut alice, "first").await);
    assert!(say(&mut alice, "first").await, "remembered");
    let mut n = 0;
    until("the first id is forgotten", async || {
        for _ in 0..100 {
            n += 1;
            say(&mut alice, &format!("later{n}")).await;
        }
        (!say(&mut alice, "first").await).then_some(())
    })
    .await;
    let metrics = chat.metrics().await;
    assert!(metrics.sum("chatd_dedup_evictions_total", &[]) > 0.0);
    let (there, most) = (
        metrics.value("chatd_dedup_entries", &[]),
        metrics.value("chatd_dedup_entries_limit", &[]),
    );
    assert!(there <= most && most == 100.0, "{there} of {most}");

    let chat = Daemon::start(Config::roomy().limit("dedup_age", "1s")).await;
    let mut alice = chat.full_in("den", "alice").await;
    assert!(!say(&mut alice, "first").await);
    until("the id is too old", async || {
        (!say(&mut alice, "first").await).then_some(())
    })
    .await;
}
