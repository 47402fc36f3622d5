//! The kinds of value that have a unit: sizes, times, rates, each within its bounds.

use std::time::Duration;

use toml::Value;

use crate::limits::Rate;

use super::kind::{Kind, too, zero};
use super::raw::{Misfit, Raw};
use super::unit;

/// Bytes, with their unit.
pub(super) struct Size {
    least: usize,
    most: usize,
}

/// A size up to a TiB.
pub(super) fn size() -> Size {
    Size {
        least: 1,
        most: 1 << 40,
    }
}

impl Size {
    /// A size within these bounds, both included.
    pub(super) fn within(self, least: usize, most: usize) -> Self {
        Self { least, most }
    }
}

impl Kind for Size {
    type Value = usize;

    fn read(&self, raw: Raw<'_>) -> Result<usize, Misfit> {
        let bytes = read_unit(raw, unit::read_size, unit::SIZE_EXAMPLE)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let written = |bytes: usize| format!("\"{}\"", unit::write_size(bytes as u64));
        match bytes {
            0 => Err(zero(raw, unit::SIZE_EXAMPLE)),
            _ if bytes < self.least => Err(too(
                raw,
                "small",
                &format!("at least {}", written(self.least)),
            )),
            _ if bytes > self.most => Err(too(
                raw,
                "large",
                &format!("at most {}", written(self.most)),
            )),
            _ => Ok(bytes),
        }
    }

    fn write(&self, value: &usize) -> Value {
        Value::String(unit::write_size(*value as u64))
    }
}

/// A time from a millisecond to a year: shorter ones only burn a core, and longer ones would
/// overflow a clock.
pub(super) struct Time;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(8760 * 3600);

impl Kind for Time {
    type Value = Duration;

    fn read(&self, raw: Raw<'_>) -> Result<Duration, Misfit> {
        let time = read_unit(raw, unit::read_duration, unit::DURATION_EXAMPLE)?;
        match time {
            Duration::ZERO => Err(zero(raw, unit::DURATION_EXAMPLE)),
            _ if time < SHORTEST => Err(too(raw, "short", "at least \"1ms\"")),
            _ if time > LONGEST => Err(too(raw, "long", "at most \"8760h\", a year")),
            _ => Ok(time),
        }
    }

    fn write(&self, value: &Duration) -> Value {
        Value::String(unit::write_duration(*value))
    }
}

/// So many in so much time; at most one in a nanosecond, at least one in a year.
pub(super) struct Pace;

impl Kind for Pace {
    type Value = Rate;

    fn read(&self, raw: Raw<'_>) -> Result<Rate, Misfit> {
        let rate = read_unit(raw, unit::read_rate, unit::RATE_EXAMPLE)?;
        match rate {
            Rate { count: 0, .. }
            | Rate {
                per: Duration::ZERO,
                ..
            } => Err(zero(raw, unit::RATE_EXAMPLE)),
            _ if rate.per > LONGEST => Err(too(raw, "slow", unit::RATE_EXAMPLE)),
            _ if rate.interval().is_zero() => Err(too(raw, "fast", unit::RATE_EXAMPLE)),
            _ => Ok(rate),
        }
    }

    fn write(&self, value: &Rate) -> Value {
        Value::String(unit::write_rate(*value))
    }
}

/// Reads a number that needs a unit, and therefore quotes.
fn read_unit<T>(
    raw: Raw<'_>,
    read: fn(&str) -> Result<T, String>,
    example: &str,
) -> Result<T, Misfit> {
    // A number without quotes is refused by the same words as one within them: it lacks its unit.
    let number = raw.integer().map(|_| raw.shown());
    let Some(text) = number.as_deref().or(raw.text()) else {
        return Err(raw.misfit(format!("{} does not fit; write {example}", raw.shown())));
    };
    read(text).map_err(|fault| raw.misfit(format!("{} {fault}", raw.shown())))
}
