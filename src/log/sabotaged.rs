//! Test builds only: what goes wrong in the logs when it is told to ([`crate::sabotage`]).

use std::sync::Arc;

use super::committer::Committer;
use super::room::{Pending, Room};
use super::turn::{Group, Turn};
use super::{Batch, Draft};
use crate::event::{Event, Message, Seq};
use crate::sabotage;

/// Sends the messages of a turn that is not in the store yet.
pub(super) fn deliver_too_early(committer: &Committer, turn: &Turn) {
    if !sabotage::is_on("deliver_before_commit") {
        return;
    }
    let time_ms = committer.now_ms();
    for group in &turn.groups {
        let batch = foretold(group, time_ms);
        group
            .room
            .with_lanes(|lanes| committer.send(&group.room, batch, lanes));
    }
}

/// The batch that the committer would make of these messages.
fn foretold(group: &Group, time_ms: i64) -> Batch {
    let before = group.room.head();
    let messages = group.events.iter().filter_map(|event| match event {
        Pending::Message(draft) => Some(draft),
        Pending::Unnumbered(_) => None,
    });
    let numbered = messages.zip(before + 1..);
    let events: Vec<Event> = numbered
        .map(|(draft, seq)| message(&group.room, draft, seq, time_ms))
        .collect();
    Batch::new(before, before + events.len() as Seq, events, None)
}

fn message(room: &Room, draft: &Draft, seq: Seq, time_ms: i64) -> Event {
    Event::Message(Arc::new(Message {
        seq,
        end: room.reach().end,
        time_ms,
        author: draft.author,
        nick: draft.nick.clone(),
        text: draft.text.clone(),
        cid: draft.cid.clone(),
    }))
}
