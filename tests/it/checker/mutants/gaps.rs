//! Spoiling gaps, and the log itself.

use super::super::log::{Entry, Event, Log, Record};
use super::{before, is_heard, next_in_stay, place};
use crate::dice::Dice;

pub(super) fn move_gap(
    record: &mut Record,
    dice: &mut Dice,
    from: i64,
    to: i64,
    count: i64,
) -> bool {
    told_and_counted(record);
    let fits = |log: &Log, at: usize, event: &Event| {
        let long = matches!(event, Event::Gap { bounds: Some((from, to)), .. } if to > from);
        long && next_in_stay(log, at).is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let gap = &mut record.clients[who].entries[at].event;
    let Event::Gap {
        bounds: Some(bounds),
        count: told,
        ..
    } = gap
    else {
        return false;
    };
    *bounds = (
        bounds.0.saturating_add_signed(from),
        bounds.1.saturating_add_signed(to),
    );
    *told = told.map(|told| told.saturating_add_signed(count));
    true
}

pub(super) fn drop_gap(record: &mut Record, dice: &mut Dice) -> bool {
    told_and_counted(record);
    let fits = |log: &Log, at: usize, event: &Event| {
        matches!(event, Event::Gap { .. }) && next_in_stay(log, at).is_some()
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

pub(super) fn drop_skipped(record: &mut Record, dice: &mut Dice) -> bool {
    told_and_counted(record);
    let fits = |log: &Log, at: usize, event: &Event| {
        let next = next_in_stay(log, at);
        matches!(event, Event::Skipped { .. })
            && before(log, at).is_some_and(is_heard)
            && next.is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

/// Whoever comes back `since` a numbering that is over hears the new one as if it were the old.
pub(super) fn hide_epoch_change(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        matches!(event, Event::Gap { bounds: None, .. }) && next_in_stay(log, at).is_some()
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

pub(super) fn invent_epoch_change(record: &mut Record, dice: &mut Dice) -> bool {
    let is_since = |log: &Log, at: usize| {
        at > 0
            && matches!(
                log.entries[at - 1].event,
                Event::Joining { since: Some(_), .. }
            )
    };
    let fits = |log: &Log, at: usize, event: &Event| {
        let told = log.entries.get(at + 1);
        matches!(event, Event::Joined { .. })
            && !(is_since(log, at)
                && told.is_some_and(|told| matches!(told.event, Event::Gap { bounds: None, .. })))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let entries = &mut record.clients[who].entries;
    let Event::Joined { room, head, .. } = &entries[at].event else {
        return false;
    };
    let gap = Event::Gap {
        room: room.clone(),
        epoch: head.epoch.clone(),
        bounds: None,
        count: None,
    };
    let at_time = entries[at].at;
    let gap = Entry {
        at: at_time,
        event: gap,
    };
    entries.insert(at + 1, gap);
    true
}

pub(super) fn shrink_skipped(record: &mut Record, dice: &mut Dice) -> bool {
    told_and_counted(record);
    let fits = |log: &Log, at: usize, event: &Event| {
        // A two-field stream begins with what it heard first.
        matches!(event, Event::Skipped { count, .. } if *count > 1)
            && has_heard(log, at)
            && next_in_stay(log, at).is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    if let Event::Skipped { count, .. } = &mut record.clients[who].entries[at].event {
        *count -= 1;
    }
    true
}

/// The daemon's own counters saw the same fault.
fn told_and_counted(record: &mut Record) {
    record.counters = None;
}

fn has_heard(log: &Log, at: usize) -> bool {
    let connection = log.entries[..at].iter().rev().map(|entry| &entry.event);
    connection
        .take_while(|event| !matches!(event, Event::Connected { .. }))
        .any(is_heard)
}

/// A number that nobody but the late reader was to hear.
pub(super) fn gap_in_the_log(record: &mut Record, dice: &mut Dice) -> bool {
    told_and_counted(record);
    for log in &mut record.clients {
        log.entries
            .retain(|entry| matches!(entry.event, Event::Send { .. }));
    }
    let places: Vec<usize> = (0..record.witness.entries.len())
        .filter(|at| is_heard(&record.witness.entries[*at].event))
        .collect();
    let Some(at) = dice.pick(&places) else {
        return false;
    };
    record.witness.entries.remove(*at);
    true
}
