//! On a terminal: what is typed stays whole, what is hostile stays harmless, and the terminal is
//! given back as it was.

use std::sync::Arc;

use serde_json::json;

use crate::screen::{Screen, mode};
use crate::server::{Peer, Server, ack, joined, said};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const UP: &str = "\u{1b}[A";

/// Alice at her terminal, in the lobby.
fn alice_in_lobby(more: &[&str]) -> (Server, Peer, Screen) {
    let server = Server::start();
    let screen = Screen::open(server.address, more);
    let peer = server.in_lobby("alice");
    screen.shows_last("lobby>");
    (server, peer, screen)
}

fn times(rows: &[String], text: &str) -> usize {
    rows.iter().filter(|row| row.contains(text)).count()
}

#[test]
fn what_is_typed_stays_whole_while_others_talk() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("half a tho");
    screen.shows_last("lobby> half a tho");
    for seq in 1..=10 {
        peer.says(said(seq, "bob", &format!("line {seq}")));
    }
    let rows = screen.shows_row("<bob> line 10");
    assert_eq!(times(&rows, "<bob> line"), 10);
    screen.shows_last("lobby> half a tho");
    screen.types("ught\r");
    assert_eq!(peer.hears_text().0, "half a thought");
    peer.says(said(11, "bob", "indeed"));
    let rows = screen.shows_row("<bob> indeed");
    assert_eq!(times(&rows, "half a tho"), 1, "{rows:#?}");
    assert_eq!(
        times(&rows, "lobby> half a thought"),
        1,
        "it is where it was typed"
    );
}

#[test]
fn a_line_that_wraps_stays_whole_too() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    let long = "0123456789".repeat(12);
    screen.types(&long);
    screen.shows("all of it", |rows| rows.concat().ends_with(&long));
    peer.says(said(1, "bob", &"b".repeat(100)));
    let rows = screen.shows("both", |rows| {
        rows.concat().ends_with(&format!("lobby> {long}"))
            && rows.concat().contains(&"b".repeat(100))
    });
    assert_eq!(times(&rows, "lobby> 0123456789"), 1, "{rows:#?}");
    screen.types("\r");
    assert_eq!(peer.hears_text().0, long);
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("one\rtwo\rthree\r");
    for text in ["one", "two", "three"] {
        assert_eq!(peer.hears_text().0, text);
    }
}

#[test]
fn a_paste_says_each_of_its_lines() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("\u{1b}[200~one\ntwo\u{1b}[201~");
    peer.hears_nothing();
    screen.types("\r");
    assert_eq!(peer.hears_text().0, "one");
    assert_eq!(peer.hears_text().0, "two");
}

#[test]
fn keys_that_are_no_text_and_a_paste_that_is_too_long_are_told_and_survived() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types_bytes(b"caf\xe9 au lait");
    screen.shows_row("! that was not UTF-8");
    let many = "line\n".repeat(51);
    screen.types(&format!("\u{1b}[200~{many}\u{1b}[201~\r"));
    screen.shows_row("! 51 lines at once are too many: at most 50");
    screen.types("fine\r");
    assert_eq!(peer.hears_text().0, "fine");
}

#[test]
fn names_and_commands_are_completed() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    peer.says(said(1, "robert", "hi"));
    screen.shows_row("<robert> hi");
    screen.types("/ms\trob\tpsst\r");
    let message = peer.hears();
    assert_eq!(
        (&message["to"], &message["message"]),
        (&json!("robert"), &json!("psst"))
    );
}

#[test]
fn every_way_out_leaves_the_terminal_as_it_was() {
    for keys in [CTRL_C, CTRL_D, "/quit\r", "half a thought\u{3}"] {
        let (_server, peer, mut screen) = alice_in_lobby(&[]);
        screen.types(keys);
        peer.lets_go();
        assert_eq!(screen.ends(), 0, "{keys:?}");
    }
}

#[test]
fn signals_are_a_way_out_as_well() {
    for signal in ["TERM", "INT", "HUP"] {
        let (_server, peer, mut screen) = alice_in_lobby(&[]);
        screen.types("half a thought");
        screen.shows_last("lobby> half a thought");
        screen.is_told(signal);
        peer.lets_go();
        assert_eq!(screen.ends(), 0, "{signal}");
    }
}

#[test]
fn leaving_waits_for_what_was_said_last() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("my last words\r/quit so long\r");
    let (_, message) = peer.hears_text();
    peer.hears_nothing();
    peer.says(ack(&message, 1));
    let quit = peer.hears();
    assert_eq!(
        (&quit["type"], &quit["reason"]),
        (&json!("quit"), &json!("so long"))
    );
    drop(peer);
    assert_eq!(screen.ends(), 0);
}

#[test]
fn a_bye_ends_it_with_its_reason_after_the_last_message() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("half a thought");
    screen.shows_last("lobby> half a thought");
    peer.says(said(1, "bob", "watch out"));
    peer.says(
        json!({"type": "bye", "code": "kicked", "text": "removed by root", "reconnect": false}),
    );
    drop(peer);
    assert_eq!(screen.ends(), 1);
    let rows = screen.rows();
    let place = |text: &str| {
        rows.iter()
            .position(|row| row == text)
            .unwrap_or_else(|| panic!("{rows:#?}"))
    };
    assert!(place("<bob> watch out") < place("chat-client: removed by root"));
}

#[test]
fn hostile_text_reaches_the_screen_only_escaped() {
    let (_server, mut peer, screen) = alice_in_lobby(&[]);
    let hostile = "\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{1b}[2J\u{202e}\u{2066}\r\u{8}\u{7f}\u{200b}";
    peer.says(json!({"type": "notice", "text": hostile}));
    peer.says(json!({"type": "topic", "room": hostile, "topic": hostile, "username": hostile}));
    peer.says(json!({"type": "error", "code": hostile, "text": hostile}));
    for event in ["join", "quit"] {
        peer.says(json!({
            "type": "presence", "room": "lobby", "event": event, "username": hostile, "reason": hostile,
        }));
    }
    peer.says(said(1, hostile, hostile));
    peer.says(json!({"type": "message", "to": "alice", "username": hostile, "message": hostile}));
    peer.says(said(2, "bob", "the end"));
    screen.shows_row("<bob> the end");
    let text = String::from_utf8(screen.bytes()).unwrap();
    assert!(text.contains(r"\x1b]52;c;aGk=\x07\x9b2J\x1b[2J\u{202e}\u{2066}\r\x08\x7f\u{200b}"));
    for raw in [
        "\u{1b}]",
        "\u{9b}",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2066}",
        "\u{8}",
        "\u{7f}",
        "\u{200b}",
        "\u{7}",
    ] {
        assert!(!text.contains(raw), "{raw:?} came through");
    }
}

#[test]
fn a_lost_connection_is_resumed_and_nothing_is_shown_twice() {
    let (server, mut peer, mut screen) = alice_in_lobby(&[]);
    peer.says(said(1, "bob", "before"));
    screen.shows_row("<bob> before");
    drop(peer);
    screen.shows("the loss", |rows| times(rows, "trying again in") == 1);
    screen.types("meanwhile\r");
    let (mut peer, hello) = server.greet("alice");
    assert_eq!(hello["resume"], "a secret");
    let join = peer.hears();
    assert_eq!(join["since"], json!({"epoch": "e1", "seq": 1}));
    peer.says(joined("lobby", 1, &join));
    peer.says(said(1, "bob", "before"));
    assert_eq!(peer.hears_text().0, "meanwhile");
    peer.says(said(2, "bob", "after"));
    let rows = screen.shows_row("<bob> after");
    assert_eq!(
        (times(&rows, "<bob> before"), times(&rows, "meanwhile")),
        (1, 1),
        "{rows:#?}"
    );
    assert_eq!(times(&rows, "* connected again as alice"), 1);
}

#[test]
fn commands_do_what_they_say() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("/join dev\r");
    let join = peer.hears();
    assert_eq!(
        (&join["type"], &join["room"]),
        (&json!("join"), &json!("dev"))
    );
    peer.says(joined("dev", 0, &join));
    screen.shows_last("dev>");
    peer.says(said(1, "bob", "hi"));
    screen.shows_row("[lobby] <bob> hi");

    screen.types("/msg bob psst\r");
    assert_eq!(peer.hears()["to"], "bob");
    screen.types("//slash\r");
    assert_eq!(peer.hears_text().0, "/slash");
    screen.types("/names\r");
    let names = peer.hears();
    peer.says(json!({
        "type": "names", "room": "dev", "members": ["alice", "bob"], "more": false, "label": names["label"],
    }));
    screen.shows_row("* in dev: alice, bob");
    screen.types("/rooms\r");
    let rooms = peer.hears();
    peer.says(json!({
        "type": "rooms", "rooms": [{"room": "dev", "members": 2, "topic": "bugs"}], "more": false,
        "label": rooms["label"],
    }));
    screen.shows_row("     2  dev  bugs");
    screen.types("/nick carol\r");
    assert_eq!(peer.hears()["username"], "carol");
    peer.says(json!({
        "type": "presence", "room": "dev", "event": "nick", "username": "alice", "new_username": "carol",
    }));
    screen.shows_row("* you are now carol");
    screen.types("/part\r");
    let part = peer.hears();
    peer.says(json!({"type": "parted", "room": "dev", "label": part["label"]}));
    screen.shows_last("lobby>");
    screen.types("/jion x\r");
    screen.shows("an error", |rows| {
        times(rows, "! there is no command /jion") == 1
    });
    screen.types("/help\r");
    screen.shows("help", |rows| times(rows, "/msg NICK TEXT") == 1);
}

#[test]
fn colours_are_there_unless_they_are_not_wanted() {
    for (more, coloured) in [(&[][..], true), (&["--no-color"][..], false)] {
        let (_server, mut peer, screen) = alice_in_lobby(more);
        peer.says(said(1, "bob", "hi"));
        screen.shows_row("<bob> hi");
        let text = String::from_utf8(screen.bytes()).unwrap();
        assert_eq!(text.contains("\u{1b}[38;5;"), coloured);
        assert_eq!(text.contains('m') && text.contains("\u{1b}[2m"), coloured);
    }
}

#[test]
fn typed_lines_are_remembered_for_their_owner_alone() {
    let (_server, mut peer, mut screen) = alice_in_lobby(&[]);
    screen.types("remember me\r");
    peer.acks(1, "remember me");
    // Between two prompts the terminal itself would take the key.
    screen.shows_row("lobby> remember me");
    screen.shows_last("lobby>");
    screen.types(CTRL_D);
    peer.lets_go();
    assert_eq!(screen.ends(), 0);
    let directory = screen.home.path().join(".local/state/chat-client");
    assert_eq!(
        (mode(&directory), mode(&directory.join("history"))),
        (0o700, 0o600)
    );

    let home = Arc::clone(&screen.home);
    let server = Server::start();
    let mut screen = Screen::open_at_home(server.address, &[], home);
    let mut peer = server.in_lobby("alice");
    screen.shows_last("lobby>");
    screen.types(UP);
    screen.shows_last("lobby> remember me");
    screen.types("\r");
    assert_eq!(peer.hears_text().0, "remember me");
}

#[test]
fn a_refused_nick_is_a_4() {
    let server = Server::start();
    let screen = Screen::open(server.address, &[]);
    let mut peer = server.accept();
    peer.hears();
    peer.says(json!({"type": "error", "code": "nick_reserved", "text": "nobody may have it"}));
    peer.hears_end();
    assert_eq!(screen.ends(), 4);
    assert!(
        screen
            .rows()
            .iter()
            .any(|row| row == "chat-client: alice: nobody may have it")
    );
}
