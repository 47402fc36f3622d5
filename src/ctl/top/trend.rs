//! How something went lately, newest first, as a sparkline wants it.

use std::collections::VecDeque;

use serde_json::Value;

/// Points that are kept: more than any terminal is wide.
const KEPT: usize = 512;

/// One measure over time.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<u64>);

impl Trend {
    /// One more point; what is not known is nothing.
    pub(super) fn add(&mut self, value: &Value, scale: f64) {
        let value = value.as_f64().unwrap_or(0.0).max(0.0);
        self.0.truncate(KEPT - 1);
        self.0.push_front((value * scale) as u64);
    }

    /// The points, newest first.
    pub(super) fn points(&self) -> Vec<u64> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_comes_first_and_the_oldest_goes() {
        let mut trend = Trend::default();
        for n in 0..KEPT + 2 {
            trend.add(&json!(n), 10.0);
        }
        trend.add(&Value::Null, 1.0);
        let points = trend.points();
        assert_eq!(points.len(), KEPT);
        assert_eq!((points[0], points[1]), (0, 10 * (KEPT as u64 + 1)));
    }
}
