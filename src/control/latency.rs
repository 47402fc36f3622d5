//! How long it takes from a message's arrival to its bytes being handed to a recipient's socket.

use serde::Serialize;

use super::Control;
use super::status::quantile;

/// The parts of the deliveries that are told.
const PARTS: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p999", 0.999),
    ("max", 1.0),
];

/// Deliveries up to a bound.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bucket {
    /// The bound; none is above all bounds.
    pub le_seconds: Option<f64>,
    /// How many were above the bound before and not above this one.
    pub count: u64,
}

/// The latency of deliveries since the start, sampled.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Deliveries that were timed.
    pub samples: u64,
    /// Their sum.
    pub sum_seconds: f64,
    /// For each part the bound of the bucket that holds it; none above all bounds.
    pub quantiles: Vec<Quantile>,
    /// All buckets, so that two answers can be subtracted.
    pub buckets: Vec<Bucket>,
}

/// A part of the deliveries and how long they took at most.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantile {
    /// Which part.
    pub quantile: &'static str,
    /// The bound; none if there are no samples or it is above all bounds.
    pub seconds: Option<f64>,
}

impl Control {
    /// The latency of deliveries since the start.
    pub fn latency(&self) -> Latency {
        let histogram = self.totals().delivery_latency;
        let quantiles = PARTS.map(|(name, part)| Quantile {
            quantile: name,
            seconds: quantile(&histogram, part),
        });
        let bounds = histogram.bounds;
        let tops = bounds.parts.iter().map(|&parts| Some(bounds.units(parts)));
        let buckets = tops
            .chain([None])
            .zip(&histogram.buckets)
            .map(|(le_seconds, &count)| Bucket { le_seconds, count });
        Latency {
            samples: histogram.count(),
            sum_seconds: bounds.units(histogram.sum),
            quantiles: quantiles.into(),
            buckets: buckets.collect(),
        }
    }
}
