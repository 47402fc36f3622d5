//! The daemon at a glance, for a person.

use std::io::{self, Write};

use serde_json::Value;

use super::show::{bytes, moment, plain, time, word};

/// One line for each thing that one asks about a daemon.
pub(super) fn print(out: &mut dyn Write, status: &Value) -> io::Result<()> {
    let of = |key: &str| &status[key];
    let lines = [
        (
            "chatd",
            format!(
                "{} {} ({}), pid {}",
                word(of("name")),
                word(of("version")),
                word(of("revision")),
                of("pid")
            ),
        ),
        ("phase", phase(status)),
        (
            "up",
            format!(
                "{} since {}",
                time(of("uptime_seconds")),
                moment(of("started_at"))
            ),
        ),
        ("listens", doors(of("doors"))),
        (
            "clients",
            format!(
                "{} of {}, {}",
                of("clients"),
                of("clients_limit"),
                plain(of("clients_by_dialect"))
            ),
        ),
        ("state", plain(of("clients_by_state"))),
        (
            "connections",
            format!(
                "{} accepted, {} refused, {} closed",
                of("accepted"),
                of("refused"),
                of("closed")
            ),
        ),
        (
            "rooms",
            format!("{}, {} members", of("rooms"), of("room_members")),
        ),
        (
            "messages",
            format!(
                "{} committed, {} delivered, {} replayed, {} skipped in gaps",
                of("committed_messages"),
                of("deliveries"),
                of("replayed_messages"),
                of("gap_messages")
            ),
        ),
        ("refused", format!("{} lines", of("rejected_lines"))),
        (
            "bytes",
            format!(
                "{} in, {} out",
                bytes(of("in_bytes")),
                bytes(of("out_bytes"))
            ),
        ),
        (
            "delivery",
            format!(
                "p50 {}, p99 {}",
                within(of("delivery_p50_seconds")),
                within(of("delivery_p99_seconds"))
            ),
        ),
        (
            "lag",
            format!(
                "at most {} messages, {}",
                of("lag_msgs_max"),
                time(of("lag_seconds_max"))
            ),
        ),
        ("workers", workers(status)),
        ("memory", memory(status)),
        (
            "buffers",
            format!(
                "{} of {}",
                bytes(of("buffer_bytes")),
                bytes(of("buffer_limit_bytes"))
            ),
        ),
        ("history", history(&status["history"])),
        ("config", config(status)),
        (
            "log",
            format!(
                "{}, {} lines lost",
                word(of("log_level")),
                of("log_lines_dropped")
            ),
        ),
    ];
    lines
        .iter()
        .try_for_each(|(name, text)| writeln!(out, "{name:<12} {text}"))
}

fn phase(status: &Value) -> String {
    let left = &status["drain_left_seconds"];
    let phase = word(&status["phase"]);
    if left.is_null() {
        phase
    } else {
        format!("{phase}, {} left", time(left))
    }
}

fn doors(doors: &Value) -> String {
    let one = |door: &Value| format!("{} {}", plain(&door["door"]), plain(&door["address"]));
    let doors: Vec<_> = doors.as_array().into_iter().flatten().map(one).collect();
    doors.join(", ")
}

/// How much of their time since the start they were busy, and how late they come.
fn workers(status: &Value) -> String {
    let number = |name: &str| status[name].as_f64().unwrap_or(0.0);
    let time = number("workers") * number("uptime_seconds");
    let busy = number("workers_busy_seconds") / time.max(f64::MIN_POSITIVE);
    format!(
        "{}, busy for {:.0} % of their time, late by p99 {}",
        status["workers"],
        busy.min(1.0) * 100.0,
        within(&status["scheduler_lag_p99_seconds"])
    )
}

/// Where it is, in parts that are counted; the rest is what programs need to run.
fn memory(status: &Value) -> String {
    let of = |name: &str| bytes(&status[name]);
    format!(
        "{} resident: {} said in rooms, {} kept for those behind, {} of replies; {} at worst, {}",
        of("resident_bytes"),
        of("recent_bytes"),
        of("buffer_bytes"),
        of("outbox_bytes"),
        of("memory_worst_case_bytes"),
        match &status["memory_limit_bytes"] {
            Value::Null => "no limit".to_owned(),
            limit => format!("{} allowed", bytes(limit)),
        }
    )
}

/// A quantile is known by the bound of its bucket.
fn within(seconds: &Value) -> String {
    if seconds.is_null() {
        "unknown".to_owned()
    } else {
        format!("within {}", time(seconds))
    }
}

fn history(history: &Value) -> String {
    let of = |name: &str| &history[name];
    if of("path").is_null() {
        return "in memory alone".to_owned();
    }
    let mut text = format!(
        "{}, {} messages of {} rooms, {} of {}, log {}, {} wait; {}, {} free on its disk",
        word(of("durability")),
        of("messages"),
        of("rooms"),
        bytes(of("used_bytes")),
        if of("limit_bytes").is_null() {
            "unlimited".to_owned()
        } else {
            bytes(of("limit_bytes"))
        },
        bytes(of("wal_bytes")),
        of("queued_messages"),
        plain(of("path")),
        bytes(of("disk_free_bytes"))
    );
    if !of("trouble").is_null() {
        text.push_str(&format!(
            "; IN TROUBLE for {}: {}",
            time(of("trouble_seconds")),
            plain(of("trouble_text"))
        ));
    }
    text
}

fn config(status: &Value) -> String {
    let file = &status["config_file"];
    let file = if file.is_null() {
        "built-in defaults".to_owned()
    } else {
        plain(file)
    };
    let pending = plain(&status["config_pending_restart_keys"]);
    let last = &status["config_last_reload"];
    let mut text = format!("{file}, read {}", moment(&status["config_loaded_at"]));
    if !last.is_null() {
        text.push_str(&format!(", last reload {}", plain(last)));
    }
    if !pending.is_empty() {
        text.push_str(&format!(", needs a restart: {pending}"));
    }
    text
}
