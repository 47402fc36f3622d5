//! What was said before, and what a room is about, on the real programs.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer};

impl Peer {
    /// Asks for a page: the numbers in it, and its end.
    pub(crate) async fn page(&mut self, room: &str, mut fields: Value) -> (Vec<u64>, Value) {
        fields["room"] = json!(room);
        fields["label"] = json!("page");
        self.request("history", fields).await;
        let mut numbers = Vec::new();
        loop {
            let line = self.object().await;
            assert_eq!(line["label"], "page", "{line}");
            if line["type"] != "message" {
                return (numbers, line);
            }
            numbers.push(line["seq"].as_u64().unwrap());
        }
    }
}

#[tokio::test]
async fn a_late_comer_reads_everything_page_by_page() {
    let chat = Daemon::start(Config::roomy().limit("history_page", 40)).await;
    let mut alice = chat.full_in("den", "alice").await;
    for n in 1..=100 {
        alice.publish("den", &format!("m{n}")).await;
    }
    let mut bob = chat.full_in("den", "bob").await;
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let (numbers, end) = bob
            .page("den", json!({ "after": after, "limit": 1000 }))
            .await;
        assert!(numbers.len() <= 40, "{}", numbers.len());
        all.extend(numbers);
        after = end["last"].as_u64().unwrap();
        if end["more"] == false {
            break;
        }
    }
    assert_eq!(all, (1..=100).collect::<Vec<_>>());
    assert!(
        chat.metrics()
            .await
            .value("chatd_history_messages_total", &[])
            >= 100.0
    );
}

#[tokio::test]
async fn history_and_topics_are_for_members() {
    let chat = Daemon::start(Config::shipped()).await;
    chat.full_in("den", "alice").await;
    let mut eve = chat.full("eve").await;
    for kind in ["history", "topic"] {
        let fields = json!({ "room": "den", "label": "x" });
        let error = eve.ask(kind, fields, "error").await;
        assert_eq!(error["code"], "not_in_room", "{error}");
        let error = eve.ask(kind, json!({ "room": "cave" }), "error").await;
        assert_eq!(error["code"], "no_such_room", "{error}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let chat = Daemon::start(Config::shipped().limit("request_rate", "2/1h")).await;
    let mut alice = chat.full_in("den", "alice").await;
    alice.page("den", json!({})).await;
    let (_, error) = alice.page("den", json!({})).await;
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!(error["retry_after_ms"].as_u64().unwrap() > 1000, "{error}");
}

#[tokio::test]
async fn a_topic_stands_in_the_list_of_rooms_and_before_a_person() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let topic = json!({ "room": "lobby", "topic": "tea at five" });
    alice.ask("topic", topic, "topic").await;
    let rooms = alice.ask("rooms", json!({}), "rooms").await;
    assert_eq!(rooms["rooms"][0]["topic"], "tea at five", "{rooms}");
    let mut dave = chat.text("dave").await;
    dave.say("/topic").await;
    assert_eq!(
        dave.line().await,
        "* lobby is about: tea at five (set by alice)"
    );
}

#[tokio::test]
async fn a_half_closed_client_reads_its_page_to_the_end() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let text = "x".repeat(3000);
    for _ in 0..100 {
        alice.publish("den", &text).await;
    }
    let mut bob = chat.full_in("den", "bob").await;
    let fields = json!({ "room": "den", "limit": 100, "label": "page" });
    bob.request("history", fields).await;
    bob.stop_talking().await;
    let mut count = 0;
    loop {
        let line = bob.object().await;
        if line["type"] == "history" {
            break;
        }
        count += 1;
    }
    assert_eq!(count, 100);
}

#[tokio::test]
async fn what_has_left_memory_is_read_from_the_store_and_so_after_a_restart() {
    let config = Config::roomy()
        .set("history.durability", "process")
        .limit("recent_messages", 50);
    let mut chat = Daemon::start(config).await;
    let mut alice = chat.full_in("den", "alice").await;
    for n in 1..=200 {
        alice.publish("den", &format!("m{n}")).await;
    }
    for asked in [
        json!({ "after": 0, "limit": 200 }),
        json!({ "before": 201, "limit": 200 }),
        json!({ "limit": 200 }),
    ] {
        let (numbers, end) = alice.page("den", asked.clone()).await;
        assert_eq!(numbers, (1..=200).collect::<Vec<_>>(), "{asked}");
        assert_eq!(end["more"], false, "{end}");
    }
    let (numbers, _) = alice
        .page("den", json!({ "after": 20, "limit": 100 }))
        .await;
    assert_eq!(numbers, (21..=120).collect::<Vec<_>>());
    let topic = json!({ "room": "den", "topic": "tea at five" });
    alice.ask("topic", topic, "topic").await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    chat.start_again().await;
    let mut bob = chat.full("bob").await;
    let joined = bob.join("den").await;
    assert_eq!(joined["topic"], "tea at five", "{joined}");
    let (numbers, _) = bob.page("den", json!({ "after": 0, "limit": 200 })).await;
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_of_long_messages_is_read_in_parts_and_whole() {
    let config = Config::roomy()
        .set("history.durability", "process")
        .limit("recent_messages", 5);
    let chat = Daemon::start(config).await;
    let mut alice = chat.full_in("den", "alice").await;
    for n in 0..120 {
        // Short ones among long ones: what is asked for at once changes on the way.
        let length = if (40..60).contains(&n) { 10 } else { 3900 };
        alice.publish("den", &"x".repeat(length)).await;
    }
    let (numbers, end) = alice.page("den", json!({ "after": 3, "limit": 115 })).await;
    assert_eq!(numbers, (4..=118).collect::<Vec<_>>());
    assert_eq!(end["more"], true, "{end}");
}
