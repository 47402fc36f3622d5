//! Numbers with units: sizes, times, rates. Text to value and back, each exactly.
//!
//! The unit is never left out and never ambiguous: to one program `16K` is 16000, to the next
//! 16384; to one `30` is seconds, to the next milliseconds.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};

use crate::limits::Rate;

/// Every unit of size that is taken, as it is spelled.
const SIZE_UNITS: [&str; 8] = ["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB"];

/// Reads a size. The error ends with what to write instead.
pub(super) fn read_size(text: &str) -> Result<u64, String> {
    let digits = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() {
        return Err(format!("is not a size; write {SIZE_EXAMPLE}"));
    }
    if unit.is_empty() {
        return Err(format!(
            "has no unit; write \"{number}B\" for bytes, or {SIZE_EXAMPLE}"
        ));
    }
    if !SIZE_UNITS.contains(&unit) {
        return Err(size_unit_fault(number, unit));
    }
    let size: Result<ByteSize, _> = text.parse();
    size.map(|size| size.0)
        .map_err(|_| format!("is not a size; write {SIZE_EXAMPLE}"))
}

/// What a size looks like.
pub(super) const SIZE_EXAMPLE: &str = "a size such as \"16KiB\"";

/// "16K" may mean two sizes: both are offered, spelled out.
fn size_unit_fault(number: &str, unit: &str) -> String {
    let prefix = unit.chars().next().unwrap_or_default().to_ascii_uppercase();
    let is_guess = matches!(unit.len(), 1 | 2) && unit.is_ascii() && "KMGT".contains(prefix);
    if !is_guess {
        return format!("has no unit that is known here; write {SIZE_EXAMPLE}");
    }
    let decimal = if prefix == 'K' {
        "kB".to_owned()
    } else {
        format!("{prefix}B")
    };
    let choices = [format!("{number}{prefix}iB"), format!("{number}{decimal}")];
    let spelled = choices.map(|choice| match choice.parse::<ByteSize>() {
        Ok(ByteSize(bytes)) => format!("\"{choice}\" ({bytes} bytes)"),
        Err(_) => format!("\"{choice}\""),
    });
    format!("has no unambiguous unit; write {}", spelled.join(" or "))
}

/// Writes a size, exactly, in the largest unit that divides it.
pub(super) fn write_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [
        (bytesize::GIB, "GiB"),
        (bytesize::MIB, "MiB"),
        (bytesize::KIB, "KiB"),
    ];
    let whole = UNITS
        .iter()
        .find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// What a time looks like.
pub(super) const DURATION_EXAMPLE: &str = "a time such as \"30s\", \"1m30s\" or \"500ms\"";

/// Reads a time. The error ends with what to write instead.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    static PARSER: SpanParser = SpanParser::new();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_number {
        return Err(format!(
            "has no unit; write \"{text}s\" for seconds, or {DURATION_EXAMPLE}"
        ));
    }
    // The parser also knows clock times (00:01:30): a number whose unit has to be guessed.
    let duration = if text.contains(':') {
        None
    } else {
        PARSER.parse_unsigned_duration(text).ok()
    };
    duration.ok_or_else(|| format!("is not a time; write {DURATION_EXAMPLE}"))
}

/// Writes a time, exactly.
pub(super) fn write_duration(duration: Duration) -> String {
    static PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);
    PRINTER.unsigned_duration_to_string(&duration)
}

/// What a rate looks like.
pub(super) const RATE_EXAMPLE: &str = "a rate such as \"20/s\" or \"200/10s\"";

/// Reads a rate: a whole number, a slash, a time whose 1 may be left out.
pub(super) fn read_rate(text: &str) -> Result<Rate, String> {
    let fault = || format!("is not a rate; write {RATE_EXAMPLE}");
    let Some((count, per)) = text.split_once('/') else {
        return Err(match text.parse::<u32>() {
            Ok(count) => {
                format!("has no time; write \"{count}/s\" for each second, or {RATE_EXAMPLE}")
            }
            Err(_) => fault(),
        });
    };
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|_| is_count).ok_or_else(fault)?;
    let one = if per.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        "1"
    };
    let per = read_duration(&format!("{one}{per}")).map_err(|_| fault())?;
    Ok(Rate { count, per })
}

/// Writes a rate, exactly.
pub(super) fn write_rate(rate: Rate) -> String {
    let per = write_duration(rate.per);
    let single = per
        .strip_prefix('1')
        .filter(|unit| unit.bytes().all(|b| b.is_ascii_alphabetic()));
    format!("{}/{}", rate.count, single.unwrap_or(&per))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_spelled() {
        let table = [
            ("16KiB", 16_384),
            ("16kB", 16_000),
            ("4000B", 4000),
            ("1.5MiB", 1_572_864),
            ("64 MiB", 67_108_864),
            ("1GiB", 1 << 30),
            ("2TB", 2_000_000_000_000),
        ];
        for (text, bytes) in table {
            assert_eq!(read_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_that_could_mean_two_things_is_refused_with_both() {
        for (text, both) in [
            ("16K", "\"16KiB\" (16384 bytes) or \"16kB\" (16000 bytes)"),
            ("16k", "\"16KiB\" (16384 bytes) or \"16kB\" (16000 bytes)"),
            ("16KB", "\"16KiB\" (16384 bytes) or \"16kB\" (16000 bytes)"),
            ("2m", "\"2MiB\" (2097152 bytes) or \"2MB\" (2000000 bytes)"),
            (
                "2Gi",
                "\"2GiB\" (2147483648 bytes) or \"2GB\" (2000000000 bytes)",
            ),
        ] {
            let fault = read_size(text).unwrap_err();
            assert_eq!(
                fault,
                format!("has no unambiguous unit; write {both}"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in [
            "", "big", "KiB", "-5B", "1..2KiB", "5 sheep", "5é", "1e3B", "16384",
        ] {
            let fault = read_size(text).unwrap_err();
            assert!(fault.ends_with(SIZE_EXAMPLE), "{text}: {fault}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_spelled() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("2h", 7_200_000),
        ] {
            assert_eq!(
                read_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        for text in [
            "", "30", "1.5", "s", "-5s", "00:01:30", "5 moons", "1d", "1s ago", "1e9",
        ] {
            let fault = read_duration(text).unwrap_err();
            assert!(fault.ends_with(DURATION_EXAMPLE), "{text}: {fault}");
        }
    }

    #[test]
    fn rates_are_read_as_they_are_spelled() {
        for (text, count, seconds) in [("20/s", 20, 1), ("200/10s", 200, 10), ("5/m", 5, 60)] {
            let rate = Rate {
                count,
                per: Duration::from_secs(seconds),
            };
            assert_eq!(read_rate(text), Ok(rate), "{text}");
            assert_eq!(write_rate(rate), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_an_example() {
        for text in [
            "",
            "20",
            "/s",
            "20/",
            "+20/s",
            "20/20",
            "20/-1s",
            "99999999999/s",
            "20/s/s",
        ] {
            let fault = read_rate(text).unwrap_err();
            assert!(fault.ends_with(RATE_EXAMPLE), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(bytes in 0_u64..1 << 53, nanos in 0_u64..u64::MAX, count: u32) {
            let per = Duration::from_nanos(nanos);
            prop_assert_eq!(read_size(&write_size(bytes)), Ok(bytes));
            prop_assert_eq!(read_duration(&write_duration(per)), Ok(per));
            let rate = Rate { count, per };
            prop_assert_eq!(read_rate(&write_rate(rate)), Ok(rate));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = (read_size(&text), read_duration(&text), read_rate(&text));
        }
    }
}
