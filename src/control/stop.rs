//! The way to the end.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Control;
use crate::phase::Phase;

/// The daemon is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// When everyone who is left is closed.
    pub deadline: Instant,
}

impl Control {
    /// Begins the end: not ready, no new connections, and at the deadline (`shutdown.deadline` if
    /// none is given) it is over. Asked for once more, the deadline is now.
    pub fn drain(&self, within: Option<Duration>) -> Stopping {
        let now = Instant::now();
        let within = within.unwrap_or_else(|| self.live().config.shutdown.deadline);
        let mut begun = false;
        self.0.stopping.send_modify(|stopping| {
            begun = stopping.is_none();
            let deadline = if begun { now + within } else { now };
            *stopping = Some(Stopping { deadline });
        });
        self.0.hub.set_phase(Phase::Draining);
        let seconds = if begun { within.as_secs_f64() } else { 0.0 };
        tracing::info!(
            event = "daemon.draining",
            deadline_seconds = seconds,
            "the daemon is to end"
        );
        self.stopping()
            .borrow()
            .unwrap_or(Stopping { deadline: now })
    }

    /// Ends now: a drain without patience.
    pub fn shutdown(&self) -> Stopping {
        self.drain(Some(Duration::ZERO))
    }

    /// Tells whether and until when the daemon is draining. The deadline only ever moves nearer.
    pub fn stopping(&self) -> watch::Receiver<Option<Stopping>> {
        self.0.stopping.subscribe()
    }

    /// How much time a drain has left; none if there is none.
    pub fn time_left(&self) -> Option<Duration> {
        let stopping = *self.0.stopping.borrow();
        stopping.map(|stopping| stopping.deadline.saturating_duration_since(Instant::now()))
    }
}
