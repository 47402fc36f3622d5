//! `--basic`: the two-field dialect, for servers that know no other.

use serde_json::json;

use crate::script::{Script, chat_client};
use crate::server::Server;

#[test]
fn speaks_exactly_two_fields_and_half_closes_at_the_end() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--basic"]);
    alice.types("hi\n/join x\n");
    let mut peer = server.accept();
    assert_eq!(
        peer.hears_raw(),
        "{\"username\":\"alice\",\"message\":\"hi\"}\n"
    );
    assert_eq!(
        peer.hears(),
        json!({"username": "alice", "message": "/join x"})
    );
    peer.says_raw("{\"username\":\"bob\",\"message\":\"\\u001b[2Jhi\"}\nnonsense\n");
    alice.ends_input();
    peer.hears_end();
    peer.says_raw("{\"username\":\"bob\",\"message\":\"the last word\"}\r\n");
    drop(peer);
    let ended = alice.end();
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert_eq!(ended.stdout, "<bob> \\x1b[2Jhi\n<bob> the last word\n");
}

#[test]
fn does_not_wait_for_ever_for_a_server_that_does_not_close() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--basic"]);
    alice.types("hi\n");
    let mut peer = server.accept();
    peer.hears();
    alice.ends_input();
    peer.hears_end();
    assert_eq!(alice.end().code, Some(0));
}

#[test]
fn a_server_that_closes_is_the_end() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--basic"]);
    alice.types("hi\n");
    let mut peer = server.accept();
    peer.hears();
    drop(peer);
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("the server closed the connection"),
        "{ended:?}"
    );
}

#[test]
fn an_empty_line_is_reported_and_counted() {
    let server = Server::start();
    let mut alice = Script::talk(server.address, &["--basic"]);
    alice.types("\nhi\n");
    alice.ends_input();
    let mut peer = server.accept();
    assert_eq!(peer.hears()["message"], "hi");
    peer.hears_end();
    drop(peer);
    let ended = alice.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("empty message"), "{ended:?}");
}

#[test]
fn needs_a_nick() {
    let mut command = chat_client();
    command.args(["--basic", "127.0.0.1:7687"]);
    assert_eq!(Script::start(command).end().code, Some(2));
}
