//! What people learn of each other: presence, rosters, names, and words for one alone.

use serde_json::{Value, json};

use crate::harness::{Config, Daemon};

#[tokio::test]
async fn presence_is_told_to_those_who_asked() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut watcher = chat.stranger().await;
    watcher.hello_with(json!({ "username": "watcher" })).await;
    watcher.join("den").await;
    let mut plain = chat.full_in("den", "plain").await;
    let told = watcher.hears_type("presence").await;
    assert_eq!(
        told,
        json!({"type":"presence","room":"den","event":"join","username":"plain"})
    );

    plain.publish("den", "before").await;
    plain.request("nick", json!({ "username": "fancy" })).await;
    watcher.hears_message("den", "plain", "before").await;
    let told = watcher.hears_type("presence").await;
    assert_eq!(
        (&told["event"], &told["username"]),
        (&json!("nick"), &json!("plain")),
        "{told}"
    );
    assert_eq!(told["new_username"], "fancy", "{told}");

    plain.request("part", json!({ "room": "den" })).await;
    let told = watcher.hears_type("presence").await;
    assert_eq!(
        (&told["event"], &told["username"]),
        (&json!("part"), &json!("fancy")),
        "{told}"
    );

    let mut third = chat.full_in("den", "third").await;
    assert_eq!(watcher.hears_type("presence").await["event"], "join");
    third.request("quit", json!({ "reason": "tea" })).await;
    let told = watcher.hears_type("presence").await;
    assert_eq!(
        (&told["event"], &told["reason"]),
        (&json!("quit"), &json!("tea")),
        "{told}"
    );
    watcher.hears_nothing_else().await;
}

#[tokio::test]
async fn a_crowded_room_announces_nobody() {
    let chat = Daemon::start(Config::roomy().limit("presence_members", 3)).await;
    let mut watcher = chat.stranger().await;
    watcher.hello_with(json!({ "username": "watcher" })).await;
    watcher.join("den").await;
    let mut people = Vec::new();
    for n in 2..=3 {
        people.push(chat.full_in("den", &format!("p{n}")).await);
        watcher.hears_type("presence").await;
    }
    for n in 4..=8 {
        let mut peer = chat.full(&format!("p{n}")).await;
        let joined = peer.join("den").await;
        assert_eq!(joined["members_total"], n, "{joined}");
        assert!(joined.get("members").is_none(), "{joined}");
        people.push(peer);
    }
    watcher.hears_nothing_else().await;
}

#[tokio::test]
async fn a_private_message_reaches_one_person() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let mut bob = chat.full_in("lobby", "bob").await;
    let mut carol = chat.full_in("lobby", "carol").await;
    alice
        .request(
            "message",
            json!({ "to": "bob", "message": "psst", "cid": "p1" }),
        )
        .await;
    let ack = alice.hears_type("ack").await;
    assert_eq!(
        (&ack["to"], &ack["cid"]),
        (&json!("bob"), &json!("p1")),
        "{ack}"
    );
    assert_eq!(ack["durability"], "none", "{ack}");
    assert!(ack.get("seq").is_none(), "{ack}");
    let message = bob.hears_type("message").await;
    assert_eq!(
        (&message["username"], &message["message"]),
        (&json!("alice"), &json!("psst"))
    );
    assert_eq!(message["to"], "bob", "{message}");
    carol.hears_nothing_else().await;
    alice.hears_nothing_else().await;
}

#[tokio::test]
async fn silent_listeners_and_basic_clients_cannot_be_whispered_to() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut basic = chat.basic("basil").await;
    let mut alice = chat.full_in("lobby", "alice").await;
    alice
        .request("message", json!({ "to": "basil", "message": "psst" }))
        .await;
    alice.hears_error("cannot_receive").await;
    alice.publish("lobby", "aloud").await;
    basic
        .hears(r#"{"username":"alice","message":"aloud"}"#)
        .await;
}

#[tokio::test]
async fn names_come_in_pages() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut people = Vec::new();
    for n in 0..25 {
        people.push(chat.full_in("den", &format!("person{n:02}")).await);
    }
    let alice = &mut people[0];
    let mut found: Vec<Value> = Vec::new();
    let mut page = json!({ "room": "den", "limit": 10 });
    loop {
        let names = alice.ask("names", page.clone(), "names").await;
        let members = names["members"].as_array().unwrap();
        assert!((1..=10).contains(&members.len()), "{names}");
        found.extend(members.iter().cloned());
        if names["more"] == json!(false) {
            break;
        }
        page["after"] = found[found.len() - 1].clone();
    }
    let expected: Vec<Value> = (0..25).map(|n| json!(format!("person{n:02}"))).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn rooms_come_in_pages() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full("alice").await;
    for n in 0..7 {
        alice.join(&format!("room{n}")).await;
    }
    let mut found = Vec::new();
    let mut page = json!({ "limit": 3 });
    loop {
        let rooms = alice.ask("rooms", page.clone(), "rooms").await;
        for room in rooms["rooms"].as_array().unwrap() {
            found.push((
                room["room"].as_str().unwrap().to_owned(),
                room["members"].clone(),
            ));
        }
        if rooms["more"] == json!(false) {
            break;
        }
        page["after"] = json!(found[found.len() - 1].0);
    }
    assert!(
        found.iter().any(|(room, _)| room == "lobby"),
        "the default room never leaves"
    );
    found.retain(|(room, _)| room != "lobby");
    let expected: Vec<_> = (0..7).map(|n| (format!("room{n}"), json!(1))).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_nick_changes_hands_as_soon_as_it_is_free() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let mut bob = chat.full_in("lobby", "bob").await;
    bob.request("nick", json!({ "username": "Alice", "label": "n" }))
        .await;
    assert_eq!(bob.hears_error("nick_in_use").await["label"], "n");
    alice.request("quit", json!({})).await;
    alice.hears_out().await;
    bob.request("nick", json!({ "username": "alice" })).await;
    loop {
        let answer = bob.object().await;
        assert_ne!(answer["type"], "error", "{answer}");
        if answer.to_string().contains("alice") {
            break;
        }
    }
    bob.request("message", json!({ "message": "it is me" }))
        .await;
    let heard = bob.hears_until("message").await;
    assert_eq!(heard[heard.len() - 1]["username"], "alice", "{heard:?}");
}
