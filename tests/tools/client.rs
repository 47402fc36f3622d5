//! The person's client on a real terminal.

use crate::stage::{Daemon, Program, own};

pub(crate) fn what_is_typed_stays_whole_while_others_talk() {
    let daemon = Daemon::start();
    let mut alice = daemon.netcat("alice");
    let client = format!("{} {} bob", own("chat-client").display(), daemon.chat);
    let mut bob = Program::on_terminal(&client);
    alice.hears("bob joined");
    for (number, word) in ["this ", "was ", "typed ", "in ", "pieces"]
        .iter()
        .enumerate()
    {
        bob.types(word);
        alice.says(&format!("interruption {number}"));
        bob.hears(&format!("interruption {number}"));
    }
    bob.types("\r");
    alice.hears("<bob> this was typed in pieces");
}
