//! Values as people read them.

use bytesize::ByteSize;
use serde_json::Value;

use crate::escape::visible;

/// The value itself: text without quotes and made safe to show, a list with commas.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            let field =
                |(key, value): (&String, &Value)| format!("{}={}", visible(key), plain(value));
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// As [`plain`], with a dash for nothing.
pub(super) fn word(value: &Value) -> String {
    let text = plain(value);
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// A value under a name that carries its unit, as `age_seconds` and `in_bytes` do.
pub(super) fn of_unit(name: &str, value: &Value) -> String {
    match name.rsplit('_').next() {
        Some("seconds") => time(value),
        Some("bytes") => bytes(value),
        Some("at") if !value.is_null() => moment(value),
        _ => word(value),
    }
}

/// A number of bytes as `1.5 KiB`.
pub(super) fn bytes(value: &Value) -> String {
    let bytes = value.as_u64().or(value.as_f64().map(|bytes| bytes as u64));
    bytes.map_or_else(|| word(value), |bytes| ByteSize::b(bytes).to_string())
}

/// A number as `7`, `12.5`, `1.2k`, `3.4M`.
pub(super) fn number(value: &Value) -> String {
    match value.as_f64() {
        None => word(value),
        Some(n) if n >= 1e6 => format!("{:.1}M", n / 1e6),
        Some(n) if n >= 1e4 => format!("{:.1}k", n / 1e3),
        Some(n) if n >= 100.0 || n.fract() == 0.0 => format!("{n:.0}"),
        Some(n) => format!("{n:.1}"),
    }
}

/// A number of seconds as `2d3h`, `5m12s`, `0.3s`.
pub(super) fn time(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else {
        return word(value);
    };
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match whole {
        0 if seconds == 0.0 => "0s".to_owned(),
        0 if seconds < 0.001 => format!("{:.0}us", seconds * 1e6),
        0 => format!("{:.0}ms", seconds * 1e3),
        1..=59 => format!("{whole}s"),
        60..=3599 => format!("{minutes}m{}s", whole % 60),
        3600..=86_399 => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// A time of day and date without the parts of a second.
pub(super) fn moment(value: &Value) -> String {
    let text = plain(value);
    text.split_once('.')
        .map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_short_and_carry_their_units() {
        let times = [0.0, 0.00025, 0.25, 59.9, 61.0, 3_660.0, 90_000.0].map(|s| time(&json!(s)));
        assert_eq!(
            times,
            ["0s", "250us", "250ms", "59s", "1m1s", "1h1m", "1d1h"]
        );
        assert_eq!(bytes(&json!(1536)), "1.5 KiB");
        assert_eq!(bytes(&json!(1536.2)), "1.5 KiB");
        let numbers = [0.0, 7.0, 12.5, 123.4, 12_345.0, 3_400_000.0].map(|n| number(&json!(n)));
        assert_eq!(numbers, ["0", "7", "12.5", "123", "12.3k", "3.4M"]);
        assert_eq!(word(&json!([])), "-");
        assert_eq!(word(&json!(["a", "b\n"])), "a,b\\n");
        assert_eq!(plain(&json!({"full": 2})), "full=2");
        assert_eq!(
            moment(&json!("2026-01-02T03:04:05.678Z")),
            "2026-01-02T03:04:05Z"
        );
    }
}
