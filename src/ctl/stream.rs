//! What goes on and on: events, the lines of one client.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::args::{Events, Trace};
use super::desk::Desk;
use super::link::Heard;
use super::render::{Column, Look, line, rows};
use super::show::{plain, word};
use super::trouble::Trouble;
use super::whom::one;

/// How much longer than the daemon's own clock a trace is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// The columns of events for programs: what most of them have; `fields` is the rest.
const EVENTS: &[Column] = &[
    Column::new("time", "TIME", word),
    Column::new("level", "LEVEL", word),
    Column::new("event", "EVENT", word),
    Column::new("client", "CLIENT", word),
    Column::new("reason", "REASON", word),
    Column::new("detail", "DETAIL", word),
    Column::new("message", "MESSAGE", word),
    Column::new("fields", "FIELDS", word),
    Column::new("lagged", "LAGGED", word),
];

const TRACED: &[Column] = &[
    Column::new("time", "TIME", word),
    Column::new("direction", "WAY", word),
    Column::new("bytes", "BYTES", word),
    Column::new("type", "TYPE", word),
    Column::new("room", "ROOM", word),
    Column::new("seq", "SEQ", word),
    Column::new("fields", "FIELDS", word),
    Column::new("payload", "PAYLOAD", word),
    Column::new("lagged", "LAGGED", word),
];

impl Desk<'_> {
    pub(super) fn events(&mut self, order: &Events) -> Result<(), Trouble> {
        let params = json!({
            "types": order.types, "reasons": order.reasons, "client": order.client, "level": order.level,
        });
        self.call("events.subscribe", params, "listen to events")?;
        let until = order.time.map(|time| Instant::now() + time);
        self.pour(EVENTS, until, order.count, "events")
    }

    pub(super) fn trace(&mut self, order: &Trace) -> Result<(), Trouble> {
        let doing = format!("trace {}", order.whom);
        let id = self.id_of(&order.whom, &doing)?;
        let params = json!({
            "id": id, "seconds": order.time.as_secs_f64(), "max": order.max, "payload": order.payload,
        });
        self.call("clients.trace", params, &doing)?;
        self.pour(
            TRACED,
            Some(Instant::now() + order.time + GRACE),
            None,
            "the trace",
        )
    }

    /// The one client that is meant.
    fn id_of(&mut self, whom: &str, doing: &str) -> Result<u64, Trouble> {
        if let Ok(id) = whom.parse() {
            return Ok(id);
        }
        let page = self.call("clients.list", json!({"filter": one(whom)}), doing)?;
        let ids: Vec<_> = page["clients"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| row["id"].as_u64())
            .collect();
        match ids.as_slice() {
            [id] => Ok(*id),
            [] => Err(Trouble::NoMatch(format!(
                "cannot {doing}: no such client is connected"
            ))),
            several => {
                let ids: Vec<_> = several.iter().map(u64::to_string).collect();
                let ids = ids.join(", ");
                Err(Trouble::Usage(format!(
                    "cannot {doing}: several share this name; name one by its id: {ids}"
                )))
            }
        }
    }

    /// Prints what comes, line by line, until the time is over, enough was seen or nothing more comes.
    fn pour(
        &mut self,
        columns: &[Column],
        until: Option<Instant>,
        count: Option<u64>,
        what: &str,
    ) -> Result<(), Trouble> {
        self.heading(columns)?;
        let mut left = count.unwrap_or(u64::MAX);
        while left > 0 {
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return Ok(());
            }
            match self.link.listen(until.map(|until| until - now))? {
                Heard::Silence => {}
                Heard::Object(object) => {
                    left -= u64::from(object["lagged"].is_null());
                    self.pour_one(columns, object)?;
                }
                Heard::End if until.is_some() => return Ok(()),
                Heard::End => {
                    let sentence = format!("chatd has ended, and {what} with it");
                    return Err(Trouble::Failed(sentence));
                }
            }
        }
        Ok(())
    }

    fn heading(&mut self, columns: &[Column]) -> Result<(), Trouble> {
        let printed = match self.look {
            Look::Tabs | Look::Csv => rows(self.out, self.look, columns, &[]),
            Look::Table | Look::Json | Look::Ndjson => Ok(()),
        };
        printed
            .and_then(|()| self.out.flush())
            .map_err(|error| Trouble::of_printing(&error))
    }

    /// A stream has no end at which an array could be closed: JSON is one object a line.
    fn pour_one(&mut self, columns: &[Column], object: Value) -> Result<(), Trouble> {
        let printed = match self.look {
            Look::Table => writeln!(self.out, "{}", for_a_person(&object)),
            Look::Json | Look::Ndjson => rows(self.out, Look::Ndjson, columns, &[object]),
            Look::Tabs | Look::Csv => {
                line(self.out, self.look, columns, &with_rest(columns, object))
            }
        };
        printed
            .and_then(|()| self.out.flush())
            .map_err(|error| Trouble::of_printing(&error))
    }
}

/// What has no column of its own goes into `fields`.
fn with_rest(columns: &[Column], object: Value) -> Value {
    let Value::Object(fields) = object else {
        return object;
    };
    let (mut known, mut rest) = (Map::new(), Map::new());
    for (name, value) in fields {
        if columns.iter().any(|column| column.key == name) {
            known.insert(name, value);
        } else {
            rest.insert(name, value);
        }
    }
    known.insert("fields".to_owned(), Value::Object(rest));
    Value::Object(known)
}

/// `12:00:01.234 info client.closed reason=kicked client=7: gone`.
fn for_a_person(object: &Value) -> String {
    if let Some(missed) = object["lagged"].as_u64() {
        return format!("... {missed} are missing here: this terminal was too slow");
    }
    let time = plain(&object["time"]);
    let clock = time
        .split_once('T')
        .map_or(time.as_str(), |(_, clock)| clock);
    let mut line = clock.trim_end_matches('Z').to_owned();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "time" | "message" => {}
            "level" | "event" | "direction" | "type" => {
                line.push_str(&format!(" {}", plain(value)))
            }
            _ => line.push_str(&format!(" {name}={}", plain(value))),
        }
    }
    if let Some(message) = object["message"].as_str().filter(|text| !text.is_empty()) {
        line.push_str(&format!(": {}", plain(&message.into())));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_for_a_person_and_columns_for_a_program() {
        let event = json!({
            "time": "2026-01-02T03:04:05.678Z", "level": "info", "event": "client.closed",
            "client": 7, "reason": "kicked", "addr": "10.0.0.1", "message": "gone\u{1b}",
        });
        assert_eq!(
            for_a_person(&event),
            "03:04:05.678 info client.closed client=7 reason=kicked addr=10.0.0.1: gone\\x1b"
        );
        let row = with_rest(EVENTS, event);
        assert_eq!(row["fields"], json!({"addr": "10.0.0.1"}));
        assert_eq!(row["client"], 7);
        assert!(for_a_person(&json!({"lagged": 12})).contains("12 are missing"));
    }
}
