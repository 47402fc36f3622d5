//! Spoiling what was meant for one person.

use super::super::log::{Entry, Event, Log, Record, id_of};
use super::place;
use crate::dice::Dice;

fn heard(record: &Record, dice: &mut Dice) -> Option<(usize, usize)> {
    place(record, dice, |_, _, event| {
        matches!(event, Event::Whispered { .. })
    })
}

pub(super) fn double(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = heard(record, dice) else {
        return false;
    };
    let again = record.clients[who].entries[at].clone();
    record.clients[who].entries.insert(at + 1, again);
    true
}

pub(super) fn alter(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = heard(record, dice) else {
        return false;
    };
    if let Event::Whispered { text, .. } = &mut record.clients[who].entries[at].event {
        text.push('!');
    }
    true
}

pub(super) fn rename(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = heard(record, dice) else {
        return false;
    };
    if let Event::Whispered { username, .. } = &mut record.clients[who].entries[at].event {
        username.push('x');
    }
    true
}

pub(super) fn refuse(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = heard(record, dice) else {
        return false;
    };
    let Event::Whispered { username, text } = record.clients[who].entries[at].event.clone() else {
        return false;
    };
    let Some(author) = record
        .clients
        .iter_mut()
        .find(|log| log.username == username)
    else {
        return false;
    };
    let event = Event::Refused {
        id: id_of(&text).to_owned(),
        code: "recipient_busy".to_owned(),
    };
    author.entries.push(Entry {
        at: u64::MAX,
        event,
    });
    true
}

/// Only of somebody who never hung up it is known that it should have come.
pub(super) fn lose(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, _: usize, event: &Event| {
        let went = log.entries.iter().any(|entry| entry.event == Event::Closed);
        !went && matches!(event, Event::Whispered { .. })
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}
