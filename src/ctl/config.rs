//! The configuration: shown, planned, set for a time, read again; and the level of the log, which is
//! one of its keys.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{Reload, SetConfig, SetLog};
use super::desk::Desk;
use super::link::Unanswered;
use super::render::{Column, object};
use super::show::word;
use super::trouble::Trouble;
use crate::escape::visible;
use crate::rpc::Code;

const KEYS: &[Column] = &[
    Column::new("key", "KEY", word),
    Column::new("value", "VALUE", word),
    Column::new("default", "DEFAULT", word),
    Column::new("origin", "ORIGIN", word),
    Column::new("hot", "LIVE", word),
];

/// One key of a plan or a reload, for programs that want a row for each.
const CHANGES: &[Column] = &[
    Column::new("key", "KEY", word),
    Column::new("result", "RESULT", word),
    Column::new("old", "OLD", word),
    Column::new("new", "NEW", word),
];

impl Desk<'_> {
    pub(super) fn show_config(&mut self, key: Option<&str>) -> Result<(), Trouble> {
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

    pub(super) fn plan_config(
        &mut self,
        order: &Reload,
        complaints: &mut dyn Write,
    ) -> Result<(), Trouble> {
        let params = json!({"strict": order.strict});
        self.change("config.plan", params, "plan a reload", complaints)
    }

    pub(super) fn reload(
        &mut self,
        order: &Reload,
        complaints: &mut dyn Write,
    ) -> Result<(), Trouble> {
        let params = json!({"strict": order.strict});
        self.change(
            "config.reload",
            params,
            "reload the configuration",
            complaints,
        )
    }

    pub(super) fn set_config(
        &mut self,
        order: &SetConfig,
        complaints: &mut dyn Write,
    ) -> Result<(), Trouble> {
        let (key, value) = match order.assignment.split_once('=') {
            Some((key, value)) if !order.reset => (key, Some(value)),
            None if order.reset => (order.assignment.as_str(), None),
            _ => {
                let sentence = "say KEY=VALUE, or --reset KEY";
                return Err(Trouble::Usage(sentence.to_owned()));
            }
        };
        let params = json!({
            "key": key, "value": value, "dry_run": order.dry_run,
            "seconds": order.time.map(|time| time.as_secs_f64()),
        });
        self.change("config.set", params, &format!("set {key}"), complaints)
    }

    pub(super) fn show_log(&mut self) -> Result<(), Trouble> {
        let log = self.call("log.get", json!({}), "show the log level")?;
        self.print_object(&log)
    }

    pub(super) fn set_log(
        &mut self,
        order: &SetLog,
        complaints: &mut dyn Write,
    ) -> Result<(), Trouble> {
        let params = json!({
            "level": order.level, "seconds": order.time.map(|time| time.as_secs_f64()),
        });
        let log = self.ask("log.set", params, "set the log level", complaints)?;
        self.print_object(&log)
    }

    fn change(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
        complaints: &mut dyn Write,
    ) -> Result<(), Trouble> {
        let report = self.ask(method, params, doing, complaints)?;
        if self.is_for_people() {
            return print(&report, self.out).map_err(|error| Trouble::of_printing(&error));
        }
        if self.look.is_rows() {
            return self.print(CHANGES, &changes(&report));
        }
        object(self.out, self.look, &report).map_err(|error| Trouble::of_printing(&error))
    }

    /// Asks; faults of the configuration go to `complaints`, each with its place.
    fn ask(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
        complaints: &mut dyn Write,
    ) -> Result<Value, Trouble> {
        match self.link.ask(method, params) {
            Ok(report) => Ok(report),
            Err(Unanswered::Error(error)) if error["code"] == Code::Rejected.number() => {
                complain(&error["data"], complaints);
                let total = error["data"]["total"].as_u64().unwrap_or(1);
                let faults = if total == 1 {
                    "1 fault".to_owned()
                } else {
                    format!("{total} faults")
                };
                Err(Trouble::Failed(format!(
                    "cannot {doing}, nothing has changed: {faults}"
                )))
            }
            Err(unanswered) => Err(unanswered.trouble(doing)),
        }
    }
}

fn print(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    let is_plan = report["dry_run"] == true;
    let (applied, restart) = if is_plan {
        ("would apply", "would need a restart")
    } else {
        ("applied", "needs a restart")
    };
    for (title, list) in [(applied, "applied"), (restart, "needs_restart")] {
        for change in list_of(report, list) {
            let (key, old, new) = (
                text(&change["key"]),
                text(&change["old"]),
                text(&change["new"]),
            );
            writeln!(out, "{title}: {key}: {old} -> {new}")?;
        }
    }
    for change in list_of(report, "passed_by") {
        let (key, why) = (text(&change["key"]), text(&change["why"]));
        let (old, new) = (text(&change["old"]), text(&change["new"]));
        writeln!(out, "changes nothing: {key}: {old} -> {new}: {why}")?;
    }
    let count = |list: &str| list_of(report, list).len();
    let (applied, restart) = (count("applied"), count("needs_restart"));
    let unchanged = &report["unchanged"];
    let would = if is_plan { "a reload now: " } else { "" };
    let passed_by = match count("passed_by") {
        0 => String::new(),
        count => format!("{count} passed by, "),
    };
    writeln!(
        out,
        "{would}{applied} applied, {restart} need a restart, {passed_by}{unchanged} unchanged"
    )
}

/// Every key with what became of it.
fn changes(report: &Value) -> Vec<Value> {
    let changed = |list: &'static str| {
        list_of(report, list).iter().map(move |change| {
            json!({"key": change["key"], "result": list, "old": change["old"], "new": change["new"]})
        })
    };
    let unchanged = list_of(report, "unchanged_keys")
        .iter()
        .map(|key| json!({"key": key, "result": "unchanged"}));
    changed("applied")
        .chain(changed("needs_restart"))
        .chain(changed("passed_by"))
        .chain(unchanged)
        .collect()
}

fn list_of<'a>(report: &'a Value, list: &str) -> &'a [Value] {
    report[list].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    visible(value.as_str().unwrap_or_default()).into_owned()
}

fn complain(data: &Value, complaints: &mut dyn Write) {
    for fault in data["faults"].as_array().into_iter().flatten() {
        for line in fault["text"].as_str().unwrap_or_default().lines() {
            // Nobody may be there to read it.
            drop(writeln!(complaints, "{}", visible(line)));
        }
    }
}
