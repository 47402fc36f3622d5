//! JSON as somebody else reads it: the judge over what the daemon reads and writes.

use std::collections::HashSet;

use jiter::JsonValue;

/// A line that is JSON.
pub(super) struct Tree<'a>(JsonValue<'a>);

impl<'a> Tree<'a> {
    /// Reads a line; none if it is not JSON.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(line).ok()?;
        JsonValue::parse(line, false).ok().map(Self)
    }

    /// Reads a line that the daemon wrote: one object without a key that stands twice.
    pub(super) fn of_daemon(line: &'a str) -> Self {
        let tree = Self::read(line.as_bytes());
        let tree = tree.unwrap_or_else(|| panic!("the daemon wrote what is not JSON: {line:?}"));
        assert!(tree.is_object(), "the daemon wrote no object: {line:?}");
        assert!(!tree.has_twins(), "the daemon wrote a key twice: {line:?}");
        tree
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.0, JsonValue::Object(_))
    }

    /// The keys of the object.
    pub(super) fn keys(&self) -> Vec<&str> {
        match &self.0 {
            JsonValue::Object(fields) => fields.iter().map(|(key, _)| key.as_ref()).collect(),
            _ => Vec::new(),
        }
    }

    fn field(&self, name: &str) -> Option<&JsonValue<'a>> {
        match &self.0 {
            JsonValue::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Whether the object has this field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.field(name)? {
            JsonValue::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number in a field.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            JsonValue::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether a key stands twice in one object, at any depth.
    pub(super) fn has_twins(&self) -> bool {
        has_twins(&self.0)
    }

    /// How deep it is nested; a value that holds no others has depth 0.
    pub(super) fn depth(&self) -> usize {
        depth(&self.0)
    }
}

fn has_twins(value: &JsonValue<'_>) -> bool {
    match value {
        JsonValue::Array(items) => items.iter().any(has_twins),
        JsonValue::Object(fields) => {
            let mut seen = HashSet::new();
            let twins = fields.iter().any(|(key, _)| !seen.insert(key));
            twins || fields.iter().any(|(_, value)| has_twins(value))
        }
        _ => false,
    }
}

fn depth(value: &JsonValue<'_>) -> usize {
    match value {
        JsonValue::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        JsonValue::Object(fields) => {
            1 + fields
                .iter()
                .map(|(_, value)| depth(value))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}
