//! Bans: said, taken back, listed.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::args::{Ban, ListBans, Unban};
use super::desk::Desk;
use super::page;
use super::render::{Column, Look, object};
use super::show::{moment, time, word};
use super::trouble::Trouble;
use super::whom::KICKED;
use crate::cidr::Cidr;
use crate::escape::visible;

const BANS: &[Column] = &[
    Column::new("kind", "KIND", word),
    Column::new("whom", "WHOM", word),
    Column::new("reason", "REASON", word),
    Column::new("by", "BY", word),
    Column::new("since", "SINCE", moment),
    Column::raw("until"),
    Column::new("left_seconds", "LEFT", time),
    Column::new("refused", "REFUSED", word),
];

/// Bans somebody. What the operator should know about it goes to `complaints`.
pub(super) fn ban(
    desk: &mut Desk<'_>,
    order: &Ban,
    complaints: &mut dyn Write,
) -> Result<(), Trouble> {
    let mut params = whom(&order.whom, order.nick);
    params.insert("reason".to_owned(), json!(order.reason));
    params.insert("dry_run".to_owned(), json!(order.dry_run));
    let seconds = order.time.map(|time| time.as_secs_f64());
    params.insert("seconds".to_owned(), json!(seconds));
    params.insert("from".to_owned(), json!(where_the_operator_sits()));
    let doing = format!("ban {}", order.whom);
    let report = desk.call("bans.add", Value::Object(params), &doing)?;
    warn(&report, complaints)?;
    if !desk.is_for_people() {
        print(desk, &report)?;
        return is_kept(&report, order.dry_run);
    }
    let hit = report["clients"].as_array().map_or(&[][..], Vec::as_slice);
    desk.print(KICKED, hit)?;
    if desk.look == Look::Table {
        let (would, whom) = (
            if order.dry_run {
                "would be banned"
            } else {
                "banned"
            },
            word(&report["ban"]["whom"]),
        );
        let closed = &report["closed"];
        desk.say(&format!("{whom} {would}, {closed} sessions"))?;
    }
    is_kept(&report, order.dry_run)
}

/// Takes a ban back.
pub(super) fn unban(
    desk: &mut Desk<'_>,
    order: &Unban,
    complaints: &mut dyn Write,
) -> Result<(), Trouble> {
    let params = Value::Object(whom(&order.whom, order.nick));
    let doing = format!("take back the ban of {}", order.whom);
    let report = desk.call("bans.remove", params, &doing)?;
    warn(&report, complaints)?;
    if desk.is_for_people() {
        desk.say(&format!(
            "{} no longer banned",
            word(&report["ban"]["whom"])
        ))?;
    } else {
        print(desk, &report)?;
    }
    is_kept(&report, false)
}

/// Lists the bans.
pub(super) fn list(desk: &mut Desk<'_>, order: &ListBans) -> Result<(), Trouble> {
    let mut params = Map::new();
    if let Some(nick) = &order.username {
        params.insert("nick".to_owned(), json!(nick));
    }
    if let Some(address) = order.address {
        params.insert("addr".to_owned(), json!(address));
    }
    let list = page::all(&mut desk.link, "bans.list", "bans", params, 0, order.limit)?;
    desk.print(BANS, &list)
}

/// An address or a range is one, unless it is said to be a nick.
fn whom(text: &str, is_nick: bool) -> Map<String, Value> {
    let is_range = !is_nick && text.parse::<Cidr>().is_ok();
    let key = if is_range { "addr" } else { "nick" };
    Map::from_iter([(key.to_owned(), json!(text))])
}

/// The address that an operator at the other end of SSH comes from (sshd(8)): nobody wants to lock
/// themselves out.
fn where_the_operator_sits() -> Option<std::net::IpAddr> {
    let client = std::env::var("SSH_CLIENT").ok()?;
    client.split(' ').next()?.parse().ok()
}

fn warn(report: &Value, complaints: &mut dyn Write) -> Result<(), Trouble> {
    for warning in report["warnings"].as_array().into_iter().flatten() {
        let warning = visible(warning.as_str().unwrap_or_default()).into_owned();
        writeln!(complaints, "chatctl: warning: {warning}")
            .map_err(|error| Trouble::of_printing(&error))?;
    }
    Ok(())
}

fn print(desk: &mut Desk<'_>, report: &Value) -> Result<(), Trouble> {
    object(desk.out, desk.look, report).map_err(|error| Trouble::of_printing(&error))
}

fn is_kept(report: &Value, dry_run: bool) -> Result<(), Trouble> {
    if dry_run || report["saved"] == true {
        return Ok(());
    }
    Err(Trouble::Failed(
        "done, but not kept: see the warning".to_owned(),
    ))
}
