//! The kinds of value that a key can take: each reads what was typed and writes it back.
//!
//! What a kind reads cannot be wrong later: bounds are checked here. Every refusal says what is
//! wrong and ends with what to write instead.

use std::fmt::Display;
use std::marker::PhantomData;

use toml::Value;

use super::raw::{Misfit, Raw};

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

/// 0 would mean "nothing" to one reader and "no limit" to the next.
pub(super) fn zero(raw: Raw<'_>, example: &str) -> Misfit {
    raw.misfit(format!(
        "{} is no limit that anything could keep; write {example}",
        raw.shown()
    ))
}

pub(super) fn too(raw: Raw<'_>, what: &str, write: &str) -> Misfit {
    raw.misfit(format!("{} is too {what}; write {write}", raw.shown()))
}
