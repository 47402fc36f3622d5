//! The first line decides the dialect. It is parsed, never searched.

use serde_json::json;

use crate::harness::{Config, Daemon, Peer};

/// What other protocols say first, and the word under which the operator finds it. After each
/// stands a line that must never be heard.
const FOREIGN: &[(&str, &[u8])] = &[
    ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("http", b"POST /say HTTP/1.1\r\nContent-Length: 99\r\n\r\n"),
    ("http", b"OPTIONS * HTTP/1.0\r\n\r\n"),
    ("http", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("http", b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
    ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    ("proxy", b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 7687\r\n"),
    ("proxy", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"),
    ("irc", b"NICK alice\r\n"),
    ("irc", b"USER alice 0 * :Alice\r\n"),
    ("irc", b"CAP LS 302\r\n"),
    ("irc", b"PASS secret\r\n"),
    ("smtp", b"EHLO example.org\r\n"),
    ("smtp", b"HELO example.org\r\n"),
    ("resp", b"*1\r\n$4\r\nPING\r\n"),
    // To telnet the mark of UTF-16 is a command; what is left has a NUL.
    ("control", b"\xff\xfe{\x00h\x00i\x00\n"),
    ("not_utf8", b"\xfe\xff\x00{\x00h\n"),
    ("not_utf8", b"caf\xc0\xaf\n"),
    (
        "not_utf8",
        b"\xed\xa0\x80 a surrogate in the old clothes of CESU-8\n",
    ),
    ("control", b"hi\x1b[2Jthere\n"),
    ("control", b"hi\0there\n"),
    ("control", b"\0{\0\"\0u\0s\0e\0r\0"),
    ("control", b"hi\xc2\x9b2Jthere\n"),
];

const SMUGGLED: &[u8] = b"{\"username\":\"mallory\",\"message\":\"smuggled\"}\r\n";

/// Longer than any play waits: what closes, closes for another reason than this.
fn patient() -> Config {
    Config::shipped()
        .limit("hello_timeout", "300s")
        .limit("line_timeout", "300s")
}

#[tokio::test]
async fn other_protocols_are_closed_at_once_and_never_interpreted() {
    let chat = Daemon::start(patient()).await;
    let mut witness = chat.listener().await;

    for (closed, (detail, opening)) in (1..).zip(FOREIGN) {
        let mut intruder = chat.stranger().await;
        intruder.send(opening).await;
        intruder.send_if_open(SMUGGLED).await;
        let what = String::from_utf8_lossy(opening);
        assert_eq!(intruder.hears_out().await, [""; 0], "{what:?} was answered");
        chat.counts(
            "chatd_connections_closed_total",
            &["protocol_error"],
            f64::from(closed),
        )
        .await;
        let last = &chat.ask("clients.closed", json!({ "limit": 1 })).await["closed"][0];
        assert_eq!(last["detail"], *detail, "{what:?}: {last}");
    }
    for (detail, _) in FOREIGN {
        let same = FOREIGN.iter().filter(|(other, _)| other == detail);
        let label = format!("detail=\"{detail}\"");
        chat.counts(
            "chatd_connections_closed_total",
            &["protocol_error", &label],
            same.count() as f64,
        )
        .await;
        chat.logs(&["client.closed", "protocol_error", detail])
            .await;
    }

    let mut alice = chat.full_in("lobby", "alice").await;
    alice.publish("lobby", "all is well").await;
    witness
        .hears(r#"{"username":"alice","message":"all is well"}"#)
        .await;
}

#[tokio::test]
async fn a_hello_makes_a_full_client() {
    let chat = Daemon::start(patient()).await;
    let mut alice = chat.stranger().await;
    let welcome = alice
        .hello_with(json!({ "username": "alice", "client": "play/1" }))
        .await;

    assert_eq!(welcome["version"], 1, "{welcome}");
    assert_eq!(welcome["username"], "alice", "{welcome}");
    assert_eq!(
        welcome["caps"],
        json!(["presence"]),
        "no caps means presence: {welcome}"
    );
    assert!(
        welcome["server"].is_string() && welcome["software"].is_string(),
        "{welcome}"
    );
    assert!(!welcome["session"].is_null(), "{welcome}");
    let secret = welcome["resume"].as_str().unwrap();
    assert!(secret.len() >= 22, "128 bits: {welcome}");
    for limit in ["line", "message", "rooms_per_client", "unacked"] {
        assert!(
            welcome["limits"][limit]
                .as_u64()
                .is_some_and(|value| value > 0),
            "{welcome}"
        );
    }
    assert!(
        welcome["ping_interval_ms"]
            .as_u64()
            .is_some_and(|value| value > 0),
        "{welcome}"
    );
}

#[tokio::test]
async fn caps_are_exactly_what_was_asked_for() {
    let chat = Daemon::start(patient()).await;
    let mut plain = chat.stranger().await;
    let welcome = plain
        .hello_with(json!({ "username": "plain", "caps": [] }))
        .await;
    assert_eq!(welcome["caps"], json!([]), "{welcome}");

    let mut eager = chat.stranger().await;
    let asked = json!({ "username": "eager", "caps": ["presence", "teleport"] });
    let welcome = eager.hello_with(asked).await;
    assert_eq!(welcome["caps"], json!(["presence"]), "{welcome}");
}

#[tokio::test]
async fn somebody_without_a_name_is_a_guest() {
    let chat = Daemon::start(patient()).await;
    let mut nobody = chat.stranger().await;
    let welcome = nobody.hello_with(json!({})).await;
    assert!(
        welcome["username"].as_str().unwrap().starts_with("guest-"),
        "{welcome}"
    );
}

#[tokio::test]
async fn the_first_request_must_be_hello() {
    let chat = Daemon::start(patient()).await;
    for request in [
        json!({ "type": "join", "room": "lobby" }),
        json!({ "type": "mumble" }),
    ] {
        let mut hasty = chat.stranger().await;
        hasty.say_json(request).await;
        hasty.hears_error("hello_required").await;
        let rest = hasty.hears_out().await;
        assert!(
            rest.len() <= 1 && rest.iter().all(|line| line.contains("\"bye\"")),
            "{rest:?}"
        );
    }
}

#[tokio::test]
async fn a_failed_hello_may_be_repeated_but_not_a_good_one() {
    let chat = Daemon::start(patient()).await;
    let _first = chat.full("alice").await;

    let mut second = chat.stranger().await;
    second
        .request("hello", json!({ "username": "alice", "label": "one" }))
        .await;
    let error = second.hears_error("nick_in_use").await;
    assert_eq!(error["label"], "one", "{error}");
    second
        .request("hello", json!({ "username": "admin" }))
        .await;
    second.hears_error("nick_reserved").await;
    second.request("hello", json!({ "username": "a@b" })).await;
    second.hears_error("nick_invalid").await;
    second
        .request("hello", json!({ "username": "bob", "version": 99 }))
        .await;
    second.hears_error("bad_field").await;
    assert_eq!(second.hello("bob").await["username"], "bob");

    second.request("hello", json!({ "username": "bob" })).await;
    second.hears_error("bad_field").await;
    second.hears_nothing_else().await;
}

#[tokio::test]
async fn a_client_may_join_the_default_room_with_its_hello() {
    let chat = Daemon::start(patient()).await;
    let mut alice = chat.stranger().await;
    alice
        .hello_with(json!({ "username": "alice", "caps": [], "join": true }))
        .await;
    assert_eq!(alice.hears_type("joined").await["room"], "lobby");
    alice.publish("lobby", "hi").await;
}

#[tokio::test]
async fn at_hello_the_silent_listening_ends() {
    let chat = Daemon::start(patient()).await;
    let mut carol = chat.listener().await;
    let mut alice = chat.full_in("lobby", "alice").await;
    alice.publish("lobby", "one").await;
    carol.hears(r#"{"username":"alice","message":"one"}"#).await;
    carol.hello("carol").await;
    alice.publish("lobby", "two").await;
    carol.hears_nothing_else().await;
    carol.join("lobby").await;
    alice.publish("lobby", "three").await;
    assert_eq!(
        carol.hears_message("lobby", "alice", "three").await["seq"],
        3
    );
}

#[tokio::test]
async fn an_empty_first_line_is_greeted_with_two_lines() {
    let chat = Daemon::start(patient()).await;
    let mut person = chat.stranger().await;
    person.say("").await;
    let welcome = [person.line().await, person.line().await];
    assert!(welcome.concat().contains("/help"), "{welcome:?}");
    chat.row_of(&person, |row| row["dialect"] == "text").await;
}

#[tokio::test]
async fn the_first_line_of_a_person_is_not_said() {
    let chat = Daemon::start(patient()).await;
    let mut witness = chat.listener().await;
    for opening in [
        "hello everybody",
        "GET well soon",
        "nickname: none",
        "\"quoted\"",
        "12345",
    ] {
        let mut person = chat.stranger().await;
        person.say(opening).await;
        let answer = person.line().await;
        assert!(!answer.starts_with('{'), "a person hears text: {answer}");
        let row = chat.row_of(&person, |row| row["dialect"] == "text").await;
        assert!(
            row["username"].as_str().unwrap().starts_with("guest-"),
            "{row}"
        );
        person.say("now it is said").await;
        let said = witness.line().await;
        assert!(
            said.ends_with(r#","message":"now it is said"}"#),
            "{opening} was said: {said}"
        );
    }
}

#[tokio::test]
async fn both_line_ends_and_any_split_of_the_bytes_are_welcome() {
    let chat = Daemon::start(patient()).await;
    let mut alice = chat.stranger().await;
    for byte in b"{\"type\":\"hello\",\"version\":1,\"username\":\"alice\",\"caps\":[]}\r\n" {
        alice.send(&[*byte]).await;
    }
    alice.hears_type("welcome").await;
    alice
        .send(b"{\"type\":\"ping\",\"token\":\"a\"}\r\n{\"type\":\"ping\",\"token\":\"b\"}\n")
        .await;
    assert_eq!(alice.hears_type("pong").await["token"], "a");
    assert_eq!(alice.hears_type("pong").await["token"], "b");
}

#[tokio::test]
async fn a_first_line_that_is_too_long_is_closed_at_once() {
    let chat = Daemon::start(patient()).await;

    let mut babbler = chat.stranger().await;
    babbler.send(&b"x".repeat(5 * 1024)).await;
    babbler.hears_out().await;

    let mut verbose = chat.stranger().await;
    let padding = " ".repeat(8 * 1024);
    let hello = format!("{{{padding}\"type\":\"hello\",\"version\":1,\"username\":\"verbose\"}}");
    verbose.say(&hello).await;
    verbose.hears_type("welcome").await;

    let mut endless = chat.stranger().await;
    endless
        .send_if_open(format!("{{{}", " ".repeat(64 * 1024)).as_bytes())
        .await;
    endless.hears_out().await;
    chat.counts("chatd_connections_closed_total", &["protocol_error"], 2.0)
        .await;
}

#[tokio::test]
async fn somebody_who_hangs_up_without_a_word_is_no_fault() {
    let chat = Daemon::start(patient()).await;
    chat.stranger().await.stop_talking().await;
    let half: &[u8] = b"{\"username\":\"half\",\"mess";
    let mut torn = chat.stranger().await;
    torn.send(half).await;
    torn.stop_talking().await;
    torn.hears_out().await;
    chat.counts("chatd_connections_closed_total", &["peer_closed"], 2.0)
        .await;

    let rude: Peer = chat.stranger().await;
    rude.reset();
    chat.counts("chatd_connections_closed_total", &["peer_reset"], 1.0)
        .await;
}
