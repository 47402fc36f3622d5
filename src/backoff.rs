//! How long to wait before `accept` is tried again.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// How often a fault that comes and goes is told: a log that tells of each is a fault of its own.
const QUIET: Duration = Duration::from_secs(10);

/// Waits that double from 10 ms to 1 s while `accept` keeps failing: out of descriptors, an
/// acceptor that just goes on burns a core, and one that gives up ends the daemon.
#[derive(Debug)]
pub struct Backoff {
    door: &'static str,
    /// The last wait, since it last worked.
    last: Option<Duration>,
    /// When a fault was last told.
    told: Option<Instant>,
    /// The fault that is now was told: so will be its end.
    is_told: bool,
}

impl Backoff {
    /// For the door of this name.
    pub fn new(door: &'static str) -> Self {
        Self {
            door,
            last: None,
            told: None,
            is_told: false,
        }
    }

    /// It worked.
    pub fn reset(&mut self) {
        let door = self.door;
        if self.last.take().is_some() && std::mem::take(&mut self.is_told) {
            tracing::info!(event = "accept.recovered", door, "people can come in again");
        }
    }

    /// It failed: waits, and logs the failure if it is news.
    pub async fn pause(&mut self, error: &io::Error) {
        let door = self.door;
        let wait = self.failed();
        if self.is_news() {
            tracing::warn!(event = "accept.failed", door, %error, "nobody can come in for a while");
        }
        sleep(wait).await;
    }

    /// How long to wait.
    fn failed(&mut self) -> Duration {
        let wait = self.last.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.last = Some(wait);
        wait
    }

    /// Whether the failure is to be told: once for each fault, and not too often.
    fn is_news(&mut self) -> bool {
        let is_news = !self.is_told && self.told.is_none_or(|told| told.elapsed() >= QUIET);
        if is_news {
            self.told = Some(Instant::now());
            self.is_told = true;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_begin_anew() {
        let mut backoff = Backoff::new("chat");
        let waits: Vec<_> = (0..9).map(|_| backoff.failed()).collect();
        assert_eq!(waits[0], SHORTEST);
        assert_eq!(waits[1], Duration::from_millis(20));
        assert_eq!(waits[8], LONGEST);
        backoff.reset();
        assert_eq!(backoff.failed(), SHORTEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_told_once_and_flutter_now_and_then() {
        let mut backoff = Backoff::new("chat");
        backoff.failed();
        assert!(backoff.is_news());
        backoff.failed();
        assert!(!backoff.is_news(), "the same fault");
        backoff.reset();
        backoff.failed();
        assert!(!backoff.is_news(), "another, a moment later");
        tokio::time::advance(QUIET).await;
        assert!(backoff.is_news());
    }
}
