//! How long to wait before the next try. Randomness comes in, a duration goes out.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);

/// Waits that double, with jitter, up to a ceiling; with an end to them or without.
#[derive(Clone, Debug)]
pub struct Backoff {
    tries: u32,
    most: Option<u32>,
    ceiling: Duration,
}

impl Backoff {
    /// For a person, who ends it by hand: for ever, at most 30 s apart.
    pub const fn patient() -> Self {
        Self {
            tries: 0,
            most: None,
            ceiling: Duration::from_secs(30),
        }
    }

    /// For a script: ten tries in at most a minute.
    pub const fn bounded() -> Self {
        Self {
            tries: 0,
            most: Some(10),
            ceiling: Duration::from_secs(8),
        }
    }

    /// The next wait, or `None` when it is time to give up.
    ///
    /// Half of it is certain and half is chance (`random` is any number), so that the clients of
    /// one server do not come back in step. It is never less than `least`.
    pub fn next_wait(&mut self, least: Option<Duration>, random: u64) -> Option<Duration> {
        if self.most.is_some_and(|most| self.tries >= most) {
            return None;
        }
        let whole = FIRST
            .saturating_mul(1 << self.tries.min(16))
            .min(self.ceiling);
        self.tries += 1;
        let half = whole / 2;
        let chance = half.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64);
        Some((half + chance).max(least.unwrap_or_default()))
    }

    /// A connection has held: the next loss is a new story.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_between_half_and_whole_up_to_the_ceiling() {
        for random in [0, u64::MAX / 3, u64::MAX] {
            let mut backoff = Backoff::patient();
            for whole in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
                let wait = backoff.next_wait(None, random).unwrap();
                let whole = Duration::from_millis(whole);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            backoff.reset();
            assert!(backoff.next_wait(None, random).unwrap() <= FIRST);
        }
    }

    #[test]
    fn the_servers_wish_is_the_least() {
        let wish = Duration::from_secs(90);
        assert_eq!(Backoff::patient().next_wait(Some(wish), 7), Some(wish));
        let short = Duration::from_millis(1);
        assert!(Backoff::patient().next_wait(Some(short), 0) >= Some(FIRST / 2));
    }

    #[test]
    fn a_script_gives_up_within_a_minute() {
        let mut backoff = Backoff::bounded();
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next_wait(None, u64::MAX)).collect();
        assert_eq!(waits.len(), 10);
        assert!(waits.iter().sum::<Duration>() <= Duration::from_secs(60));
    }
}
