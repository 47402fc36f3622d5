//! Letting nobody in for a while.

use serde::Serialize;

use super::{Control, Refused};
use crate::phase::Phase;

/// What a pause or its end did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PauseReport {
    /// Whether new connections are refused now.
    pub paused: bool,
    /// Whether that is a change.
    pub changed: bool,
    /// Who is in, and stays.
    pub clients: usize,
}

impl Control {
    /// Refuses new connections with `paused`, until [`Control::resume`]. Those who are in stay.
    ///
    /// # Errors
    /// The daemon drains: it lets nobody in any more.
    pub fn pause(&self) -> Result<PauseReport, Refused> {
        self.set_paused(true)
    }

    /// Lets people in again.
    ///
    /// # Errors
    /// The daemon drains: it lets nobody in any more.
    pub fn resume(&self) -> Result<PauseReport, Refused> {
        self.set_paused(false)
    }

    fn set_paused(&self, paused: bool) -> Result<PauseReport, Refused> {
        if self.phase() >= Phase::Draining {
            let sentence = "the daemon is draining and lets nobody in any more";
            return Err(Refused::State(sentence.to_owned()));
        }
        let changed = self.0.hub.set_paused(paused);
        if changed && paused {
            tracing::warn!(event = "daemon.paused", "nobody is let in");
        } else if changed {
            tracing::info!(event = "daemon.resumed", "new connections are let in again");
        }
        Ok(PauseReport {
            paused,
            changed,
            clients: self.0.hub.sessions(),
        })
    }
}
