//! Twenty lines of Python that know two fields and nothing else.

use std::process::Command;

use crate::stage::{Daemon, Program, own};

pub(crate) fn a_client_of_two_fields_talks_with_everyone() {
    let daemon = Daemon::start();
    let (host, port) = (daemon.chat.ip().to_string(), daemon.chat.port().to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/two_fields.py");
    let mut simple = Program::start(Command::new("python3").args([script, &host, &port, "simple"]));
    let mut alice = daemon.netcat("alice");
    let server = daemon.chat.to_string();
    let mut client = Program::start(Command::new(own("chat-client")).args([&server, "carol"]));
    let mut bot = Program::start(Command::new(own("chat-client")).args([&server, "bot", "--json"]));
    alice.hears("carol joined");
    alice.hears("bot joined");

    simple.says("hello from two fields");
    for other in [&alice, &client, &bot] {
        other.hears("hello from two fields");
    }
    for (other, name) in [
        (&mut alice, "alice"),
        (&mut client, "carol"),
        (&mut bot, "bot"),
    ] {
        other.says(&format!("hello from {name}"));
        simple.hears(&format!("{name}: hello from {name}\n"));
    }
    // Whoever comes, goes or is told something: nothing of it reaches the simple client.
    alice.says("/msg simple psst");
    alice.hears("! ");
    let heard = simple.text();
    assert!(
        heard.lines().all(|line| line.contains(": hello from ")),
        "{heard}"
    );
}
