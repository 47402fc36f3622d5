//! Lists: clients, closed and refused ones, rooms, audited calls, errors.

use serde_json::{Map, Value, json};

use super::args::{Audit, Errors, ListClients, ListClosed, ListRooms, Part};
use super::desk::Desk;
use super::page;
use super::render::Column;
use super::show::{bytes, moment, number, time, word};
use super::trouble::Trouble;
use super::whom::{filter, one};

const CLIENTS: &[Column] = &[
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("addr", "ADDR", word),
    Column::new("dialect", "DIALECT", word),
    Column::new("rooms", "ROOMS", word),
    Column::raw("connected_at"),
    Column::new("age_seconds", "AGE", time),
    Column::new("idle_seconds", "IDLE", time),
    Column::new("in_msgs", "IN", word),
    Column::new("out_msgs", "OUT", word),
    Column::new("in_bytes", "IN BYTES", bytes),
    Column::new("out_bytes", "OUT BYTES", bytes),
    Column::new("lag_msgs", "LAG", word),
    Column::new("lag_seconds", "BEHIND", time),
    Column::new("state", "STATE", word),
    Column::new("client", "CLIENT", word),
    Column::raw("gap_msgs"),
    Column::raw("gap_reason"),
    Column::raw("paced"),
];

const CLOSED: &[Column] = &[
    Column::new("closed_at", "CLOSED", moment),
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("addr", "ADDR", word),
    Column::new("dialect", "DIALECT", word),
    Column::raw("connected_at"),
    Column::new("age_seconds", "AGE", time),
    Column::new("reason", "REASON", word),
    Column::new("detail", "DETAIL", word),
    Column::new("text", "TEXT", word),
    Column::new("in_msgs", "IN", word),
    Column::new("out_msgs", "OUT", word),
    Column::raw("in_bytes"),
    Column::raw("out_bytes"),
    Column::new("lag_peak_msgs", "LAG PEAK", word),
    Column::new("gap_msgs", "GAPPED", word),
    Column::new("gap_reason", "GAP", word),
];

const ROOMS: &[Column] = &[
    Column::new("room", "ROOM", word),
    Column::new("members", "MEMBERS", word),
    Column::new("hearers", "HEARERS", word),
    Column::new("msgs_per_second", "MSGS/S", number),
    Column::raw("epoch"),
    Column::new("head", "HEAD", word),
    Column::new("recent_messages", "RECENT", word),
    Column::new("recent_bytes", "RECENT BYTES", bytes),
];

const REFUSED: &[Column] = &[
    Column::new("time", "TIME", moment),
    Column::new("addr", "ADDR", word),
    Column::new("reason", "REASON", word),
    Column::new("detail", "DETAIL", word),
];

const ERRORS: &[Column] = &[
    Column::new("time", "TIME", moment),
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("addr", "ADDR", word),
    Column::new("dialect", "DIALECT", word),
    Column::new("reason", "REASON", word),
    Column::new("detail", "DETAIL", word),
    Column::new("line_bytes", "BYTES", word),
    Column::new("offset", "OFFSET", word),
    Column::new("excerpt", "SHAPE", word),
];

const AUDITED: &[Column] = &[
    Column::new("time", "TIME", moment),
    Column::new("by", "BY", word),
    Column::new("method", "METHOD", word),
    Column::new("params", "PARAMS", word),
    Column::new("result", "RESULT", word),
    Column::new("why", "WHY", word),
];

/// Those of the columns that were asked for, in that order; all if none were.
fn chosen(all: &[Column], wanted: &[String]) -> Result<Vec<Column>, Trouble> {
    if wanted.is_empty() {
        return Ok(all.to_vec());
    }
    let find = |name: &String| {
        let known = || {
            all.iter()
                .map(|column| column.key)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let column = all.iter().find(|column| column.key == name.trim());
        column.map(|column| column.for_everyone()).ok_or_else(|| {
            Trouble::Usage(format!(
                "there is no column {name:?}; there are {}",
                known()
            ))
        })
    };
    wanted.iter().map(find).collect()
}

/// Rows of these columns alone, for JSON too.
fn cut(columns: &[Column], rows: &mut [Value]) {
    for row in rows {
        let Value::Object(fields) = row else { continue };
        let mut kept = Map::new();
        for column in columns {
            if let Some(value) = fields.remove(column.key) {
                kept.insert(column.key.to_owned(), value);
            }
        }
        *fields = kept;
    }
}

impl Desk<'_> {
    fn list(
        &mut self,
        all: &[Column],
        wanted: &[String],
        rows: &mut [Value],
    ) -> Result<(), Trouble> {
        let columns = chosen(all, wanted)?;
        if !wanted.is_empty() {
            cut(&columns, rows);
        }
        self.print(&columns, rows)
    }

    fn part(&mut self, all: &[Column], part: &Part, mut rows: Vec<Value>) -> Result<(), Trouble> {
        rows.drain(..part.skip.min(rows.len()));
        rows.truncate(part.limit.unwrap_or(usize::MAX));
        self.list(all, &part.columns, &mut rows)
    }

    /// A part of a list that the daemon cuts.
    fn pages(
        &mut self,
        all: &[Column],
        part: &Part,
        [method, name]: [&str; 2],
        params: Map<String, Value>,
    ) -> Result<(), Trouble> {
        let mut rows = page::all(&mut self.link, method, name, params, part.skip, part.limit)?;
        self.list(all, &part.columns, &mut rows)
    }

    pub(super) fn list_clients(&mut self, order: &ListClients) -> Result<(), Trouble> {
        chosen(CLIENTS, &order.part.columns)?;
        let mut params = Map::new();
        let which = filter(order.username.as_deref(), &order.which);
        params.insert("filter".to_owned(), which);
        params.insert("sort".to_owned(), json!(order.sort.as_str()));
        params.insert("descending".to_owned(), json!(order.reverse));
        self.pages(CLIENTS, &order.part, ["clients.list", "clients"], params)
    }

    pub(super) fn show_client(&mut self, whom: &str) -> Result<(), Trouble> {
        let doing = format!("show {whom}");
        let params = json!({"filter": one(whom)});
        let mut page = self.call("clients.list", params, &doing)?;
        let list = match page["clients"].take() {
            Value::Array(list) if !list.is_empty() => list,
            _ => {
                return Err(Trouble::NoMatch(format!(
                    "cannot {doing}: no such client is connected"
                )));
            }
        };
        if !self.is_for_people() {
            return self.print(CLIENTS, &list);
        }
        for (at, row) in list.iter().enumerate() {
            if at > 0 {
                self.say("")?;
            }
            self.print_object(row)?;
        }
        Ok(())
    }

    pub(super) fn list_closed(&mut self, order: &ListClosed) -> Result<(), Trouble> {
        let ListClosed {
            username,
            range,
            reason,
            detail,
            refused,
            limit,
            columns,
        } = order;
        if *refused {
            let params = json!({"reason": reason, "detail": detail, "limit": limit});
            let rows = self.rows_of("clients.refused", "refused", params)?;
            return self.list(REFUSED, columns, &mut { rows });
        }
        let params = json!({
            "username": username, "addr": range, "reason": reason, "detail": detail, "limit": limit,
        });
        let rows = self.rows_of("clients.closed", "closed", params)?;
        self.list(CLOSED, columns, &mut { rows })
    }

    pub(super) fn list_rooms(&mut self, order: &ListRooms) -> Result<(), Trouble> {
        chosen(ROOMS, &order.part.columns)?;
        let params = Map::from_iter([("sort".to_owned(), json!(order.sort.as_str()))]);
        self.pages(ROOMS, &order.part, ["rooms.list", "rooms"], params)
    }

    pub(super) fn show_room(&mut self, room: &str) -> Result<(), Trouble> {
        let doing = format!("show the room {room}");
        let detail = self.call("rooms.get", json!({"room": room}), &doing)?;
        self.print_object(&detail)
    }

    pub(super) fn audit(&mut self, order: &Audit) -> Result<(), Trouble> {
        let params = json!({"method": order.method, "result": order.result});
        let rows = self.rows_of("audit.list", "calls", params)?;
        self.part(AUDITED, &order.part, rows)
    }

    pub(super) fn errors(&mut self, order: &Errors) -> Result<(), Trouble> {
        let params = json!({
            "reason": order.reason, "detail": order.detail, "id": order.client,
        });
        let rows = self.rows_of("errors.list", "errors", params)?;
        self.part(ERRORS, &order.part, rows)
    }

    fn rows_of(&mut self, method: &str, name: &str, params: Value) -> Result<Vec<Value>, Trouble> {
        let mut answer = self.call(method, params, "list them")?;
        match answer[name].take() {
            Value::Array(rows) => Ok(rows),
            _ => Err(Trouble::Failed(format!(
                "the daemon's answer has no {name}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_chosen_by_name_and_in_order_and_json_has_them_alone() {
        let columns = chosen(CLIENTS, &["lag_msgs".to_owned(), "id".to_owned()]).unwrap();
        let mut rows = [json!({"id": 7, "username": "alice", "lag_msgs": 3})];
        cut(&columns, &mut rows);
        assert_eq!(rows[0].to_string(), r#"{"lag_msgs":3,"id":7}"#);
        let raw = chosen(CLIENTS, &["connected_at".to_owned()]).unwrap();
        assert!(raw[0].title.is_some(), "whoever asks for a column sees it");
        let trouble = chosen(CLIENTS, &["beauty".to_owned()]).err().unwrap();
        assert_eq!(trouble.exit(), 2);
        assert!(trouble.to_string().contains("lag_msgs"), "{trouble}");
    }
}
