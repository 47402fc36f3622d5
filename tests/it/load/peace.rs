//! A life of the daemon that ends in peace.

use rustix::process::Signal;

use crate::checker::Life;
use crate::harness::Daemon;

/// Asks the daemon to end, and waits until it has.
pub(crate) async fn end_in_peace(chat: &Daemon) -> Life {
    chat.signal(Signal::TERM);
    let ended = chat.exit().await.to_string();
    chat.logs(&["daemon.stopped"]).await;
    Life {
        ended,
        expected: "exit status: 0".to_owned(),
        stderr: chat.stderr(),
    }
}
