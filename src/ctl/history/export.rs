//! A room into a file.

use std::path::Path;

use serde_json::{Value, json};

use super::file::{Heading, Sum, line};
use super::progress;
use crate::ctl::beside::Beside;
use crate::ctl::desk::Desk;
use crate::ctl::trouble::Trouble;

/// Messages of one page: the daemon may give less.
const PAGE: u64 = 1000;

/// Writes everything that is kept of a room now.
pub(super) fn export(desk: &mut Desk<'_>, room: &str, path: &Path) -> Result<(), Trouble> {
    let doing = format!("export {room}");
    // Nothing of it is more than a look at where it begins and ends.
    let start = desk.call("history.show", json!({"room": room, "limit": 1}), &doing)?;
    let number = |key: &str| start[key].as_u64().unwrap_or(0);
    let text = |key: &str| start[key].as_str().unwrap_or_default().to_owned();
    let (first, last) = (number("first").max(1), number("head"));
    let (room, epoch) = (text("room"), text("epoch"));
    let heading = Heading::new(&room, &epoch, first, last, start["topic"].clone());

    let mut file = Beside::begin(path)?;
    let mut sum = Sum::default();
    let top = line(&heading);
    sum.heading(&top);
    file.write(&top)?;
    let bar = progress(heading.messages(), "exporting", false);
    let mut next = first;
    while next <= last {
        let params = json!({
            "room": room, "after": next - 1, "limit": PAGE.min(last + 1 - next),
        });
        let page = desk.call("history.show", params, &doing)?;
        next = take(&page, &epoch, next, &mut |message| {
            let message = line(message);
            sum.message(&message);
            file.write(&message)
        })?;
        bar.set_position(next - first);
    }
    file.write(&sum.last_line())?;
    file.end()?;
    bar.finish_and_clear();
    if desk.is_for_people() {
        let count = heading.messages();
        desk.say(&format!(
            "{count} messages of {room} exported to {}",
            path.display()
        ))?;
        return Ok(());
    }
    let report = json!({"room": room, "epoch": epoch, "first": first, "last": last, "messages": heading.messages()});
    desk.print_object(&report)
}

/// Takes the messages of a page, which must go on where the last one ended. The number after them.
fn take(
    page: &Value,
    epoch: &str,
    mut next: u64,
    write: &mut dyn FnMut(&Value) -> Result<(), Trouble>,
) -> Result<u64, Trouble> {
    if page["epoch"] != epoch {
        return Err(Trouble::Failed(
            "the room began a new epoch meanwhile; export it again".to_owned(),
        ));
    }
    let messages = page["messages"].as_array().map_or(&[][..], Vec::as_slice);
    if messages.is_empty() || messages[0]["seq"] != next {
        return Err(Trouble::Failed(format!(
            "message {next} was taken away meanwhile; export the room again"
        )));
    }
    for message in messages {
        if message["seq"] != next {
            return Err(Trouble::Failed(format!(
                "the daemon left message {next} out"
            )));
        }
        write(message)?;
        next += 1;
    }
    Ok(next)
}
