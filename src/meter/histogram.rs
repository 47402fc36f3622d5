//! A histogram with fixed bounds and one writer.

use std::time::Duration;

use super::{COUNTS, Counter};

/// Rising upper bounds, and what they measure.
#[derive(Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In the smallest part of the unit: microseconds for times, bytes for sizes.
    pub parts: &'static [u64],
    /// So many of these parts make the unit that is shown.
    pub per_unit: u64,
}

impl Bounds {
    /// Times, given in microseconds and shown in seconds.
    const fn micros(parts: &'static [u64]) -> Self {
        let per_unit = 1_000_000;
        Self { parts, per_unit }
    }

    /// Sizes in bytes.
    const fn bytes(parts: &'static [u64]) -> Self {
        Self { parts, per_unit: 1 }
    }

    /// So many parts in the unit that is shown.
    pub fn units(&self, parts: u64) -> f64 {
        parts as f64 / self.per_unit as f64
    }
}

const MILLI: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// Delivery latency. Each alert threshold is one of them.
#[rustfmt::skip] // One line for each power of ten.
pub static LATENCY: Bounds = Bounds::micros(&[
    50, 100, 250, 500,
    MILLI, 2_500, 5 * MILLI, 10 * MILLI, 25 * MILLI, 50 * MILLI, 100 * MILLI, 250 * MILLI, 500 * MILLI,
    SECOND, 2_500 * MILLI, 5 * SECOND, 10 * SECOND,
]);

/// Lateness of a lane's own clock. Each alert threshold is one of them.
#[rustfmt::skip]
pub static LATENESS: Bounds = Bounds::micros(&[
    500,
    MILLI, 2_500, 5 * MILLI, 10 * MILLI, 25 * MILLI, 50 * MILLI, 100 * MILLI, 250 * MILLI, 500 * MILLI,
    SECOND,
]);

/// From accept to the first valid line: up to the default of `limits.hello_timeout`.
#[rustfmt::skip]
pub static HANDSHAKE: Bounds = Bounds::micros(&[
    MILLI, 5 * MILLI, 10 * MILLI, 50 * MILLI, 100 * MILLI, 500 * MILLI, SECOND, 5 * SECOND, 10 * SECOND,
]);

/// How long sessions live: from a second to a week.
#[rustfmt::skip]
pub static LIFETIME: Bounds = Bounds::micros(&[
    SECOND, 10 * SECOND, 60 * SECOND, 300 * SECOND, 1_800 * SECOND, 3_600 * SECOND,
    14_400 * SECOND, 86_400 * SECOND, 604_800 * SECOND,
]);

/// What a turn of the committer takes to write and commit.
#[rustfmt::skip]
pub static COMMIT: Bounds = Bounds::micros(&[
    50, 100, 250, 500,
    MILLI, 2_500, 5 * MILLI, 10 * MILLI, 50 * MILLI, 250 * MILLI,
    SECOND, 5 * SECOND,
]);

/// Messages of a turn of the committer.
pub static TURN: Bounds = Bounds {
    parts: &[1, 4, 16, 64, 128, 255],
    per_unit: 1,
};

/// Sizes of message texts.
pub static TEXT: Bounds = Bounds::bytes(&[16, 64, 256, 1_024, 4_096, 16_384, 65_536]);

/// Counts of observations by upper bound; the last bucket has none.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static Bounds,
    buckets: Vec<Counter>,
    sum: Counter,
}

impl Histogram {
    /// An empty histogram with these bounds.
    pub fn new(bounds: &'static Bounds) -> Self {
        let buckets = (0..=bounds.parts.len())
            .map(|_| Counter::default())
            .collect();
        Self {
            bounds,
            buckets,
            sum: Counter::default(),
        }
    }

    /// Notes `count` observations of the same size.
    pub fn observe(&self, parts: u64, count: u64) {
        if !COUNTS {
            return;
        }
        let bucket = self.bounds.parts.partition_point(|bound| *bound < parts);
        self.buckets[bucket].add(count);
        self.sum.add(parts.saturating_mul(count));
    }

    /// Notes `count` observations of the same length.
    pub fn observe_time(&self, took: Duration, count: u64) {
        if COUNTS {
            self.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), count);
        }
    }
}

/// The sum of several histograms with the same bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramTotals {
    /// Upper bounds, rising.
    pub bounds: &'static Bounds,
    /// Observations in each bucket, not cumulated; one more than bounds.
    pub buckets: Vec<u64>,
    /// Sum of all observations, in the parts of the bounds.
    pub sum: u64,
}

impl HistogramTotals {
    /// All zero.
    pub fn new(bounds: &'static Bounds) -> Self {
        Self {
            bounds,
            buckets: vec![0; bounds.parts.len() + 1],
            sum: 0,
        }
    }

    /// Adds one that has the same bounds.
    pub fn add(&mut self, other: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket.get();
        }
        self.sum += other.sum.get();
    }

    /// How many observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_falls_under_the_first_bound_that_holds_it() {
        let histogram = Histogram::new(&LATENCY);
        histogram.observe_time(Duration::from_micros(50), 2);
        histogram.observe_time(Duration::from_micros(51), 1);
        histogram.observe_time(Duration::from_secs(60), 1);
        let mut totals = HistogramTotals::new(&LATENCY);
        totals.add(&histogram);
        assert_eq!(
            (totals.buckets[0], totals.buckets[1], totals.buckets[17]),
            (2, 1, 1)
        );
        assert_eq!(totals.count(), 4);
        assert_eq!(totals.sum, 60_000_151);
    }

    #[test]
    fn bounds_rise() {
        for bounds in [&LATENCY, &LATENESS, &HANDSHAKE, &LIFETIME, &TEXT] {
            assert!(
                bounds.parts.is_sorted_by(|a, b| a < b),
                "not rising: {bounds:?}"
            );
        }
        assert_eq!(LATENCY.units(LATENCY.parts[11]), 0.25);
    }
}
