//! A histogram with fixed bounds and one writer.

use std::time::Duration;

use super::Counter;

/// Bounds of delivery latency. Each alert threshold is one of them.
pub const LATENCY_BOUNDS: [Duration; 16] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
];

/// Counts of observations by upper bound; the last bucket has none.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    buckets: Vec<Counter>,
    sum_micros: Counter,
}

impl Histogram {
    /// An empty histogram with these rising bounds.
    pub fn new(bounds: &'static [Duration]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self {
            bounds,
            buckets,
            sum_micros: Counter::default(),
        }
    }

    /// Notes `count` observations of the same length.
    pub fn observe(&self, took: Duration, count: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        self.buckets[bucket].add(count);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros.add(micros.saturating_mul(count));
    }
}

/// The sum of several histograms with the same bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramTotals {
    /// Upper bounds, rising.
    pub bounds: &'static [Duration],
    /// Observations in each bucket, not cumulated; one more than bounds.
    pub buckets: Vec<u64>,
    /// Sum of all observations, in microseconds.
    pub sum_micros: u64,
}

impl HistogramTotals {
    /// All zero.
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            buckets: vec![0; bounds.len() + 1],
            sum_micros: 0,
        }
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket.get();
        }
        self.sum_micros += other.sum_micros.get();
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
        let histogram = Histogram::new(&LATENCY_BOUNDS);
        histogram.observe(Duration::from_micros(50), 2);
        histogram.observe(Duration::from_micros(51), 1);
        histogram.observe(Duration::from_secs(60), 1);
        let mut totals = HistogramTotals::new(&LATENCY_BOUNDS);
        totals.add(&histogram);
        assert_eq!(
            (totals.buckets[0], totals.buckets[1], totals.buckets[16]),
            (2, 1, 1)
        );
        assert_eq!(totals.count(), 4);
        assert_eq!(totals.sum_micros, 60_000_151);
    }
}
