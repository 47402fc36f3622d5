//! What a full client asks for, and how it is answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Config, Daemon};

#[tokio::test]
async fn a_message_is_numbered_acknowledged_and_heard_by_its_author_too() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full("alice").await;
    let mut bob = chat.full("bob").await;
    let joined = alice.join("den").await;
    assert_eq!(joined["seq"], 0, "{joined}");
    assert_eq!(joined["members_total"], 1, "{joined}");
    let epoch = joined["epoch"].as_str().unwrap();
    assert!(
        (1..=16).contains(&epoch.len()) && epoch.is_ascii(),
        "{joined}"
    );
    let joined = bob.join("den").await;
    assert_eq!(joined["members"], json!(["alice", "bob"]), "{joined}");

    let fields = json!({ "room": "den", "message": "hi", "cid": "c1", "label": "l1" });
    alice.request("message", fields).await;
    let mut heard = [alice.object().await, alice.object().await];
    heard.sort_by_key(|object| object["type"].as_str() != Some("ack"));
    let [ack, own] = heard;
    assert_eq!(ack["label"], "l1", "{ack}");
    assert_eq!(ack["cid"], "c1", "{ack}");
    assert_eq!(ack["room"], "den", "{ack}");
    assert_eq!(ack["epoch"], epoch, "{ack}");
    assert_eq!(ack["seq"], 1, "{ack}");
    assert_eq!(ack["durability"], "process", "{ack}");
    assert!(ack.get("duplicate").is_none(), "{ack}");
    assert_eq!(own["cid"], "c1", "{own}");
    assert!(own.get("label").is_none(), "{own}");
    assert_eq!(own["time"], ack["time"], "{own} {ack}");
    let time = own["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.ends_with('Z'),
        "RFC 3339 UTC with milliseconds: {time}"
    );

    let theirs = bob.hears_message("den", "alice", "hi").await;
    assert_eq!(theirs, own, "the bytes are the same for everyone");
}

#[tokio::test]
async fn without_a_room_a_message_goes_to_the_default_room() {
    let chat = Daemon::start(Config::shipped().set("server.default_room", "plaza")).await;
    let mut alice = chat.full_in("plaza", "alice").await;
    alice.request("message", json!({ "message": "hi" })).await;
    let heard = [alice.object().await, alice.object().await];
    assert!(
        heard.iter().all(|object| object["room"] == "plaza"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_wrong_request_is_refused_by_name_and_the_session_stays() {
    let chat = Daemon::start(Config::shipped().limit("bad_lines", 1000)).await;
    let _owner = chat.full_in("den", "owner").await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let deep = format!("{}1{}", "[".repeat(17), "]".repeat(17));
    let wrong = [
        ("{", "bad_json"),
        ("[1,2]", "bad_json"),
        ("{\"type\":\"ping\"} {}", "bad_json"),
        (r#"{"type":"ping","type":"quit"}"#, "bad_json"),
        (
            r#"{"type":"message","message":"a","room":"lobby","r\u006fom":"den"}"#,
            "bad_json",
        ),
        (r#"{"type":"ping","x":{"a":1,"a":2}}"#, "bad_json"),
        (r#"{"type":"message","message":"\ud800"}"#, "bad_json"),
        ("{\"type\":\"message\",\"message\":\"a\tb\"}", "bad_json"),
        (r#"{"type":"mumble"}"#, "unknown_type"),
        (r#"{"type":"join"}"#, "missing_field"),
        (r#"{"type":"message","room":"lobby"}"#, "missing_field"),
        (r#"{"type":"join","room":7}"#, "bad_field"),
        (r#"{"type":"join","room":"lobby","since":"x"}"#, "bad_field"),
        (
            r#"{"type":"message","message":"a","room":"lobby","to":"bob"}"#,
            "bad_field",
        ),
        (r#"{"type":"message","message":""}"#, "empty_message"),
        (r#"{"type":"join","room":"a,b"}"#, "room_invalid"),
        (
            r#"{"type":"message","room":"den","message":"a"}"#,
            "not_in_room",
        ),
        (
            r#"{"type":"message","room":"nowhere","message":"a"}"#,
            "no_such_room",
        ),
        (r#"{"type":"part","room":"den"}"#, "not_in_room"),
        (r#"{"type":"names","room":"den"}"#, "not_in_room"),
        (
            r#"{"type":"message","to":"nobody","message":"a"}"#,
            "no_such_nick",
        ),
        (r#"{"type":"nick","username":"server"}"#, "nick_reserved"),
        (r#"{"type":"nick","username":"x:y"}"#, "nick_invalid"),
    ];
    for (line, code) in wrong {
        alice.say(line).await;
        let error = alice.object().await;
        assert_eq!(error["type"], "error", "{line}: {error}");
        assert_eq!(error["code"], code, "{line}: {error}");
    }
    alice.say(&format!(r#"{{"type":"ping","x":{deep}}}"#)).await;
    alice.hears_error("bad_json").await;
    alice
        .send(b"{\"type\":\"ping\",\"x\":\"\xc3\x28\"}\n")
        .await;
    alice.hears_error("bad_utf8").await;
    alice.send(b"{\"type\":\"ping\",\r\"x\":1}\n").await;
    alice.hears_error("bad_json").await;
    alice.hears_nothing_else().await;
}

#[tokio::test]
async fn an_error_carries_what_the_request_was_called() {
    let chat = Daemon::start(Config::shipped()).await;
    let _owner = chat.full_in("den", "owner").await;
    let mut alice = chat.full("alice").await;
    let fields = json!({ "room": "den", "message": "hi", "label": "l7", "cid": "c7" });
    alice.request("message", fields).await;
    let error = alice.hears_error("not_in_room").await;
    assert_eq!(error["label"], "l7", "{error}");
    assert_eq!(error["cid"], "c7", "{error}");
    assert_eq!(error["room"], "den", "{error}");
}

#[tokio::test]
async fn requests_are_answered_in_order() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full("alice").await;
    for room in ["a", "b", "c", "d"] {
        alice
            .request("join", json!({ "room": room, "label": room }))
            .await;
    }
    alice
        .request("part", json!({ "room": "a", "label": "part" }))
        .await;
    alice.request("ping", json!({ "token": "t" })).await;
    for room in ["a", "b", "c", "d"] {
        let joined = alice.hears_type("joined").await;
        assert_eq!(
            (&joined["room"], &joined["label"]),
            (&json!(room), &json!(room)),
            "{joined}"
        );
    }
    assert_eq!(alice.hears_type("parted").await["label"], "part");
    assert_eq!(alice.hears_type("pong").await["token"], "t");
}

#[tokio::test]
async fn a_quiet_client_is_pinged_and_any_line_answers() {
    let config = Config::shipped()
        .limit("ping_interval", "1s")
        .limit("ping_timeout", "20s");
    let chat = Daemon::start(config).await;
    let mut alice = chat.full("alice").await;
    let ping = alice.hears_type("ping").await;
    alice
        .request("pong", json!({ "token": ping["token"] }))
        .await;
    alice.hears_type("ping").await;
    alice.say("not even JSON").await;
    alice.hears_error("bad_json").await;
    alice.hears_type("ping").await;
}

#[tokio::test]
async fn a_half_closed_connection_is_answered_to_the_end() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    for n in 0..50 {
        alice
            .request("message", json!({ "message": "x", "cid": n.to_string() }))
            .await;
    }
    alice
        .send(b"{\"type\":\"message\",\"message\":\"torn")
        .await;
    alice.stop_talking().await;
    let heard: Vec<Value> = alice
        .hears_out()
        .await
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |kind: &str| heard.iter().filter(|object| object["type"] == kind).count();
    assert_eq!((count("ack"), count("message")), (50, 50), "{heard:?}");
}

#[tokio::test]
async fn over_the_message_rate_nobody_is_refused_and_nothing_is_lost() {
    let config = Config::shipped()
        .limit("message_rate", "50/s")
        .limit("message_burst", 10)
        .limit("unacked", 20);
    let chat = Daemon::start(config).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let begun = tokio::time::Instant::now();
    for n in 0..100 {
        alice
            .request("message", json!({ "message": "x", "cid": n.to_string() }))
            .await;
    }
    let mut acks = 0;
    while acks < 100 {
        let object = alice.object().await;
        match object["type"].as_str() {
            Some("ack") => {
                assert_eq!(
                    object["cid"],
                    acks.to_string(),
                    "acks come in sending order"
                );
                acks += 1;
            }
            Some("message") => {}
            _ => panic!("{object}"),
        }
    }
    assert!(
        begun.elapsed() > Duration::from_millis(1500),
        "90 messages at 50 a second"
    );
}
