//! The life story of the process: one type that readiness, the gauge, systemd and `chatctl` share.

use std::fmt;

/// Where the daemon is in its life. It only ever moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Reading the configuration, opening listeners.
    #[default]
    Starting,
    /// Serving.
    Ready,
    /// No new connections; everyone hears what is in the log, then `bye`.
    Draining,
    /// Nothing is served any more.
    Stopped,
}

impl Phase {
    /// Every phase, in the order of life.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped];

    /// The word that metrics, logs, `/readyz` and `chatctl status` show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
