//! netcat, as a person and in a pipe.

use std::process::Command;

use crate::stage::{Daemon, succeeds};

pub(crate) fn a_pipe_into_netcat_is_said_to_the_end() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let pipe = format!(
        "printf '/nick ci\\ndeploy done\\n' | nc -N 127.0.0.1 {}",
        daemon.chat.port()
    );
    succeeds(Command::new("timeout").args(["20", "bash", "-c", &pipe]));
    alice.hears("<ci> deploy done");
}

pub(crate) fn two_people_with_netcat_talk() {
    let daemon = Daemon::start();
    let mut alice = daemon.netcat("alice");
    let mut bob = daemon.netcat("bob");
    bob.says("good morning");
    alice.hears("<bob> good morning");
    alice.says("and to you");
    bob.hears("<alice> and to you");
    assert!(
        !alice.text().contains("<alice>"),
        "own messages are not repeated: {}",
        alice.text()
    );
}
