//! Spoiling gaps, and the log itself.

use super::super::golden::Dice;
use super::super::log::{Event, Log, Record};
use super::{is_heard, next_in_stay, place, room_of};

pub(super) fn move_gap(
    record: &mut Record,
    dice: &mut Dice,
    from: i64,
    to: i64,
    count: i64,
) -> bool {
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
    let fits = |log: &Log, at: usize, event: &Event| {
        let next = next_in_stay(log, at);
        let before = log.entries[..at]
            .iter()
            .rev()
            .find(|entry| room_of(&entry.event).is_some());
        matches!(event, Event::Skipped { .. })
            && before.is_some_and(|entry| is_heard(&entry.event))
            && next.is_some_and(|next| is_heard(&log.entries[next].event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

pub(super) fn shrink_skipped(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        // A two-field stream begins with what it heard first.
        matches!(event, Event::Skipped { count, .. } if *count > 1)
            && log.entries[..at].iter().any(|entry| is_heard(&entry.event))
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

/// A number that nobody but the late reader was to hear.
pub(super) fn gap_in_the_log(record: &mut Record, dice: &mut Dice) -> bool {
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
