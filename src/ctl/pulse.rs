//! What goes on between two glances at the daemon: rates instead of sums.

use serde_json::{Value, json};

use super::latency::between;

/// Sums of `status` that are shown as rates, and what the rates are called.
const RATES: [(&str, &str); 8] = [
    ("accepted", "accepted_per_second"),
    ("closed", "closed_per_second"),
    ("refused", "refused_per_second"),
    ("committed_messages", "committed_per_second"),
    ("deliveries", "deliveries_per_second"),
    ("gap_messages", "gap_messages_per_second"),
    ("in_bytes", "in_bytes_per_second"),
    ("out_bytes", "out_bytes_per_second"),
];

/// What went on between two glances; none if no time passed.
pub(super) fn pulse(before: &Value, after: &Value) -> Option<Value> {
    let seconds = after["interval_seconds"]
        .as_f64()
        .filter(|seconds| *seconds > 0.0)?;
    let (old, new) = (&before["status"], &after["status"]);
    let mut pulse = json!({
        "time": after["time"],
        "interval_seconds": seconds,
        "phase": new["phase"],
        "clients": new["clients"],
        "behind": new["clients_by_state"]["behind"],
        "lag_msgs_max": new["lag_msgs_max"],
        "lag_seconds_max": new["lag_seconds_max"],
        "buffer_bytes": new["buffer_bytes"],
    });
    for (sum, rate) in RATES {
        let count = |status: &Value| status[sum].as_u64().unwrap_or(0);
        let came = count(new).saturating_sub(count(old)) as f64;
        pulse[rate] = json!((came / seconds * 10.0).round() / 10.0);
    }
    let number = |status: &Value, name: &str| status[name].as_f64().unwrap_or(0.0);
    let busy = number(new, "workers_busy_seconds") - number(old, "workers_busy_seconds");
    let part = busy / seconds / number(new, "workers").max(1.0);
    pulse["workers_busy_percent"] = json!((part.clamp(0.0, 1.0) * 1000.0).round() / 10.0);
    let latency = between(&before["latency"], &after["latency"]);
    for name in ["p50", "p99"] {
        let all = latency["quantiles"].as_array();
        let row = all
            .into_iter()
            .flatten()
            .find(|row| row["quantile"] == name);
        pulse[format!("delivery_{name}_seconds")] =
            row.map_or(Value::Null, |row| row["seconds"].clone());
    }
    Some(pulse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_rates() {
        let glance = |seconds: f64, sum: u64| {
            json!({"interval_seconds": seconds, "status": {
                "committed_messages": sum, "clients": 3, "workers": 2, "workers_busy_seconds": sum as f64 / 10.0,
            }})
        };
        let pulse_ = pulse(&glance(0.0, 100), &glance(2.0, 125)).unwrap();
        assert_eq!(pulse_["committed_per_second"], 12.5);
        assert_eq!(pulse_["clients"], 3);
        // Two and a half seconds of the four that two workers had.
        assert_eq!(pulse_["workers_busy_percent"], 62.5);
        assert_eq!(pulse_["delivery_p99_seconds"], Value::Null);
        assert_eq!(pulse(&glance(0.0, 1), &glance(0.0, 1)), None);
    }
}
