//! A web page that makes a browser talk to a port that is none of its business.

use std::net::SocketAddr;
use std::process::{Command, Output};

use crate::stage::{Daemon, ends};

/// What curl's exit status says when the server closed without a word of HTTP.
const NO_HTTP: [i32; 3] = [1, 52, 56];

fn post(address: SocketAddr, body: &str) -> Output {
    let url = format!("http://{address}/");
    ends(
        Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "10"])
            .args(["--data", body, &url]),
    )
}

pub(crate) fn a_web_request_says_nothing_on_the_chat_port() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let mut bob = daemon.netcat("bob");
    let answer = post(daemon.chat, r#"{"username":"x","message":"pwned"}"#);
    assert!(
        NO_HTTP.contains(&answer.status.code().unwrap()),
        "{answer:?}"
    );
    let answer = post(
        daemon.chat,
        "\n{\"username\":\"x\",\"message\":\"pwned\"}\n/nick x\npwned\n",
    );
    assert!(
        NO_HTTP.contains(&answer.status.code().unwrap()),
        "{answer:?}"
    );

    // What comes after it proves that it was not merely late.
    bob.says("has anybody said anything");
    alice.hears("<bob> has anybody said anything");
    assert!(!alice.text().contains("pwned"), "{}", alice.text());
    assert!(
        !daemon
            .chatctl(&["list-clients", "--format", "json"])
            .contains("\"x\"")
    );
}

pub(crate) fn a_web_request_does_nothing_on_the_admin_port() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let kick = r#"{"jsonrpc":"2.0","id":1,"method":"clients.kick","params":{"filter":{"username":"alice"}}}"#;
    let answer = post(daemon.admin, kick);
    assert!(
        NO_HTTP.contains(&answer.status.code().unwrap()),
        "{answer:?}"
    );
    let answer = post(daemon.admin, &format!("\n{kick}\n"));
    assert!(
        NO_HTTP.contains(&answer.status.code().unwrap()),
        "{answer:?}"
    );

    let mut bob = daemon.netcat("bob");
    bob.says("are you still here");
    alice.hears("<bob> are you still here");
    assert!(!alice.text().contains("! "), "{}", alice.text());
}
