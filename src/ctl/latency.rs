//! How long deliveries take: since the start, or within a time.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::Desk;
use super::render::Column;
use super::show::{time, word};
use super::trouble::Trouble;

const QUANTILES: &[Column] = &[
    Column::new("quantile", "QUANTILE", word),
    Column::new("seconds", "WITHIN", time),
];

/// The parts of the deliveries that are told.
const PARTS: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p999", 0.999),
    ("max", 1.0),
];

impl Desk<'_> {
    pub(super) fn latency(&mut self, within: Option<Duration>) -> Result<(), Trouble> {
        let before = self.call("latency", json!({}), "see the latency")?;
        let latency = match within {
            None => before,
            Some(time) => {
                #[allow(clippy::disallowed_methods, reason = "whoever asked waits for it")]
                thread::sleep(time);
                let after = self.call("latency", json!({}), "see the latency")?;
                between(&before, &after)
            }
        };
        if !self.is_for_people() && !self.look.is_rows() {
            return self.print_object(&latency);
        }
        self.print(
            QUANTILES,
            latency["quantiles"].as_array().map_or(&[], Vec::as_slice),
        )?;
        if self.is_for_people() {
            return self.say(&format!("{} deliveries were timed", latency["samples"]));
        }
        Ok(())
    }
}

/// What came between two answers.
pub(super) fn between(before: &Value, after: &Value) -> Value {
    let count = |answer: &Value, at: usize| answer["buckets"][at]["count"].as_u64().unwrap_or(0);
    let buckets: Vec<_> = after["buckets"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(at, bucket)| {
            let came = count(after, at).saturating_sub(count(before, at));
            (bucket["le_seconds"].as_f64(), came)
        })
        .collect();
    let samples: u64 = buckets.iter().map(|(_, count)| count).sum();
    let sum = |answer: &Value| answer["sum_seconds"].as_f64().unwrap_or(0.0);
    let quantiles = PARTS.map(
        |(name, part)| json!({"quantile": name, "seconds": quantile(&buckets, samples, part)}),
    );
    let rows: Vec<_> = buckets
        .iter()
        .map(|(bound, count)| json!({"le_seconds": bound, "count": count}))
        .collect();
    json!({
        "samples": samples,
        "sum_seconds": (sum(after) - sum(before)).max(0.0),
        "quantiles": quantiles,
        "buckets": rows,
    })
}

/// The bound of the bucket that holds this part; none if there is nothing or it is above all bounds.
fn quantile(buckets: &[(Option<f64>, u64)], samples: u64, part: f64) -> Option<f64> {
    let wanted = (samples as f64 * part).ceil() as u64;
    let mut passed = 0;
    let bucket = buckets.iter().find(|(_, count)| {
        passed += count;
        passed >= wanted
    });
    bucket.filter(|_| wanted > 0).and_then(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(counts: [u64; 3]) -> Value {
        let bounds = [json!(0.001), json!(0.01), Value::Null];
        let buckets: Vec<_> = bounds
            .iter()
            .zip(counts)
            .map(|(bound, count)| json!({"le_seconds": bound, "count": count}))
            .collect();
        json!({"buckets": buckets, "sum_seconds": 1.5, "samples": counts.iter().sum::<u64>()})
    }

    #[test]
    fn what_came_between_two_answers_has_quantiles_of_its_own() {
        let came = between(&answer([1000, 5, 0]), &answer([1098, 7, 0]));
        assert_eq!(came["samples"], 100);
        let of = |name: &str| {
            let all = came["quantiles"].as_array().unwrap();
            all.iter().find(|row| row["quantile"] == name).unwrap()["seconds"].clone()
        };
        assert_eq!(
            (of("p50"), of("p99"), of("max")),
            (json!(0.001), json!(0.01), json!(0.01))
        );
        let nothing = between(&answer([1, 1, 1]), &answer([1, 1, 1]));
        assert_eq!(nothing["quantiles"][0]["seconds"], Value::Null);
        let above = between(&answer([0, 0, 0]), &answer([0, 0, 3]));
        assert_eq!(above["quantiles"][0]["seconds"], Value::Null);
    }
}
