//! How much is said in a room, as of the last looks at its head.
//!
//! Absent: clocks. Whoever looks does so once a second, and that is what a second is here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::event::Seq;

/// Looks after which what was counts little: so many seconds.
const MEMORY: u64 = 10;
/// Nobody has looked yet.
const NEVER: u64 = u64::MAX;

/// Messages a second, those of the last seconds counting most. One task looks, anybody reads.
#[derive(Debug)]
pub(super) struct Tempo {
    head: AtomicU64,
    /// In thousandths of a message, so that a slow room is not a silent one.
    millis: AtomicU64,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            head: AtomicU64::new(NEVER),
            millis: AtomicU64::new(0),
        }
    }
}

impl Tempo {
    /// A second has passed since the last look.
    pub(super) fn look(&self, head: Seq) {
        let before = self.head.swap(head, Relaxed);
        if before == NEVER {
            return;
        }
        let came = head.saturating_sub(before).saturating_mul(1000);
        let known = self.millis.load(Relaxed);
        self.millis
            .store((known * (MEMORY - 1) + came) / MEMORY, Relaxed);
    }

    /// Thousandths of a message a second.
    pub(super) fn millis(&self) -> u64 {
        self.millis.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_said_and_forgets_what_was() {
        let tempo = Tempo::default();
        tempo.look(1_000_000); // what was there before anybody looked
        assert_eq!(tempo.millis(), 0);
        for second in 1..=60 {
            tempo.look(1_000_000 + second * 50);
        }
        assert!((49_000..=50_000).contains(&tempo.millis()), "{tempo:?}");
        for _ in 0..60 {
            tempo.look(1_000_000 + 60 * 50);
        }
        assert!(tempo.millis() < 200, "{tempo:?}");
    }
}
