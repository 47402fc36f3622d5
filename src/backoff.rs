//! How long to wait before `accept` is tried again.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double from 10 ms to 1 s while `accept` keeps failing: out of descriptors, an
/// acceptor that just goes on burns a core, and one that gives up ends the daemon.
#[derive(Debug, Default)]
pub struct Backoff(Option<Duration>);

impl Backoff {
    /// It worked.
    pub fn reset(&mut self) {
        self.0 = None;
    }

    /// It failed: waits, and logs the failure if it is the first since it last worked.
    pub async fn pause(&mut self, door: &'static str, error: &io::Error) {
        let (wait, first) = self.failed();
        if first {
            tracing::warn!(event = "accept.failed", door, %error, "nobody can come in for a while");
        }
        sleep(wait).await;
    }

    /// How long to wait, and whether this failure is the first of its kind.
    fn failed(&mut self) -> (Duration, bool) {
        let wait = self.0.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        let first = self.0.replace(wait).is_none();
        (wait, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.failed()).collect();
        assert_eq!(waits[0], (SHORTEST, true));
        assert_eq!(waits[1], (Duration::from_millis(20), false));
        assert_eq!(waits[8], (LONGEST, false));
        backoff.reset();
        assert_eq!(backoff.failed(), (SHORTEST, true));
    }
}
