//! How fast: the generic cell rate algorithm (ITU-T I.371), one timestamp per session.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Rate;

/// What one source has used up of its rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When everything that was spent is earned again; `None` before the first event.
    earned: Option<Instant>,
}

impl Pace {
    /// Spends one event. `Some` is when the next one is earned, if it is not earned now.
    ///
    /// For those who are slowed down: the event happens, and nothing more is read until then.
    pub fn spend(&mut self, now: Instant, rate: Option<Rate>, burst: u32) -> Option<Instant> {
        let rate = rate?;
        let start = self.earned.map_or(now, |earned| earned.max(now));
        let earned = start + rate.interval();
        self.earned = Some(earned);
        let free = rate.interval() * burst.saturating_sub(1);
        let ready = earned.checked_sub(free).unwrap_or(now);
        (ready > now).then_some(ready)
    }

    /// Spends one event if it is earned.
    ///
    /// # Errors
    /// How long until it is. Nothing is spent then.
    pub fn try_spend(
        &mut self,
        now: Instant,
        rate: Option<Rate>,
        burst: u32,
    ) -> Result<(), Duration> {
        let Some(rate) = rate else { return Ok(()) };
        let start = self.earned.map_or(now, |earned| earned.max(now));
        let free = rate.interval() * burst.max(1);
        let earned = start + rate.interval();
        match earned.duration_since(now).checked_sub(free) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.earned = Some(earned);
                Ok(())
            }
        }
    }

    /// Whether nothing is owed any more, so that it need not be remembered.
    pub fn is_rested(&self, now: Instant) -> bool {
        self.earned.is_none_or(|earned| earned <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Option<Rate> = Some(Rate {
        count: 10,
        per: Duration::from_secs(1),
    });

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_each_waits_its_interval() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(pace.spend(now, TEN, 5), None);
        }
        assert_eq!(
            pace.spend(now, TEN, 5),
            Some(now + Duration::from_millis(100))
        );
        assert_eq!(
            pace.spend(now, TEN, 5),
            Some(now + Duration::from_millis(200))
        );
        let later = now + Duration::from_secs(10);
        assert_eq!(
            pace.spend(later, TEN, 5),
            None,
            "rest earns the burst again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_costs_nothing() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(
            (0..10)
                .filter(|_| pace.try_spend(now, TEN, 3).is_ok())
                .count(),
            3
        );
        let wait = pace.try_spend(now, TEN, 3).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(pace.try_spend(now + wait, TEN, 3).is_ok());
        assert!(pace.try_spend(now, None, 1).is_ok(), "no rate, no wait");
    }
}
