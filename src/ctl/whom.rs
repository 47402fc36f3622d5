//! Whom an order is about, and how those are shown.

use serde_json::{Value, json};

use super::args::Which;
use super::render::Column;
use super::show::word;

pub(super) const KICKED: &[Column] = &[
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("addr", "ADDR", word),
];

/// One client: digits are an id, since no nick is digits alone.
pub(super) fn one(whom: &str) -> Value {
    match whom.parse::<u64>() {
        Ok(id) => json!({"id": id}),
        Err(_) => json!({"username": whom}),
    }
}

pub(super) fn filter(username: Option<&str>, which: &Which) -> Value {
    let fields = [
        ("username", username.map(Value::from)),
        ("addr", which.range.as_deref().map(Value::from)),
        ("room", which.room.as_deref().map(Value::from)),
        ("dialect", which.dialect.as_deref().map(Value::from)),
        ("state", which.state.as_deref().map(Value::from)),
        (
            "idle_over_seconds",
            which.idle_over.map(|time| time.as_secs_f64().into()),
        ),
    ];
    let said = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(said.collect())
}

pub(super) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
