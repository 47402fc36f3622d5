//! What was said, on the screen; and what is taken away.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::ctl::args::{PruneHistory, SearchHistory, ShowHistory};
use crate::ctl::desk::Desk;
use crate::ctl::render::Column;
use crate::ctl::show::{moment, word};
use crate::ctl::trouble::Trouble;

const MESSAGES: &[Column] = &[
    Column::new("seq", "SEQ", word),
    Column::new("time", "TIME", moment),
    Column::new("username", "USERNAME", word),
    Column::new("message", "MESSAGE", word),
    Column::raw("cid"),
];

/// Shows a page.
pub(super) fn show(desk: &mut Desk<'_>, order: &ShowHistory) -> Result<(), Trouble> {
    let params = said([
        ("room", Some(json!(order.room))),
        ("before", order.before.map(Value::from)),
        ("after", order.after.map(Value::from)),
        ("limit", Some(json!(order.limit))),
    ]);
    let doing = format!("show the history of {}", order.room);
    let page = desk.call("history.show", params, &doing)?;
    desk.print(MESSAGES, list(&page))
}

/// Shows what has the words. That something may be missing goes to `complaints`.
pub(super) fn search(
    desk: &mut Desk<'_>,
    order: &SearchHistory,
    complaints: &mut dyn Write,
) -> Result<(), Trouble> {
    let params = said([
        ("room", Some(json!(order.room))),
        ("words", Some(json!(order.words.join(" ")))),
        ("before", order.before.map(Value::from)),
        ("limit", Some(json!(order.limit))),
    ]);
    let doing = format!("search the history of {}", order.room);
    let report = desk.call("history.search", params, &doing)?;
    if !desk.is_for_people() {
        return desk.print_object(&report);
    }
    desk.print(MESSAGES, list(&report))?;
    let (complete, head) = (&report["complete_to"], &report["head"]);
    if complete != head {
        writeln!(
            complaints,
            "chatctl: warning: complete up to message {complete} of {head}; search again in a moment"
        )
        .map_err(|error| Trouble::of_printing(&error))?;
    }
    Ok(())
}

/// Takes the oldest messages of a room away.
pub(super) fn prune(desk: &mut Desk<'_>, order: &PruneHistory) -> Result<(), Trouble> {
    let seconds = order.which.older_than.map(|time| time.as_secs_f64());
    let params = said([
        ("room", Some(json!(order.room))),
        ("before", order.which.before.map(Value::from)),
        ("keep", order.which.keep.map(Value::from)),
        ("older_than_seconds", seconds.map(Value::from)),
        ("dry_run", Some(json!(order.dry_run))),
    ]);
    let doing = format!("prune {}", order.room);
    let report = desk.call("history.prune", params, &doing)?;
    if !desk.is_for_people() {
        return desk.print_object(&report);
    }
    let would = if order.dry_run { "would be " } else { "" };
    let (messages, first) = (&report["messages"], &report["first"]);
    desk.say(&format!(
        "{messages} messages {would}pruned, {} begins at {first}",
        word(&report["room"])
    ))
}

fn said<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let said = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(Map::from_iter(said))
}

fn list(page: &Value) -> &[Value] {
    page["messages"].as_array().map_or(&[], Vec::as_slice)
}
