//! Whatever a play was about: at its end the daemon's books balance.

use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::daemon::{Daemon, program};
use super::process::is_stopped;

/// How long a daemon may take to come to rest after a play.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked.
const GLANCE: Duration = Duration::from_millis(20);

impl Daemon {
    /// Reads the books until they are quiet; at the end of a play, where nothing else runs.
    ///
    /// # Panics
    /// At a quiet moment something is owed that stands nowhere, or was written and owed to nobody.
    pub(super) fn check_books(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_running() && !self.is_stopped() {
            let books = self.read_books();
            match &books {
                Ok(books) if books["balanced"] == true => return,
                Ok(books) if books["quiet"] == true => {
                    panic!("the books do not balance: {books:#}")
                }
                _ => assert!(Instant::now() < deadline, "no quiet books: {books:?}"),
            }
            thread::park_timeout(GLANCE);
        }
        // Where it ended, the last line of its log is about the books.
        let log = self.stderr();
        assert!(!log.contains("the books do not balance"), "{log}");
    }

    /// What `chatctl books` says, or why it says nothing.
    fn read_books(&self) -> Result<Value, String> {
        let mut chatctl = Command::new(program("chatctl"));
        chatctl.arg("--socket").arg(self.admin_socket());
        let output = chatctl
            .args(["--format", "json", "books"])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Whether a signal has stopped the process, so that it answers nobody.
    pub(crate) fn is_stopped(&self) -> bool {
        is_stopped(self.pid())
    }
}
