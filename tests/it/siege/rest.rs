//! The daemon at rest, and that it comes back to it.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::Daemon;

/// How long it may take after a fault.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(50);
/// What the allocator and the store may keep for the next time, in bytes.
const KEPT: u64 = 32 * 1024 * 1024;
/// Threads that read files for the control plane, and end when they have had nothing to do.
const HELPERS: usize = 4;

/// What it takes at rest.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    descriptors: usize,
    threads: usize,
    sessions: u64,
    resident_bytes: u64,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.resident_bytes as f64 / (1024.0 * 1024.0);
        write!(
            f,
            "fds {} threads {} sessions {} rss {mib:.1} MiB",
            self.descriptors, self.threads, self.sessions
        )
    }
}

impl Rest {
    pub(super) async fn of(chat: &Daemon) -> Self {
        let metrics = chat.metrics().await;
        Self {
            sessions: metrics.sum("chatd_connections", &[]) as u64,
            descriptors: chat.descriptors(),
            threads: chat.threads(),
            resident_bytes: chat.resident_bytes(),
        }
    }

    /// Waits until nothing more is taken than at rest.
    pub(super) async fn comes_back(&self, chat: &Daemon, after: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::of(chat).await;
            if now.is_as(self) {
                return now;
            }
            assert!(
                Instant::now() < deadline,
                "{after}: {now} instead of {self}; open are {:#?}",
                chat.descriptor_targets()
            );
            sleep(GLANCE).await;
        }
    }

    /// The connection of the look itself may be a descriptor.
    fn is_as(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors + 1
            && self.threads <= before.threads + HELPERS
            && self.sessions == before.sessions
            && self.resident_bytes <= before.resident_bytes + KEPT
    }
}
