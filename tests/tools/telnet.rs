//! Debian's telnet, whose Ctrl-C stops showing anything until the other side answers a TIMING-MARK.

use crate::stage::{Daemon, Program};

const CTRL_C: &str = "\x03";

pub(crate) fn ctrl_c_in_the_middle_does_not_end_the_talk() {
    let daemon = Daemon::start();
    let mut alice = daemon.netcat("alice");
    let mut terry = Program::on_terminal(&format!("telnet 127.0.0.1 {}", daemon.chat.port()));
    terry.hears("Escape character");
    terry.says("/nick terry");
    terry.says("before the interrupt");
    alice.hears("<terry> before the interrupt");

    terry.types("half a li");
    terry.types(CTRL_C);
    terry.says("after the interrupt");
    alice.hears("<terry> after the interrupt");
    alice.says("we still hear you");
    terry.hears("<alice> we still hear you");
}
