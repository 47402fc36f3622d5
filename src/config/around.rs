//! Kinds around another kind: a value or a word for its absence, a list of values.

use toml::Value;

use super::kind::{Kind, too};
use super::raw::{Misfit, Raw};

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
