//! Some twenty lines of Python that know two fields and nothing else: anything else that they are sent
//! ends them.

use std::process::Command;

use crate::stage::{Daemon, PATIENCE, Program, own};

fn simple(daemon: &Daemon) -> Program {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/two_fields.py");
    let (host, port) = (daemon.chat.ip().to_string(), daemon.chat.port().to_string());
    Program::start(Command::new("python3").args([script, &host, &port, "simple"]))
}

pub(crate) fn a_client_of_two_fields_talks_with_everyone() {
    let daemon = Daemon::start();
    let mut alice = daemon.netcat("alice");
    let mut simple = simple(&daemon);
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
    // What it does not know about does not reach it: a new name, a private message, who comes and goes.
    alice.says("/nick alison");
    alice.says("/msg simple psst");
    alice.hears("! ");
    drop(bot);
    alice.hears("bot quit");
    daemon.chatctl(&["broadcast", "tea at four"]);
    simple.hears("chatd: tea at four\n");

    simple.says("goodbye");
    simple.closes_its_input();
    alice.hears("<simple> goodbye");
    let heard = simple.text();
    assert!(
        simple.ends_within(PATIENCE).success(),
        "it met something that it does not know"
    );
    assert_eq!(heard.lines().count(), 4, "{heard}");
}

pub(crate) fn a_client_of_two_fields_understands_why_it_has_to_leave() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let mut simple = simple(&daemon);
    simple.says("hello");
    alice.hears("<simple> hello");
    daemon.chatctl(&["kick", "simple", "--reason", "too loud"]);
    simple.hears("chatd: ");
    simple.hears("too loud");
    simple.closes_its_input();
    assert!(simple.ends_within(PATIENCE).success());
}
