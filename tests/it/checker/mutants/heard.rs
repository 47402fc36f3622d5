//! Spoiling what somebody heard.

use super::super::golden::Dice;
use super::super::log::{Dialect, Entry, Event, Log, Record};
use super::{heard_at, is_heard, next_in_stay, place, room_of, stays};

pub(super) fn drop_one(record: &mut Record, dice: &mut Dice) -> bool {
    // A two-field stream begins with what it heard first, and a gap beside a hole hides it.
    let fits = |log: &Log, at: usize, event: &Event| {
        let before = log.entries[..at]
            .iter()
            .rev()
            .find(|entry| room_of(&entry.event) == room_of(event));
        is_heard(event)
            && before.is_some_and(|entry| is_heard(&entry.event))
            && next_in_stay(log, at).is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

pub(super) fn drop_last(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        heard_at(event).is_some() && stays(log, at) && next_in_stay(log, at).is_none()
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

pub(super) fn double_one(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let again = record.clients[who].entries[at].clone();
    record.clients[who].entries.insert(at + 1, again);
    true
}

pub(super) fn swap_two(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        // For two-field clients a swap with what lies beside a gap would move the gap as well.
        let next = next_in_stay(log, at);
        log.dialect == Dialect::Full
            && is_heard(event)
            && next.is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let log = &mut record.clients[who];
    let next = next_in_stay(log, at).unwrap();
    let event = log.entries[at].event.clone();
    log.entries[at].event = std::mem::replace(&mut log.entries[next].event, event);
    // The number is known earlier now; no join may stand in between to notice that.
    !log.entries[at..next]
        .iter()
        .any(|entry| matches!(entry.event, Event::Joining { .. }))
        && !joined_between(record, who, at, next)
}

fn joined_between(record: &Record, who: usize, at: usize, next: usize) -> bool {
    let log = &record.clients[who];
    let (from, to) = (log.entries[at].at, log.entries[next].at);
    let entries = record.clients.iter().flat_map(|log| &log.entries);
    let mut joins = entries.filter(|entry| matches!(entry.event, Event::Joining { .. }));
    joins.any(|entry| (from..to).contains(&entry.at))
}

pub(super) fn alter_text(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let Event::Heard { text, .. } = &mut record.clients[who].entries[at].event else {
        return false;
    };
    text.push('!');
    true
}

pub(super) fn alter_username(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let heard = &mut record.clients[who].entries[at].event;
    let Event::Heard { username, .. } = heard else {
        return false;
    };
    username.push('x');
    true
}

pub(super) fn exchange_numbers(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        heard_at(event).is_some()
            && next_in_stay(log, at)
                .is_some_and(|next| heard_at(&log.entries[next].event).is_some())
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let log = &mut record.clients[who];
    let next = next_in_stay(log, at).unwrap();
    let numbers = [at, next].map(|at| heard_at(&log.entries[at].event).unwrap().1);
    let event = log.entries[at].event.clone();
    log.entries[at].event = std::mem::replace(&mut log.entries[next].event, event);
    for (at, number) in [at, next].into_iter().zip(numbers) {
        if let Event::Heard { seq, .. } = &mut log.entries[at].event {
            *seq = Some(number);
        }
    }
    true
}

pub(super) fn tear_line(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let torn = Event::Garbled("{\"type\":\"mess".to_owned());
    record.clients[who]
        .entries
        .insert(at, Entry { at: 0, event: torn });
    true
}

pub(super) fn talk_after_bye(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let bye = Event::Bye {
        code: "kicked".to_owned(),
    };
    record.clients[who]
        .entries
        .insert(at, Entry { at: 0, event: bye });
    true
}

pub(super) fn talk_after_parted(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        let before = log.entries[..at]
            .iter()
            .rev()
            .find(|entry| room_of(&entry.event) == room_of(event));
        matches!(event, Event::Parted { .. }) && before.is_some_and(|entry| is_heard(&entry.event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let log = &mut record.clients[who];
    let room = room_of(&log.entries[at].event).map(str::to_owned);
    let before = log.entries[..at]
        .iter()
        .rposition(|entry| is_heard(&entry.event) && room_of(&entry.event) == room.as_deref());
    log.entries.swap(before.unwrap(), at);
    true
}
