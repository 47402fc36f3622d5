//! Coming back: `since`, safe retry, and the same identity on another connection.

use serde_json::json;

use crate::harness::{Config, Daemon, Peer, until};

/// A room in which alice has said `count` numbered lines.
async fn told(chat: &Daemon, room: &str, count: u64) -> (Peer, String) {
    let mut alice = chat.full("alice").await;
    let joined = alice.join(room).await;
    for n in 1..=count {
        alice.publish(room, &format!("line {n}")).await;
    }
    (alice, joined["epoch"].as_str().unwrap().to_owned())
}

/// The next lines are these numbers of the room.
async fn hears_numbers(peer: &mut Peer, room: &str, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let message = peer
            .hears_message(room, "alice", &format!("line {n}"))
            .await;
        assert_eq!(message["seq"], n, "{message}");
    }
}

#[tokio::test]
async fn without_since_a_newcomer_hears_what_comes() {
    let chat = Daemon::start(Config::shipped()).await;
    let (mut alice, epoch) = told(&chat, "den", 5).await;
    let mut bob = chat.full("bob").await;
    let joined = bob.join("den").await;
    assert_eq!(
        (&joined["seq"], &joined["first"]),
        (&json!(5), &json!(1)),
        "{joined}"
    );
    assert_eq!(joined["epoch"], epoch.as_str(), "{joined}");
    alice.publish("den", "line 6").await;
    hears_numbers(&mut bob, "den", 6..=6).await;
}

#[tokio::test]
async fn since_continues_exactly() {
    let chat = Daemon::start(Config::roomy()).await;
    let (mut alice, epoch) = told(&chat, "den", 50).await;
    for since in [0, 1, 25, 49, 50] {
        let mut bob = chat.full(&format!("bob{since}")).await;
        let joined = bob.join_since("den", &epoch, since).await;
        assert_eq!(joined["seq"], 50, "{joined}");
        hears_numbers(&mut bob, "den", since + 1..=50).await;
        bob.hears_nothing_else().await;
        drop(bob);
    }
    let mut bob = chat.full("bob").await;
    bob.join_since("den", &epoch, 48).await;
    alice.publish("den", "line 51").await;
    hears_numbers(&mut bob, "den", 49..=51).await;
}

#[tokio::test]
async fn what_retention_removed_is_one_leading_gap() {
    let chat = Daemon::start(Config::forgetful().limit("recent_messages", 10)).await;
    let (mut alice, epoch) = told(&chat, "den", 30).await;
    let mut bob = chat.full("bob").await;
    let joined = bob.join_since("den", &epoch, 3).await;
    let first = joined["first"].as_u64().unwrap();
    assert!(
        (11..=21).contains(&first),
        "at least ten of thirty are kept: {joined}"
    );
    let gap = bob.hears_type("gap").await;
    assert_eq!(
        (&gap["from"], &gap["to"]),
        (&json!(4), &json!(first - 1)),
        "{gap}"
    );
    assert_eq!(
        (&gap["count"], &gap["reason"]),
        (&json!(first - 4), &json!("history_expired"))
    );
    assert_eq!(
        (&gap["room"], &gap["epoch"]),
        (&json!("den"), &json!(epoch)),
        "{gap}"
    );
    assert!(gap["recoverable"].is_boolean(), "{gap}");
    hears_numbers(&mut bob, "den", first..=30).await;
    alice.publish("den", "line 31").await;
    hears_numbers(&mut bob, "den", 31..=31).await;
}

#[tokio::test]
async fn another_epoch_or_a_number_beyond_the_head_starts_over_openly() {
    let chat = Daemon::start(Config::roomy()).await;
    let (_alice, epoch) = told(&chat, "den", 5).await;
    for (name, since_epoch, seq) in [("bob", "another", 3), ("carol", epoch.as_str(), 6)] {
        let mut peer = chat.full(name).await;
        let joined = peer.join_since("den", since_epoch, seq).await;
        let gap = peer.hears_type("gap").await;
        assert_eq!(gap["reason"], "epoch_changed", "{gap}");
        assert_eq!(gap["epoch"], joined["epoch"], "{gap}");
        assert!(
            gap.get("from").is_none() && gap.get("to").is_none(),
            "{gap}"
        );
        hears_numbers(&mut peer, "den", 1..=5).await;
        peer.hears_nothing_else().await;
    }
}

#[tokio::test]
async fn a_forgotten_room_begins_another_epoch() {
    let chat = Daemon::start(Config::forgetful().limit("room_idle", "1s")).await;
    let (mut alice, epoch) = told(&chat, "den", 5).await;
    alice.ask("part", json!({ "room": "den" }), "parted").await;
    until("the empty room is forgotten", async || {
        let rooms = alice.ask("rooms", json!({}), "rooms").await;
        (!rooms.to_string().contains("den")).then_some(())
    })
    .await;
    let joined = alice.join_since("den", &epoch, 5).await;
    assert_ne!(joined["epoch"], epoch.as_str(), "{joined}");
    assert_eq!(joined["seq"], 0, "{joined}");
    assert_eq!(alice.hears_type("gap").await["reason"], "epoch_changed");
}

#[tokio::test]
async fn a_retry_is_answered_with_the_first_ack() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    let say = async |peer: &mut Peer, text: &str| {
        peer.request(
            "message",
            json!({ "room": "den", "message": text, "cid": "c1" }),
        )
        .await;
    };
    say(&mut alice, "once").await;
    let mut first = [alice.object().await, alice.object().await];
    first.sort_by_key(|object| object["type"].as_str() != Some("ack"));
    say(&mut alice, "another text, the same id").await;
    let again = alice.hears_type("ack").await;
    assert_eq!(again["duplicate"], true, "{again}");
    for key in ["room", "epoch", "seq", "time", "cid", "durability"] {
        assert_eq!(again[key], first[0][key], "{again}");
    }
    // The id is the author's own: somebody else may use the same one.
    say(&mut bob, "bob's own").await;
    bob.hears_message("den", "alice", "once").await;
    let heard = [bob.object().await, bob.object().await];
    assert!(
        heard.iter().any(|object| object["message"] == "bob's own"),
        "{heard:?}"
    );
    alice.hears_message("den", "bob", "bob's own").await;
    alice.hears_nothing_else().await;
}

#[tokio::test]
async fn a_pipelined_retry_waits_for_the_first() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    for _ in 0..20 {
        let fields = json!({ "room": "den", "message": "once", "cid": "same" });
        alice.request("message", fields).await;
    }
    let (mut acks, mut messages) = (Vec::new(), 0);
    while acks.len() < 20 {
        let object = alice.object().await;
        match object["type"].as_str() {
            Some("ack") => acks.push(object),
            Some("message") => messages += 1,
            _ => panic!("{object}"),
        }
    }
    assert!(acks.iter().all(|ack| ack["seq"] == 1), "{acks:?}");
    let duplicates = acks.iter().filter(|ack| ack["duplicate"] == true).count();
    assert_eq!(duplicates, 19, "{acks:?}");
    if messages == 0 {
        alice.hears_type("message").await;
    }
    alice.hears_nothing_else().await;
}

#[tokio::test]
async fn resume_is_the_same_person() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut old = chat.stranger().await;
    let welcome = old.hello("alice").await;
    let joined = old.join("den").await;
    old.request(
        "message",
        json!({ "room": "den", "message": "one", "cid": "c1" }),
    )
    .await;
    old.hears_until("ack").await;

    let mut new = chat.stranger().await;
    let resume = json!({ "username": "alice", "caps": [], "resume": welcome["resume"] });
    let again = new.hello_with(resume).await;
    assert_eq!(again["username"], "alice", "the name passes over: {again}");
    let last_words = old.hears_out().await;
    let bye: serde_json::Value = serde_json::from_str(last_words.last().unwrap()).unwrap();
    assert_eq!(
        (&bye["type"], &bye["code"]),
        (&json!("bye"), &json!("replaced")),
        "{bye}"
    );

    new.join_since("den", joined["epoch"].as_str().unwrap(), 0)
        .await;
    new.hears_message("den", "alice", "one").await;
    new.request(
        "message",
        json!({ "room": "den", "message": "one", "cid": "c1" }),
    )
    .await;
    let ack = new.hears_type("ack").await;
    assert_eq!(
        (&ack["seq"], &ack["duplicate"]),
        (&json!(1), &json!(true)),
        "{ack}"
    );
}

#[tokio::test]
async fn resume_after_the_connection_is_gone() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut old = chat.stranger().await;
    let welcome = old.hello("alice").await;
    old.reset();
    let mut new = chat.stranger().await;
    let again = new
        .hello_with(json!({ "username": "alice", "resume": welcome["resume"] }))
        .await;
    assert_eq!(again["username"], "alice", "{again}");

    let mut mallory = chat.stranger().await;
    let guess = json!({ "username": "alice", "resume": "00000000000000000000000000000000" });
    mallory.request("hello", guess).await;
    mallory.hears_error("nick_in_use").await;
    new.hears_nothing_else().await;
}
