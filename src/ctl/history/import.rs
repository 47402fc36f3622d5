//! A room out of a file.

use std::path::Path;

use serde_json::{Value, json};

use super::file::{Lines, Sum, check, heading};
use super::progress;
use crate::ctl::desk::Desk;
use crate::ctl::trouble::Trouble;

/// Bytes of the messages of one request, about: it has to fit what the daemon reads.
const PART: usize = 24 * 1024;
/// Messages of one request.
const MESSAGES: usize = 500;

/// Brings a room in, under the name in the file or another. The file is read through before the
/// daemon hears of it.
pub(super) fn import(desk: &mut Desk<'_>, path: &Path, room: Option<&str>) -> Result<(), Trouble> {
    let exported = check(path)?;
    let room = room.unwrap_or(&exported.room);
    let doing = format!("import {room}");
    let params = json!({
        "room": room, "first": exported.first, "last": exported.last, "topic": exported.topic,
    });
    let begun = desk.call("history.import", params, &doing)?;
    let id = begun["id"].clone();
    match bring(desk, path, &id, &doing) {
        Ok(()) => {}
        Err(trouble) => {
            // The daemon gives it up by itself too, a little later.
            let end = json!({"id": id, "give_up": true});
            drop(desk.call("history.import_end", end, "give the import up"));
            return Err(trouble);
        }
    }
    let report = desk.call("history.import_end", json!({"id": id}), &doing)?;
    let count = exported.messages();
    if desk.is_for_people() {
        return desk.say(&format!("{count} messages imported as {room}"));
    }
    let object = json!({
        "room": report["room"], "epoch": report["epoch"], "first": exported.first,
        "last": exported.last, "messages": count,
    });
    desk.print_object(&object)
}

fn bring(desk: &mut Desk<'_>, path: &Path, id: &Value, doing: &str) -> Result<(), Trouble> {
    let mut lines = Lines::open(path)?;
    let exported = heading(&mut lines, &mut Sum::default())?;
    let bar = progress(exported.messages(), "importing", false);
    let (mut part, mut bytes) = (Vec::new(), 0);
    for _ in exported.first..=exported.last {
        let Some(line) = lines.next()? else {
            return Err(lines.wrong("the file was changed meanwhile"));
        };
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return Err(lines.wrong("the file was changed meanwhile"));
        };
        bytes += line.len();
        part.push(message);
        if bytes >= PART || part.len() == MESSAGES {
            send(desk, id, &mut part, doing)?;
            bar.inc(part.len() as u64);
            part.clear();
            bytes = 0;
        }
    }
    if !part.is_empty() {
        send(desk, id, &mut part, doing)?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn send(desk: &mut Desk<'_>, id: &Value, part: &mut [Value], doing: &str) -> Result<(), Trouble> {
    let params = json!({"id": id, "messages": part});
    desk.call("history.import_part", params, doing).map(drop)
}
