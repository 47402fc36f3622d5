//! When patience ends.
//!
//! [`Timers`] only remembers when things happened; [`Timers::judge`] says at any time what follows
//! from that and when to look again. So activity costs one store, and nothing is cancelled.

use std::time::Duration;

use tokio::time::Instant;

use crate::close::{CloseReason, Detail, Ending};
use crate::limits::Limits;

/// When things happened to one session.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// When it was accepted or last read a whole line; or when the server last began to read it
    /// again after having paused it.
    pub heard: Instant,
    /// When the first byte came, until the first valid line is complete.
    pub opening: Option<Instant>,
    /// When the unfinished line began.
    pub line: Option<Instant>,
    /// When it was pinged, until it speaks.
    pub pinged: Option<Instant>,
    /// Since when bytes wait for it and it takes none.
    pub stalled: Option<Instant>,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before this time; never if there is none.
    Wait(Option<Instant>),
    /// A ping is due.
    Ping,
    /// Patience ended.
    Close(Ending),
}

/// Which timers apply to a session.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// It has completed a first line.
    pub spoken: bool,
    /// It answers pings.
    pub pings: bool,
    /// The server itself is not reading it: it is not judged idle.
    pub paused: bool,
}

impl Timers {
    /// A session that begins now.
    pub fn new(now: Instant) -> Self {
        Self {
            heard: now,
            opening: None,
            line: None,
            pinged: None,
            stalled: None,
        }
    }

    /// So much time until now does not count.
    pub fn forgive(&mut self, time: Duration) {
        self.heard += time;
        let others = [
            &mut self.opening,
            &mut self.line,
            &mut self.pinged,
            &mut self.stalled,
        ];
        for since in others.into_iter().flatten() {
            *since += time;
        }
    }

    /// What follows at `now`.
    pub fn judge(&self, now: Instant, limits: &Limits, manner: Manner) -> Verdict {
        use CloseReason::{HelloTimeout, IdleTimeout, LineTimeout, PingTimeout};
        let mut next: Option<Instant> = None;
        let mut ends: [Option<(Instant, Ending)>; 5] = [
            self.stalled
                .map(|since| (since + limits.write_stall, Detail::WriteStall.into())),
            self.opening
                .map(|since| (since + limits.hello_timeout, HelloTimeout.into())),
            None,
            None,
            None,
        ];
        if !manner.paused {
            ends[2] = self
                .line
                .filter(|_| self.opening.is_none())
                .map(|since| (since + limits.line_timeout, LineTimeout.into()));
            if manner.spoken {
                ends[3] = limits
                    .idle_timeout
                    .map(|idle| (self.heard + idle, IdleTimeout.into()));
                let pinged = self.pinged.filter(|_| manner.pings);
                ends[4] = pinged.map(|since| (since + limits.ping_timeout, PingTimeout.into()));
            }
        }
        for (at, ending) in ends.into_iter().flatten() {
            if at <= now {
                return Verdict::Close(ending);
            }
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        if manner.pings && !manner.paused && self.pinged.is_none() {
            let at = self.heard + limits.ping_interval;
            if at <= now {
                return Verdict::Ping;
            }
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        Verdict::Wait(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOKEN: Manner = Manner {
        spoken: true,
        pings: true,
        paused: false,
    };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_session_is_pinged_and_then_closed() {
        let (start, limits) = (Instant::now(), Limits::default());
        let mut timers = Timers::new(start);
        let due = start + limits.ping_interval;
        assert_eq!(
            timers.judge(start, &limits, SPOKEN),
            Verdict::Wait(Some(due))
        );
        assert_eq!(timers.judge(due, &limits, SPOKEN), Verdict::Ping);
        timers.pinged = Some(due);
        let end = due + limits.ping_timeout;
        assert_eq!(timers.judge(due, &limits, SPOKEN), Verdict::Wait(Some(end)));
        assert_eq!(
            timers.judge(end, &limits, SPOKEN),
            Verdict::Close(CloseReason::PingTimeout.into())
        );
        let paused = Manner {
            paused: true,
            ..SPOKEN
        };
        assert_eq!(timers.judge(end, &limits, paused), Verdict::Wait(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_listener_is_let_be_and_a_half_hello_is_not() {
        let (start, limits) = (Instant::now(), Limits::default());
        let manner = Manner {
            spoken: false,
            pings: false,
            paused: false,
        };
        let mut timers = Timers::new(start);
        assert_eq!(
            timers.judge(start + seconds(9999), &limits, manner),
            Verdict::Wait(None)
        );
        timers.opening = Some(start);
        timers.line = Some(start);
        let end = start + limits.hello_timeout;
        assert_eq!(
            timers.judge(end, &limits, manner),
            Verdict::Close(CloseReason::HelloTimeout.into())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn each_patience_has_its_own_end() {
        let (start, mut limits) = (Instant::now(), Limits::default());
        limits.idle_timeout = Some(seconds(40));
        let mut timers = Timers::new(start);
        timers.line = Some(start);
        let end = start + limits.line_timeout;
        assert_eq!(
            timers.judge(end, &limits, SPOKEN),
            Verdict::Close(CloseReason::LineTimeout.into())
        );
        timers.line = None;
        let end = start + seconds(40);
        assert_eq!(
            timers.judge(end, &limits, SPOKEN),
            Verdict::Close(CloseReason::IdleTimeout.into())
        );
        timers.stalled = Some(start);
        let end = start + limits.write_stall;
        assert_eq!(
            timers.judge(end, &limits, SPOKEN),
            Verdict::Close(Detail::WriteStall.into())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_does_not_count_is_added_to_everybody_s_patience() {
        let (start, limits) = (Instant::now(), Limits::default());
        let idle = limits.idle_timeout.unwrap_or(seconds(60));
        let limits = Limits {
            idle_timeout: Some(idle),
            ..limits
        };
        let mut timers = Timers {
            opening: Some(start),
            line: Some(start),
            pinged: Some(start),
            stalled: Some(start),
            ..Timers::new(start)
        };
        let stop = seconds(24 * 60 * 60);
        timers.forgive(stop);
        assert!(matches!(
            timers.judge(start + stop, &limits, SPOKEN),
            Verdict::Wait(Some(_))
        ));
        assert!(matches!(
            timers.judge(start + stop + idle, &limits, SPOKEN),
            Verdict::Close(_)
        ));
    }
}
