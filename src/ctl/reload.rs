//! A reload and what came of it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::link::{Link, Unanswered};
use super::render::{Look, object};
use super::trouble::Trouble;
use crate::escape::visible;
use crate::rpc::Code;

/// Reloads. Faults of the configuration go to `complaints`, each with its place.
pub(super) fn reload(
    link: &mut Link,
    look: Look,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> Result<(), Trouble> {
    match link.ask("config.reload", json!({})) {
        Ok(report) => print(&report, look, out).map_err(|error| Trouble::of_printing(&error)),
        Err(Unanswered::Error(error)) if error["code"] == Code::Rejected.number() => {
            complain(&error["data"], complaints);
            let total = error["data"]["total"].as_u64().unwrap_or(1);
            let faults = if total == 1 {
                "1 fault".to_owned()
            } else {
                format!("{total} faults")
            };
            Err(Trouble::Failed(format!(
                "the configuration was not reloaded, nothing has changed: {faults}"
            )))
        }
        Err(unanswered) => Err(unanswered.trouble("reload the configuration")),
    }
}

fn print(report: &Value, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if !matches!(look, Look::Table | Look::Tabs) {
        return object(out, look, report);
    }
    let text = |value: &Value| visible(value.as_str().unwrap_or_default()).into_owned();
    for (title, list) in [("applied", "applied"), ("needs a restart", "needs_restart")] {
        for change in report[list].as_array().into_iter().flatten() {
            let (key, old, new) = (
                text(&change["key"]),
                text(&change["old"]),
                text(&change["new"]),
            );
            writeln!(out, "{title}: {key}: {old} -> {new}")?;
        }
    }
    let count = |list: &str| report[list].as_array().map_or(0, Vec::len);
    let (applied, restart) = (count("applied"), count("needs_restart"));
    let unchanged = &report["unchanged"];
    writeln!(
        out,
        "{applied} applied, {restart} need a restart, {unchanged} unchanged"
    )
}

fn complain(data: &Value, complaints: &mut dyn Write) {
    for fault in data["faults"].as_array().into_iter().flatten() {
        for line in fault["text"].as_str().unwrap_or_default().lines() {
            // Nobody may be there to read it.
            drop(writeln!(complaints, "{}", visible(line)));
        }
    }
}
