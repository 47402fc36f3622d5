//! A value as typed, before its key gives it a meaning.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeValue};

use super::origin::{clip, printable};

/// A value of the file, of the environment or of a flag.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    value: &'a Spanned<DeValue<'a>>,
    /// The text outside a file, where quotes and brackets may be left out.
    bare: Option<&'a str>,
}

/// A value that its key cannot take.
#[derive(Debug)]
pub(super) struct Misfit {
    /// What is wrong; ends with what to write instead.
    pub(super) message: String,
    /// The part of the text that is meant.
    pub(super) span: Range<usize>,
}

impl<'a> Raw<'a> {
    /// A value of a file.
    pub(super) fn in_file(value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { value, bare: None }
    }

    /// A value of the environment or a flag: `value` is `text`, read by [`value_of`].
    pub(super) fn outside(value: &'a Spanned<DeValue<'a>>, text: &'a str) -> Self {
        Self {
            value,
            bare: Some(text),
        }
    }

    /// The value as text. Outside a file everything is text.
    pub(super) fn text(self) -> Option<&'a str> {
        self.value.get_ref().as_str().or(self.bare)
    }

    /// The value as text, if it was written as text and nothing else.
    pub(super) fn string(self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// The value as a whole number, however large.
    pub(super) fn integer(self) -> Option<i128> {
        let integer = self.value.get_ref().as_integer()?;
        // More digits than 128 bits hold are still a whole number, and too large for every key.
        let value = i128::from_str_radix(integer.as_str(), integer.radix());
        Some(value.unwrap_or(i128::MAX))
    }

    /// The value as yes or no.
    pub(super) fn boolean(self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    /// The elements. Outside a file a bare word is a list of one.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        if let Some(array) = self.value.get_ref().as_array() {
            return Some(self.each(array));
        }
        self.bare.map(|_| vec![self])
    }

    fn each(self, array: &'a DeArray<'a>) -> Vec<Self> {
        array.iter().map(Self::in_file).collect()
    }

    /// The entries of a table, in the order of their names.
    pub(super) fn entries(self) -> Option<Vec<(&'a str, Self)>> {
        let table = self.value.get_ref().as_table()?;
        let entry = |(name, value): (&'a Spanned<DeString<'a>>, _)| {
            (name.get_ref().as_ref(), Self::in_file(value))
        };
        Some(table.iter().map(entry).collect())
    }

    /// The value said back to its author: `"16K"`, `16`, `a table`.
    pub(super) fn shown(self) -> String {
        match self.value.get_ref() {
            DeValue::String(text) => format!("\"{}\"", clip(&printable(text), 60)),
            DeValue::Integer(integer) => clip(&integer.to_string(), 40),
            DeValue::Float(float) => clip(float.as_str(), 40),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    /// A fault about this value.
    pub(super) fn misfit(self, message: impl Into<String>) -> Misfit {
        Misfit {
            message: message.into(),
            span: self.value.span(),
        }
    }
}

/// What a text outside a file means: a TOML value if it is one, else a string.
pub(super) fn value_of(text: &str) -> Spanned<DeValue<'_>> {
    DeValue::parse(text)
        .unwrap_or_else(|_| Spanned::new(0..text.len(), DeValue::String(text.into())))
}
