//! On a pipe: lines in, lines out, nothing lost, nothing twice.

use std::process::Stdio;

use serde_json::json;

use crate::script::{Script, chat_client};
use crate::server::{Server, ack, joined, said, welcome};

#[test]
fn says_each_line_and_leaves_when_all_are_acknowledged() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("one\ntwo\r\n/three");
    alice.ends_input();

    let (mut peer, hello) = server.greet("alice");
    assert_eq!(
        (&hello["username"], &hello["caps"]),
        (&json!("alice"), &json!([]))
    );
    assert_eq!(hello["join"], true);
    assert!(
        hello["client"]
            .as_str()
            .unwrap()
            .starts_with("chat-client/")
    );
    peer.hears_nothing();
    peer.says(joined("lobby", 0, &hello));
    let messages: Vec<_> = (0..3).map(|_| peer.hears_text()).collect();
    let texts: Vec<_> = messages.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(
        texts,
        ["one", "two", "/three"],
        "a filter knows no commands"
    );
    peer.says(ack(&messages[0].1, 1));
    peer.says(ack(&messages[1].1, 2));
    peer.hears_nothing();
    peer.says(ack(&messages[2].1, 3));
    peer.lets_go();

    let ended = alice.end();
    assert_eq!(
        (ended.code, &*ended.stdout, &*ended.stderr),
        (Some(0), "", "")
    );
}

#[test]
fn prints_what_others_say_escaped_and_not_what_it_said_itself() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("mine\n");
    let mut peer = server.in_lobby("alice");
    let (_, message) = peer.hears_text();
    let mut own = said(1, "alice", "mine");
    own["cid"] = message["cid"].clone();
    peer.says(own);
    peer.says(ack(&message, 1));
    peer.says(said(2, "bob", "hi"));
    peer.says(said(
        3,
        "bob",
        "\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{202e}\nnext",
    ));
    peer.says(
        json!({"type": "message", "to": "alice", "time": "", "username": "bob", "message": "psst"}),
    );
    peer.says(json!({"type": "from the future", "room": "lobby"}));
    peer.says_raw("{\"username\":\"bob\",\"message\":\"not an event\"}\n");
    peer.says(said(4, "bob", "bye"));
    alice.ends_input();
    peer.lets_go();
    let ended = alice.end();
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.stdout,
        "<bob> hi\n<bob> \\x1b]52;c;aGk=\\x07\\x9b2J\\u{202e}\\nnext\n(private) <bob> psst\n<bob> bye\n"
    );
}

#[test]
fn keeps_no_more_in_flight_than_the_server_allows() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("1\n2\n3\n4\n5\n");
    let mut peer = server.accept();
    let hello = peer.hears();
    let mut narrow = welcome("alice");
    narrow["limits"]["unacked"] = json!(2);
    peer.says(narrow);
    peer.says(joined("lobby", 0, &hello));
    let (_, first) = peer.hears_text();
    assert_eq!(peer.hears_text().0, "2");
    peer.hears_nothing();
    peer.says(ack(&first, 1));
    assert_eq!(peer.hears_text().0, "3");
    peer.hears_nothing();
}

#[test]
fn a_lost_connection_is_resumed_and_what_was_not_answered_is_said_again() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("one\ntwo\nthree\n");
    let mut peer = server.in_lobby("alice");
    let (_, one) = peer.hears_text();
    let (_, two) = peer.hears_text();
    let (_, three) = peer.hears_text();
    peer.says(said(1, "bob", "hi"));
    peer.says(ack(&one, 2));
    peer.says({
        let mut own = said(2, "alice", "one");
        own["cid"] = one["cid"].clone();
        own
    });
    drop(peer);

    let (mut peer, hello) = server.greet("alice");
    assert_eq!(
        (&hello["resume"], &hello["join"]),
        (&json!("a secret"), &json!(false))
    );
    let join = peer.hears();
    assert_eq!(join["since"], json!({"epoch": "e1", "seq": 2}), "{join}");
    peer.says(joined("lobby", 3, &join));
    peer.says(said(1, "bob", "hi"));
    peer.hears_nothing();
    // Two had arrived; only its ack was lost.
    peer.says({
        let mut own = said(3, "alice", "two");
        own["cid"] = two["cid"].clone();
        own
    });
    let (text, again) = peer.hears_text();
    assert_eq!((&*text, &again["cid"]), ("three", &three["cid"]));
    peer.says(ack(&again, 4));
    peer.says(said(5, "bob", "welcome back"));
    alice.ends_input();
    peer.lets_go();

    let ended = alice.end();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout, "<bob> hi\n<bob> welcome back\n");
    assert!(
        ended
            .stderr
            .contains("the server closed the connection; trying again"),
        "{ended:?}"
    );
}

#[test]
fn a_draining_server_is_left_in_peace_for_as_long_as_it_asks() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("hi\n");
    let mut peer = server.in_lobby("alice");
    let (_, message) = peer.hears_text();
    peer.says(
        json!({"type": "error", "code": "draining", "text": "no more", "cid": message["cid"]}),
    );
    peer.says(json!({
        "type": "bye", "code": "server_shutdown", "text": "see you", "reconnect": true, "retry_after_ms": 1500,
    }));
    let asked = std::time::SystemTime::now();
    peer.hears_end();
    let (mut peer, _) = server.greet("alice");
    assert!(asked.elapsed().unwrap().as_millis() >= 1500);
    let join = peer.hears();
    peer.says(joined("lobby", 0, &join));
    peer.acks(1, "hi");
    alice.ends_input();
    peer.lets_go();
    assert_eq!(alice.end().code, Some(0));
}

#[test]
fn a_line_that_cannot_be_said_is_reported_and_counted_and_the_rest_is_said() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types(&format!("one\n\n{}\n", "x".repeat(4001)));
    alice.types("last");
    alice.ends_input();
    let mut peer = server.in_lobby("alice");
    peer.acks(1, "one");
    peer.acks(2, "last");
    peer.lets_go();
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    for words in ["empty message", "4001 bytes", "lines not sent: 2"] {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
}

#[test]
fn a_message_that_the_server_refuses_is_named_on_standard_error() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("one\n");
    let mut peer = server.in_lobby("alice");
    let (_, message) = peer.hears_text();
    peer.says(json!({"type": "error", "code": "store_unavailable", "text": "disk full", "cid": message["cid"]}));
    alice.ends_input();
    peer.lets_go();
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("not sent: \"one\": disk full"),
        "{ended:?}"
    );
}

#[test]
fn json_prints_the_servers_lines_as_they_are() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--json"]);
    let mut peer = server.in_lobby("alice");
    let odd = "{ \"type\":\"message\", \"room\":\"lobby\",\"seq\":1,\"username\":\"bob\",\"message\":\"\u{9b}\\u001b\",\"x\":1}";
    peer.says_raw(&format!("{odd}\r\n"));
    alice.types("hi\n");
    peer.acks(2, "hi");
    alice.ends_input();
    peer.lets_go();
    let ended = alice.end();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "welcome, joined, message, ack: {ended:?}");
    assert_eq!(lines[2], odd);
}

#[test]
fn several_rooms_are_named_and_the_first_one_is_spoken_in() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--room", "dev", "--room", "ops"]);
    alice.types("hi\n");
    let (mut peer, hello) = server.greet("alice");
    assert_eq!(hello["join"], false);
    for room in ["dev", "ops"] {
        let join = peer.hears();
        assert_eq!(
            (&join["type"], &join["room"]),
            (&json!("join"), &json!(room))
        );
        peer.says(joined(room, 0, &join));
    }
    let (_, message) = peer.hears_text();
    assert_eq!(message["room"], "dev");
    let mut elsewhere = said(1, "bob", "hi");
    elsewhere["room"] = json!("ops");
    peer.says(elsewhere);
    peer.says(ack(&message, 1));
    alice.ends_input();
    peer.lets_go();
    assert_eq!(alice.end().stdout, "[ops] <bob> hi\n");
}

#[test]
fn a_ping_is_answered_and_a_gap_is_told() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    let mut peer = server.in_lobby("alice");
    peer.says(json!({"type": "ping", "token": "t1"}));
    assert_eq!(peer.hears(), json!({"type": "pong", "token": "t1"}));
    peer.says(json!({
        "type": "gap", "room": "lobby", "epoch": "e1", "from": 1, "to": 37, "count": 37,
        "reason": "slow_consumer", "recoverable": false,
    }));
    alice.ends_input();
    peer.lets_go();
    let ended = alice.end();
    assert!(
        ended.stderr.contains("37 messages were skipped in lobby"),
        "{ended:?}"
    );
}

#[test]
fn every_ending_has_its_status_and_its_sentence() {
    for (code, status) in [("kicked", 1), ("banned", 4), ("protocol_error", 1)] {
        let server = Server::start();
        let alice = Script::talk(server.address, &[]);
        let mut peer = server.in_lobby("alice");
        let bye =
            json!({"type": "bye", "code": code, "text": "so \u{1b}[31mlong", "reconnect": false});
        peer.says(bye);
        peer.hears_end();
        let ended = alice.end();
        assert_eq!(ended.code, Some(status), "{code}");
        assert!(ended.stderr.contains("so \\x1b[31mlong"), "{ended:?}");
    }
}

#[test]
fn an_ending_that_leaves_something_unanswered_says_how_much() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &[]);
    alice.types("one\ntwo\n");
    let mut peer = server.in_lobby("alice");
    peer.acks(1, "one");
    peer.hears_text();
    peer.says(json!({"type": "bye", "code": "kicked", "text": "out", "reconnect": false}));
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("out; lines not acknowledged: 1"),
        "{ended:?}"
    );
}

#[test]
fn a_refusal_before_the_first_word_is_a_refusal() {
    let server = Server::start();
    let alice = Script::talk(server.address, &[]);
    let mut peer = server.accept();
    peer.says(json!({
        "type": "bye", "code": "banned", "text": "not you", "reconnect": false,
        "username": "chatd", "message": "not you",
    }));
    peer.hears();
    drop(peer);
    let ended = alice.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("not you"));
}

#[test]
fn a_server_that_knows_only_two_fields_is_recognised() {
    let server = Server::start();
    let alice = Script::talk(server.address, &[]);
    let mut peer = server.accept();
    peer.says_raw("{\"username\":\"bob\",\"message\":\"hi\"}\n");
    peer.hears();
    drop(peer);
    let ended = alice.end();
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.contains("--basic"), "{ended:?}");
}

#[test]
fn nobody_to_read_is_a_quiet_end() {
    let server = Server::start();
    let mut command = chat_client();
    command.arg(server.address.to_string()).arg("alice");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut peer = server.in_lobby("alice");
    let mut seq = 0;
    while child.try_wait().unwrap().is_none() && seq < 1_000_000 {
        seq += 1;
        peer.tries_to_say(&said(seq, "bob", "is anybody there?"));
    }
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]));
}

#[test]
fn a_nick_that_is_taken_is_refused() {
    let server = Server::start();
    let alice = Script::talk(server.address, &[]);
    let mut peer = server.accept();
    peer.hears();
    peer.says(json!({"type": "error", "code": "nick_in_use", "text": "somebody has this name"}));
    peer.hears_end();
    let ended = alice.end();
    assert_eq!(ended.code, Some(4));
    assert!(
        ended.stderr.contains("alice: somebody has this name"),
        "{ended:?}"
    );
}

#[test]
fn nobody_listens_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ended = Script::talk(free, &[]).end();
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains(&format!("cannot connect to {free}")),
        "{ended:?}"
    );
    assert_eq!(Script::send(free, &["hi"]).end().code, Some(3));
}

#[test]
fn send_returns_when_acknowledged() {
    let server = Server::start();
    let alice = Script::send(
        server.address,
        &["--username", "ci", "--room", "ops", "deploy done"],
    );
    let (mut peer, hello) = server.greet("ci");
    assert_eq!(
        (&hello["username"], &hello["join"]),
        (&json!("ci"), &json!(false))
    );
    let join = peer.hears();
    peer.says(joined("ops", 0, &join));
    let (text, message) = peer.hears_text();
    assert_eq!((&*text, &message["room"]), ("deploy done", &json!("ops")));
    peer.says(said(1, "bob", "not for a script's ears"));
    peer.hears_nothing();
    peer.says(ack(&message, 2));
    peer.lets_go();
    let ended = alice.end();
    assert_eq!(
        (ended.code, &*ended.stdout, &*ended.stderr),
        (Some(0), "", "")
    );
}

#[test]
fn send_to_somebody_who_is_not_there_fails() {
    let server = Server::start();
    let alice = Script::send(server.address, &["--to", "bob", "hi"]);
    let mut peer = server.in_lobby("guest-1");
    let (_, message) = peer.hears_text();
    assert_eq!(message["to"], "bob");
    peer.says(json!({"type": "error", "code": "no_such_nick", "text": "nobody is bob", "cid": message["cid"]}));
    peer.lets_go();
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("nobody is bob"), "{ended:?}");
}

#[test]
fn the_environment_names_server_and_nick() {
    let server = Server::start();
    let mut command = chat_client();
    command
        .env("CHATD_SERVER", server.address.to_string())
        .env("CHATD_USERNAME", "eve");
    let mut eve = Script::start(command);
    let (mut peer, hello) = server.greet("eve");
    assert_eq!(hello["username"], "eve");
    peer.says(joined("lobby", 0, &hello));
    eve.ends_input();
    peer.lets_go();
    assert_eq!(eve.end().code, Some(0));
}

#[test]
fn a_usage_error_is_a_2() {
    let mut command = chat_client();
    command.args(["127.0.0.1:99999", "alice"]);
    let ended = Script::start(command).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("\"99999\" is not a port"),
        "{ended:?}"
    );
}
