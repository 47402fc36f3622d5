//! Spoiling pages of history and the store's file.

use super::super::log::{Event, Log, PageLine, Record, Row};
use super::{is_replayed, place};
use crate::dice::Dice;

fn page(
    record: &mut Record,
    dice: &mut Dice,
    fits: impl Fn(&Log, usize, &[PageLine]) -> bool,
) -> Option<(usize, usize)> {
    place(record, dice, |log, at, event| match event {
        Event::Page { lines, .. } => fits(log, at, lines),
        _ => false,
    })
}

fn lines(record: &mut Record, (who, at): (usize, usize)) -> Option<&mut Vec<PageLine>> {
    match &mut record.clients[who].entries[at].event {
        Event::Page { lines, .. } => Some(lines),
        _ => None,
    }
}

pub(super) fn hole_in_page(record: &mut Record, dice: &mut Dice) -> bool {
    let found = page(record, dice, |_, _, lines| lines.len() > 2);
    let Some(lines) = found.and_then(|at| lines(record, at)) else {
        return false;
    };
    lines.remove(1);
    true
}

pub(super) fn late_page(record: &mut Record, dice: &mut Dice) -> bool {
    let is_after = |log: &Log, at: usize| {
        matches!(
            log.entries[at - 1].event,
            Event::Paging { after: Some(_), .. }
        )
    };
    let found = page(record, dice, |log, at, lines| {
        lines.len() > 1 && is_after(log, at)
    });
    let Some(lines) = found.and_then(|at| lines(record, at)) else {
        return false;
    };
    lines.remove(0);
    true
}

pub(super) fn long_page(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = page(record, dice, |_, _, lines| lines.len() > 1) else {
        return false;
    };
    let limit = match &record.clients[who].entries[at].event {
        Event::Page { lines, .. } => lines.len() as u64 - 1,
        _ => return false,
    };
    if let Event::Paging { limit: asked, .. } = &mut record.clients[who].entries[at - 1].event {
        *asked = limit;
    }
    true
}

/// The last line is missing, although it was acknowledged before the page was asked for.
pub(super) fn stale_page(record: &mut Record, dice: &mut Dice) -> bool {
    let acks: Vec<(String, String, u64, u64)> = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| match &entry.event {
            Event::Ack { room, at, .. } => Some((room.clone(), at.epoch.clone(), at.seq, entry.at)),
            _ => None,
        })
        .collect();
    let fits = |log: &Log, at: usize, event: &Event| {
        let Event::Page {
            room,
            epoch,
            lines,
            more,
            ..
        } = event
        else {
            return false;
        };
        let is_latest = matches!(log.entries[at - 1].event, Event::Paging { after: None, .. });
        let Some(last) = lines.last().filter(|_| lines.len() > 1) else {
            return false;
        };
        let asked = log.entries[at - 1].at;
        (is_latest || !more)
            && acks.iter().any(|(of, life, seq, acked)| {
                (of, life, *seq) == (room, epoch, last.seq) && *acked < asked
            })
    };
    let found = place(record, dice, fits);
    let Some(lines) = found.and_then(|at| lines(record, at)) else {
        return false;
    };
    lines.pop();
    true
}

/// Two neighbours change places, their numbers stay.
pub(super) fn other_line(record: &mut Record, dice: &mut Dice) -> bool {
    let found = page(record, dice, |_, _, lines| lines.len() > 1);
    let Some(lines) = found.and_then(|at| lines(record, at)) else {
        return false;
    };
    lines.swap(0, 1);
    let first = lines[0].seq;
    lines[0].seq = lines[1].seq;
    lines[1].seq = first;
    true
}

pub(super) fn lose_row(record: &mut Record, dice: &mut Dice) -> bool {
    match &mut record.store {
        Some(rows) if !rows.is_empty() => {
            let at = dice.below(rows.len());
            rows.remove(at);
            true
        }
        _ => false,
    }
}

pub(super) fn add_row(record: &mut Record, _: &mut Dice) -> bool {
    let Some(rows) = &mut record.store else {
        return false;
    };
    let Some(mut more) = rows.last().cloned() else {
        return false;
    };
    more.seq += 1;
    rows.push(more);
    true
}

pub(super) fn swap_rows(record: &mut Record, dice: &mut Dice) -> bool {
    let Some(rows) = record.store.as_mut().filter(|rows| rows.len() > 1) else {
        return false;
    };
    let at = dice.below(rows.len() - 1);
    let seqs = (rows[at].seq, rows[at + 1].seq);
    if rows[at].room != rows[at + 1].room {
        return false;
    }
    (rows[at].seq, rows[at + 1].seq) = (seqs.1, seqs.0);
    true
}

/// The last page of the late reader is empty, and says that there is nothing more. Only where it heard
/// the room too is everything else as it was.
pub(super) fn short_history(record: &mut Record, _: &mut Dice) -> bool {
    if !is_replayed(record) {
        return false;
    }
    let mut pages = record.witness.entries.iter_mut().rev();
    let last = pages.find_map(|entry| match &mut entry.event {
        Event::Page { lines, .. } => Some(lines),
        _ => None,
    });
    last.is_some_and(|lines| !std::mem::take(lines).is_empty())
}

pub(super) fn other_row_text(record: &mut Record, dice: &mut Dice) -> bool {
    a_row(record, dice).map(|row| row.text.push('!')).is_some()
}

pub(super) fn other_row_author(record: &mut Record, dice: &mut Dice) -> bool {
    a_row(record, dice)
        .map(|row| row.username.push('x'))
        .is_some()
}

fn a_row<'a>(record: &'a mut Record, dice: &mut Dice) -> Option<&'a mut Row> {
    let rows = record.store.as_mut().filter(|rows| !rows.is_empty())?;
    let at = dice.below(rows.len());
    rows.get_mut(at)
}
