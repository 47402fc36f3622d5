//! Times as text.

use std::cell::Cell;

use jiff::Timestamp;

/// `2026-11-24T15:04:05`, and the second that it is.
type Known = (i64, [u8; 19]);

thread_local! {
    /// The last second that was written. What is written at once happened at about the same time,
    /// and the calendar is most of what a time costs.
    static LAST: Cell<Known> = const { Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// RFC 3339 UTC with milliseconds.
pub fn rfc3339(time_ms: i64) -> String {
    written(time_ms).iter().copied().map(char::from).collect()
}

/// The same as ASCII.
pub(super) fn written(time_ms: i64) -> [u8; 24] {
    let (second, milli) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let mut known = LAST.get();
    if known.0 != second {
        known = (second, calendar(second));
        LAST.set(known);
    }
    let mut time = *b"0000-00-00T00:00:00.000Z";
    time[..19].copy_from_slice(&known.1);
    for (digit, unit) in time[20..23].iter_mut().zip([100, 10, 1]) {
        *digit += (milli / unit % 10) as u8;
    }
    time
}

/// A second outside the years 0 to 9999 is no time that we know of, and is shown as the first one.
fn calendar(second: i64) -> [u8; 19] {
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let first = *b"1970-01-01T00:00:00";
    text.as_bytes().try_into().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn milliseconds_are_always_there() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(1_700_000_000_042), "2023-11-14T22:13:20.042Z");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00.807Z");
    }

    proptest! {
        #[test]
        fn times_are_those_of_the_calendar(times in prop::collection::vec(-62_135_596_800_000..253_402_207_200_000_i64, 1..8)) {
            for time in times {
                let expected = Timestamp::from_millisecond(time).unwrap();
                prop_assert_eq!(rfc3339(time), format!("{expected:.3}"));
                prop_assert_eq!(rfc3339(time + 1), format!("{:.3}", Timestamp::from_millisecond(time + 1).unwrap()));
            }
        }
    }
}
