//! The life story of the process: one type that readiness, the gauge, systemd and `chatctl` share.

use crate::words::words;

words! {
    /// Where the daemon is in its life. It only ever moves forward.
    #[derive(Default)]
    pub enum Phase {
        /// Reading the configuration, opening listeners.
        #[default]
        Starting = "starting",
        /// Serving.
        Ready = "ready",
        /// No new connections; everyone hears what is in the log, then `bye`.
        Draining = "draining",
        /// Nothing is served any more.
        Stopped = "stopped",
    }
}
