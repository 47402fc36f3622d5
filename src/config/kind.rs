//! The kinds of value that a key can take: each reads what was typed and writes it back.
//!
//! What a kind reads cannot be wrong later: bounds are checked here. Every refusal says what is
//! wrong and ends with what to write instead.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use toml::Value;

use crate::limits::Rate;

use super::raw::{Misfit, Raw};
use super::unit;

/// How a value is read and written.
pub(super) trait Kind {
    /// What it means to the program.
    type Value;

    /// From what was typed.
    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Misfit>;

    /// To what would have to be typed; reads back as the same value.
    fn write(&self, value: &Self::Value) -> Value;
}

/// Yes or no.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, raw: Raw<'_>) -> Result<bool, Misfit> {
        let fault = || {
            raw.misfit(format!(
                "{} is not yes or no; write true or false",
                raw.shown()
            ))
        };
        raw.boolean().ok_or_else(fault)
    }

    fn write(&self, value: &bool) -> Value {
        Value::Boolean(*value)
    }
}

/// A whole number from 1 to a thousand million: far above every use, far below where sums overflow.
pub(super) struct Count<T>(PhantomData<T>);

const LARGEST_COUNT: i128 = 1_000_000_000;

pub(super) fn count<T>() -> Count<T> {
    Count(PhantomData)
}

impl<T: TryFrom<i128> + Display> Kind for Count<T> {
    type Value = T;

    fn read(&self, raw: Raw<'_>) -> Result<T, Misfit> {
        const EXAMPLE: &str = "a whole number such as 100";
        let fault = || {
            raw.misfit(format!(
                "{} is not a whole number; write {EXAMPLE}",
                raw.shown()
            ))
        };
        match raw.integer().ok_or_else(fault)? {
            0 => Err(zero(raw, EXAMPLE)),
            number if number < 0 => Err(fault()),
            number => T::try_from(number)
                .ok()
                .filter(|_| number <= LARGEST_COUNT)
                .ok_or_else(|| too(raw, "large", &format!("at most {LARGEST_COUNT}"))),
        }
    }

    fn write(&self, value: &T) -> Value {
        let digits = value.to_string();
        digits.parse().map_or(Value::String(digits), Value::Integer)
    }
}

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

/// One word of a closed set.
pub(super) struct Word<T: 'static> {
    pub(super) all: &'static [T],
    pub(super) name: fn(T) -> &'static str,
}

impl<T: Copy> Kind for Word<T> {
    type Value = T;

    fn read(&self, raw: Raw<'_>) -> Result<T, Misfit> {
        let found = raw
            .text()
            .and_then(|text| self.all.iter().find(|word| (self.name)(**word) == text));
        found.copied().ok_or_else(|| {
            let words: Vec<_> = self
                .all
                .iter()
                .map(|word| format!("\"{}\"", (self.name)(*word)))
                .collect();
            raw.misfit(format!(
                "{} is not known here; write {}",
                raw.shown(),
                words.join(" or ")
            ))
        })
    }

    fn write(&self, value: &T) -> Value {
        Value::from((self.name)(*value))
    }
}

/// A value of another kind, or a word for its absence.
pub(super) struct Or<K> {
    kind: K,
    word: &'static str,
    /// What the word does, where it does not say it itself.
    meaning: &'static str,
}

/// A limit that can be lifted.
pub(super) fn liftable<K>(kind: K) -> Or<K> {
    Or {
        kind,
        word: "unlimited",
        meaning: "",
    }
}

/// Something that is found out at run time unless it is set.
pub(super) fn auto<K>(kind: K) -> Or<K> {
    Or {
        kind,
        word: "auto",
        meaning: "",
    }
}

/// Something that can be turned off.
pub(super) fn or_off<K>(kind: K) -> Or<K> {
    Or {
        kind,
        word: "",
        meaning: " to turn it off",
    }
}

impl<K: Kind> Kind for Or<K> {
    type Value = Option<K::Value>;

    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Misfit> {
        if raw.string() == Some(self.word) {
            return Ok(None);
        }
        self.kind.read(raw).map(Some).map_err(|misfit| {
            let message = format!("{}, or \"{}\"{}", misfit.message, self.word, self.meaning);
            Misfit { message, ..misfit }
        })
    }

    fn write(&self, value: &Self::Value) -> Value {
        value
            .as_ref()
            .map_or_else(|| Value::from(self.word), |value| self.kind.write(value))
    }
}

/// Several values of one kind, no two the same.
pub(super) struct List<K> {
    kind: K,
    may_be_empty: bool,
}

pub(super) fn list<K>(kind: K) -> List<K> {
    List {
        kind,
        may_be_empty: true,
    }
}

/// As [`list`], with at least one element.
pub(super) fn some<K>(kind: K) -> List<K> {
    List {
        kind,
        may_be_empty: false,
    }
}

/// More elements than any key needs: a list is looked through from end to end.
const LONGEST_LIST: usize = 64;

impl<K: Kind<Value: PartialEq>> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Misfit> {
        let elements = raw.elements().ok_or_else(|| {
            let bracketed = format!("write it in brackets: [{}]", raw.shown());
            raw.misfit(format!("{} is not an array; {bracketed}", raw.shown()))
        })?;
        if elements.is_empty() && !self.may_be_empty {
            return Err(raw.misfit("the array is empty; write at least one element"));
        }
        if elements.len() > LONGEST_LIST {
            return Err(too(
                raw,
                "long",
                &format!("at most {LONGEST_LIST} elements"),
            ));
        }
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.kind.read(element)?;
            if values.contains(&value) {
                return Err(
                    element.misfit(format!("{} is there twice; write it once", element.shown()))
                );
            }
            values.push(value);
        }
        Ok(values)
    }

    fn write(&self, value: &Self::Value) -> Value {
        Value::Array(value.iter().map(|value| self.kind.write(value)).collect())
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

/// 0 would mean "nothing" to one reader and "no limit" to the next.
fn zero(raw: Raw<'_>, example: &str) -> Misfit {
    raw.misfit(format!(
        "{} is no limit that anything could keep; write {example}",
        raw.shown()
    ))
}

fn too(raw: Raw<'_>, what: &str, write: &str) -> Misfit {
    raw.misfit(format!("{} is too {what}; write {write}", raw.shown()))
}
