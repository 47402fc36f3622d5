//! Whether the server is still alive. `now` is a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// From the connection to `welcome`.
const GREETING: Duration = Duration::from_secs(10);
/// Silence after which the server is asked, where it has named no interval of its own.
const SILENCE: Duration = Duration::from_secs(60);
/// The shortest interval that is believed.
const LEAST_SILENCE: Duration = Duration::from_secs(5);
/// A connection that was alive for so long makes its loss a new story.
const HELD: Duration = Duration::from_secs(10);

/// The silence of one connection.
///
/// After one interval without a line the server is asked for a sign of life, after two it counts
/// as gone. It has to say `welcome` within ten seconds.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    heard: Instant,
    asked: bool,
    /// Known once the server has said `welcome`.
    interval: Option<Duration>,
}

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Asking for a sign of life.
    Question,
    /// Giving up.
    End,
}

impl Clock {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            began: now,
            heard: now,
            asked: false,
            interval: None,
        }
    }

    /// `interval`: after how much silence the server itself would ask.
    pub(super) fn welcomed(&mut self, interval: Option<Duration>) {
        self.interval = Some(interval.unwrap_or(SILENCE).max(LEAST_SILENCE));
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = false;
    }

    pub(super) fn has_held(&self) -> bool {
        self.heard.duration_since(self.began) >= HELD
    }

    /// When [`Clock::due`] has something to say, if nothing is heard until then.
    pub(super) fn next(&self) -> Instant {
        match self.interval {
            None => self.began + GREETING,
            Some(interval) if self.asked => self.heard + interval * 2,
            Some(interval) => self.heard + interval,
        }
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now < self.next() {
            return Due::Nothing;
        }
        if self.asked || self.interval.is_none() {
            return Due::End;
        }
        self.asked = true;
        Due::Question
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_server_that_does_not_greet_is_left() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.heard(start + seconds(9));
        assert_eq!(clock.due(start + seconds(9)), Due::Nothing);
        assert_eq!(
            clock.due(start + seconds(10)),
            Due::End,
            "other lines are no greeting"
        );
    }

    #[test]
    fn a_silent_server_is_asked_once_and_then_left() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.welcomed(Some(seconds(30)));
        assert_eq!(clock.due(start + seconds(29)), Due::Nothing);
        assert_eq!(clock.next(), start + seconds(30));
        assert_eq!(clock.due(start + seconds(30)), Due::Question);
        assert_eq!(clock.due(start + seconds(31)), Due::Nothing, "asked once");
        assert_eq!(clock.next(), start + seconds(60));
        assert_eq!(clock.due(start + seconds(60)), Due::End);
    }

    #[test]
    fn any_line_is_a_sign_of_life() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.welcomed(None);
        assert_eq!(clock.due(start + SILENCE), Due::Question);
        clock.heard(start + seconds(61));
        assert_eq!(clock.due(start + seconds(120)), Due::Nothing);
        assert_eq!(clock.due(start + seconds(121)), Due::Question);
    }

    #[test]
    fn an_interval_that_is_too_short_to_be_true_is_not_believed() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.welcomed(Some(Duration::ZERO));
        assert_eq!(clock.next(), start + LEAST_SILENCE);
    }

    #[test]
    fn a_connection_has_held_when_it_was_alive_late_enough() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.heard(start + seconds(9));
        assert!(!clock.has_held());
        clock.heard(start + HELD);
        assert!(clock.has_held());
    }
}
