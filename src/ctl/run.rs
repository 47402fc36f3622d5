//! From the command line to the exit status.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};

use clap::Parser;
use serde_json::{Map, Value, json};

use super::args::{Cli, Command, Kick, ListClients, ListClosed, Which};
use super::drain::drain;
use super::link::Link;
use super::page;
use super::reload::reload;
use super::render::{Column, Look, object, rows};
use super::show::{bytes, moment, time, word};
use super::trouble::Trouble;
use crate::build::BUILD;
use crate::places::Surroundings;

/// Runs `chatctl` to its end; the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(words) => {
            // Where its own words cannot be printed, the status has to do.
            drop(words.print());
            return if words.exit_code() == 0 { 0 } else { 2 };
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut complaints = io::stderr().lock();
    let done = carry_out(&cli, &mut out, &mut complaints)
        .and_then(|()| out.flush().map_err(|error| Trouble::of_printing(&error)));
    match done {
        Ok(()) => 0,
        Err(trouble) => {
            let sentence = trouble.to_string();
            if !sentence.is_empty() {
                drop(out.flush());
                drop(writeln!(complaints, "chatctl: {sentence}"));
            }
            trouble.exit()
        }
    }
}

/// What prints: an answer in the look that was asked for.
struct Desk<'a> {
    link: Link,
    look: Look,
    out: &'a mut dyn Write,
}

fn carry_out(cli: &Cli, out: &mut dyn Write, complaints: &mut dyn Write) -> Result<(), Trouble> {
    let look = Look::of(cli.format);
    let link = Link::open(&cli.at, &Surroundings::of_process())?;
    let mut desk = Desk { link, look, out };
    match &cli.command {
        Command::Status => desk.status(),
        Command::Health => desk.health(),
        Command::ListClients(order) => desk.list_clients(order),
        Command::ShowClient { whom } => desk.show_client(whom),
        Command::ListClosed(order) => desk.list_closed(order),
        Command::Kick(order) => desk.kick(order),
        Command::ListRooms => desk.list_rooms(),
        Command::Broadcast { room, text } => desk.broadcast(text, room.as_deref()),
        Command::ShowConfig { key } => desk.show_config(key.as_deref()),
        Command::Reload => reload(&mut desk.link, look, desk.out, complaints),
        Command::Drain(order) => drain(&mut desk.link, order, desk.out),
        Command::Shutdown => desk.shutdown(),
        Command::Version => desk.version(),
    }
}

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
    Column::new("in_msgs", "IN", word),
    Column::new("out_msgs", "OUT", word),
    Column::raw("in_bytes"),
    Column::raw("out_bytes"),
    Column::new("lag_peak_msgs", "LAG PEAK", word),
];

const ROOMS: &[Column] = &[
    Column::new("room", "ROOM", word),
    Column::new("members", "MEMBERS", word),
    Column::new("hearers", "HEARERS", word),
    Column::raw("epoch"),
    Column::new("head", "HEAD", word),
    Column::new("recent_messages", "RECENT", word),
    Column::new("recent_bytes", "RECENT BYTES", bytes),
];

const KICKED: &[Column] = &[
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("addr", "ADDR", word),
];

const KEYS: &[Column] = &[
    Column::new("key", "KEY", word),
    Column::new("value", "VALUE", word),
    Column::new("default", "DEFAULT", word),
    Column::new("origin", "ORIGIN", word),
    Column::new("hot", "LIVE", word),
];

const CHECKS: &[Column] = &[
    Column::new("check", "CHECK", word),
    Column::new("level", "LEVEL", word),
    Column::new("detail", "DETAIL", word),
];

impl Desk<'_> {
    fn call(&mut self, method: &str, params: Value, doing: &str) -> Result<Value, Trouble> {
        self.link.call(method, params, doing)
    }

    fn print(&mut self, columns: &[Column], list: &[Value]) -> Result<(), Trouble> {
        rows(self.out, self.look, columns, list).map_err(|error| Trouble::of_printing(&error))
    }

    fn print_object(&mut self, value: &Value) -> Result<(), Trouble> {
        object(self.out, self.look, value).map_err(|error| Trouble::of_printing(&error))
    }

    fn say(&mut self, sentence: &str) -> Result<(), Trouble> {
        writeln!(self.out, "{sentence}").map_err(|error| Trouble::of_printing(&error))
    }

    fn is_for_people(&self) -> bool {
        matches!(self.look, Look::Table | Look::Tabs)
    }

    fn status(&mut self) -> Result<(), Trouble> {
        let status = self.call("status", json!({}), "see the status")?;
        if self.look != Look::Table {
            return self.print_object(&status);
        }
        super::status::print(self.out, &status).map_err(|error| Trouble::of_printing(&error))
    }

    fn health(&mut self) -> Result<(), Trouble> {
        let health = self.call("health", json!({}), "see how it is")?;
        if self.is_for_people() {
            self.print(
                CHECKS,
                health["checks"].as_array().map_or(&[], Vec::as_slice),
            )?;
        } else {
            self.print_object(&health)?;
        }
        if health["level"] == "critical" {
            return Err(Trouble::Failed(
                "chatd is not well: see the critical checks".to_owned(),
            ));
        }
        Ok(())
    }

    fn list_clients(&mut self, order: &ListClients) -> Result<(), Trouble> {
        let mut params = Map::new();
        params.insert(
            "filter".to_owned(),
            filter(order.username.as_deref(), &order.which),
        );
        params.insert("sort".to_owned(), json!(order.sort.as_str()));
        params.insert("descending".to_owned(), json!(order.reverse));
        let list = page::all(
            &mut self.link,
            "clients.list",
            "clients",
            params,
            order.limit,
        )?;
        self.print(CLIENTS, &list)
    }

    fn show_client(&mut self, whom: &str) -> Result<(), Trouble> {
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

    fn list_closed(&mut self, order: &ListClosed) -> Result<(), Trouble> {
        let ListClosed {
            username,
            range,
            reason,
            limit,
        } = order;
        let params = json!({"username": username, "addr": range, "reason": reason, "limit": limit});
        let mut answer = self.call("clients.closed", params, "list the closed sessions")?;
        let list = answer["closed"].take();
        self.print(CLOSED, list.as_array().map_or(&[], Vec::as_slice))
    }

    fn kick(&mut self, order: &Kick) -> Result<(), Trouble> {
        let mut filter = filter(None, &order.which);
        if let Some(whom) = &order.whom {
            merge(&mut filter, one(whom));
        }
        let params = json!({
            "filter": filter, "reason": order.reason, "dry_run": order.dry_run, "many": order.yes,
        });
        let doing = order
            .whom
            .as_ref()
            .map_or_else(|| "kick them".to_owned(), |whom| format!("kick {whom}"));
        let report =
            self.call("clients.kick", params, &doing)
                .map_err(|trouble| match trouble {
                    Trouble::Usage(sentence) if sentence.contains("confirm") => {
                        Trouble::Usage(format!("{sentence} with --yes, or see them with --dry-run"))
                    }
                    other => other,
                })?;
        if !self.is_for_people() {
            return self.print_object(&report);
        }
        self.print(
            KICKED,
            report["clients"].as_array().map_or(&[], Vec::as_slice),
        )?;
        let (did, n) = (
            if order.dry_run {
                "would be kicked"
            } else {
                "kicked"
            },
            &report["kicked"],
        );
        if self.look == Look::Table {
            self.say(&format!("{n} {did}"))
        } else {
            Ok(())
        }
    }

    fn list_rooms(&mut self) -> Result<(), Trouble> {
        let list = page::all(&mut self.link, "rooms.list", "rooms", Map::new(), None)?;
        self.print(ROOMS, &list)
    }

    fn broadcast(&mut self, text: &str, room: Option<&str>) -> Result<(), Trouble> {
        let report = self.call(
            "broadcast",
            json!({"text": text, "room": room}),
            "broadcast",
        )?;
        if !self.is_for_people() {
            return self.print_object(&report);
        }
        let n = &report["clients"];
        self.say(&format!("told {n} clients"))
    }

    fn show_config(&mut self, key: Option<&str>) -> Result<(), Trouble> {
        let mut answer = self.call("config.show", json!({}), "show the configuration")?;
        let Value::Array(mut list) = answer["keys"].take() else {
            return Err(Trouble::Failed(
                "the daemon's answer has no keys".to_owned(),
            ));
        };
        list.retain(|row| {
            key.is_none_or(|key| {
                row["key"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(key))
            })
        });
        if list.is_empty() {
            return Err(Trouble::NoMatch(format!(
                "no key begins with {:?}",
                key.unwrap_or_default()
            )));
        }
        self.print(KEYS, &list)
    }

    fn shutdown(&mut self) -> Result<(), Trouble> {
        let report = self.call("shutdown", json!({}), "shut it down")?;
        if self.is_for_people() {
            self.say("chatd is ending")
        } else {
            self.print_object(&report)
        }
    }

    fn version(&mut self) -> Result<(), Trouble> {
        let daemon = self.call("version", json!({}), "ask for its version")?;
        let ours = json!({
            "name": "chatctl", "version": BUILD.version, "revision": BUILD.revision, "rustc": BUILD.rustc,
        });
        if !self.is_for_people() {
            return self.print_object(&json!({"chatctl": ours, "chatd": daemon}));
        }
        for one in [&ours, &daemon] {
            let (name, version, revision) = (
                word(&one["name"]),
                word(&one["version"]),
                word(&one["revision"]),
            );
            self.say(&format!("{name} {version} ({revision})"))?;
        }
        Ok(())
    }
}

/// One client: digits are an id, since no nick is digits alone.
fn one(whom: &str) -> Value {
    match whom.parse::<u64>() {
        Ok(id) => json!({"id": id}),
        Err(_) => json!({"username": whom}),
    }
}

fn filter(username: Option<&str>, which: &Which) -> Value {
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

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
