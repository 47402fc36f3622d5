//! Spoiling what somebody heard.

use super::super::log::{Dialect, Entry, Event, Log, Record};
use super::{before, heard_at, is_heard, is_settled, next_in_stay, place, room_of, stays};
use crate::dice::Dice;

pub(super) fn drop_one(record: &mut Record, dice: &mut Dice) -> bool {
    // A two-field stream begins with what it heard first, and a gap beside a hole hides it.
    let fits = |log: &Log, at: usize, event: &Event| {
        is_heard(event)
            && before(log, at).is_some_and(is_heard)
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
    // The number is known earlier now; nobody may have asked in between, to notice that.
    !asked_between(record, who, at, next)
}

fn asked_between(record: &Record, who: usize, at: usize, next: usize) -> bool {
    let log = &record.clients[who];
    let (from, to) = (log.entries[at].at, log.entries[next].at);
    let asks = |entry: &Entry| matches!(entry.event, Event::Joining { .. } | Event::Paging { .. });
    let mut asked = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter(|entry| asks(entry));
    asked.any(|entry| (from..to).contains(&entry.at))
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
    let next = next_in_stay(&record.clients[who], at).unwrap();
    exchange(&mut record.clients[who], at, next);
    true
}

fn exchange(log: &mut Log, at: usize, next: usize) {
    let numbers = [at, next].map(|at| heard_at(&log.entries[at].event).unwrap().1);
    let event = log.entries[at].event.clone();
    log.entries[at].event = std::mem::replace(&mut log.entries[next].event, event);
    for (at, number) in [at, next].into_iter().zip(numbers) {
        if let Event::Heard { seq, .. } = &mut log.entries[at].event {
            *seq = Some(number);
        }
    }
}

/// In a numbering that did not outlive its daemon, against somebody else who heard both.
pub(super) fn exchange_numbers_long_ago(record: &mut Record, dice: &mut Dice) -> bool {
    let text = |event: &Event| match event {
        Event::Heard {
            text, seq: Some(_), ..
        } => Some(text.clone()),
        _ => None,
    };
    let mut places = Vec::new();
    // With one numbering that is over, what is not of the last is of that one.
    if record.lives.len() != 2 {
        return false;
    }
    for (who, log) in record.clients.iter().enumerate() {
        // Whoever comes first in the record says what the numbering was.
        let heard_before = |wanted: &Event| {
            record.clients[..who].iter().any(|log| {
                let place = log.entries.iter().position(|entry| entry.event == *wanted);
                place.is_some_and(|at| !is_settled(record, log, at))
            })
        };
        for (at, entry) in log.entries.iter().enumerate() {
            let next = next_in_stay(log, at).map(|next| (next, &log.entries[next].event));
            if let Some((next, other)) = next
                && !is_settled(record, log, at)
                && [&entry.event, other]
                    .into_iter()
                    .all(|event| text(event).is_some())
                && heard_before(&entry.event)
                && heard_before(other)
            {
                places.push((who, at, next));
            }
        }
    }
    let Some(&(who, at, next)) = dice.pick(&places) else {
        return false;
    };
    exchange(&mut record.clients[who], at, next);
    true
}

/// A stay without `since` and without gaps has an epoch of its own.
pub(super) fn other_epoch(record: &mut Record, dice: &mut Dice) -> bool {
    if !record.durability.outlives_the_daemon() {
        return false;
    }
    let fits = |log: &Log, at: usize, event: &Event| {
        let fresh = at > 0
            && matches!(
                log.entries[at - 1].event,
                Event::Joining { since: None, .. }
            )
            && matches!(event, Event::Joined { .. });
        let mut stay = at;
        let mut heard = 0;
        while let Some(next) = next_in_stay(log, stay) {
            if !is_heard(&log.entries[next].event) {
                return false;
            }
            (stay, heard) = (next, heard + 1);
        }
        // Its end is nobody's business here: where it stood is used by the next join.
        fresh && heard > 0
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    if let Event::Joined { head, .. } = &mut record.clients[who].entries[at].event {
        head.epoch = "another".to_owned();
    }
    true
}

pub(super) fn tear_line(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let torn = Event::Garbled {
        line: "{\"type\":\"mess".to_owned(),
    };
    record.clients[who]
        .entries
        .insert(at, Entry { at: 0, event: torn });
    true
}

pub(super) fn cut_line(record: &mut Record, dice: &mut Dice) -> bool {
    let in_last_life = |log: &Log, at: usize, event: &Event| {
        is_heard(event)
            && !log.entries[at..]
                .iter()
                .any(|entry| matches!(entry.event, Event::Connected { .. }))
    };
    let Some((who, at)) = place(record, dice, in_last_life) else {
        return false;
    };
    let cut = Event::Cut {
        line: "{\"type\":\"mess".to_owned(),
    };
    record.clients[who]
        .entries
        .insert(at + 1, Entry { at: 0, event: cut });
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
        matches!(event, Event::Parted { .. }) && before(log, at).is_some_and(is_heard)
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let log = &mut record.clients[who];
    let room = room_of(&log.entries[at].event).map(str::to_owned);
    let last = log.entries[..at]
        .iter()
        .rposition(|entry| is_heard(&entry.event) && room_of(&entry.event) == room.as_deref());
    log.entries.swap(last.unwrap(), at);
    true
}
