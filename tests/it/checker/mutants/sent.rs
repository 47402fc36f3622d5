//! Spoiling what became of what was sent.

use super::super::log::{Dialect, Entry, Event, Log, Position, Record, Row, id_of};
use super::{heard_at, is_one_numbering, is_paged, logged, place};
use crate::dice::Dice;

pub(super) fn move_ack(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |_: &Log, _: usize, event: &Event| matches!(event, Event::Ack { .. });
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    if let Event::Ack { at, .. } = &mut record.clients[who].entries[at].event {
        at.seq += 1;
    }
    true
}

/// The room ends one number earlier for everybody, and yet somebody has its ack.
pub(super) fn lose_head(record: &mut Record, _: &mut Dice) -> bool {
    if !is_one_numbering(record) || is_paged(record) {
        return false;
    }
    let last = record
        .witness
        .entries
        .iter()
        .rev()
        .find_map(|entry| heard_at(&entry.event));
    let Some((room, head)) = last.map(|(room, head)| (room.to_owned(), head)) else {
        return false;
    };
    let acked = |entry: &Entry| matches!(&entry.event, Event::Ack { room: of, at, .. } if *of == room && at.seq == head);
    let in_a_gap = |entry: &Entry| match &entry.event {
        Event::Gap {
            bounds: Some((_, to)),
            room: of,
            ..
        } => *of == room && *to == head,
        Event::Joined {
            room: of, head: at, ..
        } => *of == room && at.seq == head,
        Event::Joining {
            room: of,
            since: Some(since),
        } => *of == room && since.seq == head,
        Event::Page {
            room: of, lines, ..
        } => *of == room && lines.iter().any(|line| line.seq == head),
        _ => false,
    };
    let all = || record.clients.iter().flat_map(|log| &log.entries);
    if !all().any(acked) || all().any(in_a_gap) {
        return false;
    }
    let is_it = |event: &Event| heard_at(event) == Some((room.as_str(), head));
    let text = record
        .witness
        .entries
        .iter()
        .find_map(|entry| match &entry.event {
            Event::Heard { text, .. } if is_it(&entry.event) => Some(text.clone()),
            _ => None,
        });
    for log in record.clients.iter_mut().chain([&mut record.witness]) {
        log.entries.retain(|entry| {
            !matches!(&entry.event, Event::Heard { text: of, .. } if Some(of) == text.as_ref())
        });
    }
    for entry in &mut record.witness.entries {
        if let Event::Joined {
            room: of, head: at, ..
        } = &mut entry.event
            && *of == room
        {
            at.seq = head - 1;
        }
    }
    if let Some(rows) = &mut record.store {
        rows.retain(|row| (row.room.as_str(), row.seq) != (room.as_str(), head));
    }
    true
}

pub(super) fn refuse_one(record: &mut Record, dice: &mut Dice) -> bool {
    let logged = logged(record);
    // One try alone: of several, another may have gone through.
    let fits = |log: &Log, _: usize, event: &Event| {
        let tries = log.entries.iter().filter(|entry| entry.event == *event);
        matches!(event, Event::Send { text, .. } if logged.contains_key(id_of(text)))
            && tries.count() == 1
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let Event::Send { text, .. } = &record.clients[who].entries[at].event else {
        return false;
    };
    let event = Event::Refused {
        id: id_of(text).to_owned(),
        code: "draining".to_owned(),
    };
    record.clients[who].entries.push(Entry {
        at: u64::MAX,
        event,
    });
    true
}

/// Everybody hears a message once more, under a new number at the end.
pub(super) fn number_again(record: &mut Record, dice: &mut Dice) -> bool {
    let logged = logged(record);
    if is_paged(record) {
        return false;
    }
    let fits = |log: &Log, _: usize, event: &Event| {
        matches!(event, Event::Send { text, .. } if logged.contains_key(id_of(text)))
            && log.dialect == Dialect::TwoFields
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let Event::Send { room, text } = record.clients[who].entries[at].event.clone() else {
        return false;
    };
    let username = record.clients[who].username.clone();
    let head = record
        .witness
        .entries
        .iter()
        .filter_map(|entry| heard_at(&entry.event));
    let head = head
        .filter(|(of, _)| *of == room)
        .map(|(_, seq)| seq)
        .max()
        .unwrap_or(0)
        + 1;
    let id = Some(id_of(&text).to_owned());
    if let Some(rows) = &mut record.store {
        let like = rows.iter().find(|row| row.text == text).cloned();
        rows.extend(like.map(|like| Row { seq: head, ..like }));
    }
    let again = Event::Heard {
        room: room.clone(),
        seq: Some(head),
        id,
        username,
        text,
    };
    for entry in &mut record.witness.entries {
        if let Event::Joined {
            room: of, head: at, ..
        } = &mut entry.event
            && *of == room
        {
            at.seq = head;
        }
    }
    record.witness.entries.push(Entry {
        at: u64::MAX,
        event: again.clone(),
    });
    // Whoever heard the first copy would now disagree about it; the log alone shows the fault.
    for log in &mut record.clients {
        log.entries.retain(|entry| {
            !matches!(
                entry.event,
                Event::Heard { .. } | Event::Gap { .. } | Event::Skipped { .. }
            )
        });
        log.entries.push(Entry {
            at: u64::MAX,
            event: Event::Closed,
        });
    }
    true
}

pub(super) fn send_later(record: &mut Record, dice: &mut Dice) -> bool {
    if !is_one_numbering(record) {
        return false;
    }
    let acks: Vec<(String, u64, u64)> = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| match &entry.event {
            Event::Ack { room, at, .. } => Some((room.clone(), at.seq, entry.at)),
            _ => None,
        })
        .collect();
    let numbers = logged(record);
    let late = |event: &Event, sent_at: u64| match event {
        Event::Send { room, text } => {
            let (_, seq) = *numbers.get(id_of(text)).as_ref()?;
            let later = acks
                .iter()
                .find(|(of, acked, at)| of == room && acked > seq && *at > sent_at);
            later.map(|(_, _, at)| *at + 1)
        }
        _ => None,
    };
    let is_first = |log: &Log, at: usize| {
        let event = &log.entries[at].event;
        !log.entries[..at].iter().any(|entry| entry.event == *event)
    };
    let fits = |log: &Log, at: usize, event: &Event| {
        late(event, log.entries[at].at).is_some() && is_first(log, at)
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let entry = &mut record.clients[who].entries[at];
    if let Some(moved) = late(&entry.event, entry.at) {
        entry.at = moved;
    }
    true
}

pub(super) fn send_in_other_order(record: &mut Record, dice: &mut Dice) -> bool {
    // Two-field clients have no acks, and nothing else happened between the two sends.
    let logged = logged(record);
    let is_logged = |event: &Event| matches!(event, Event::Send { text, .. } if logged.contains_key(id_of(text)));
    let fits = |log: &Log, at: usize, event: &Event| {
        let next = log.entries.get(at + 1);
        is_logged(event)
            && log.dialect == Dialect::TwoFields
            && next.is_some_and(|next| is_logged(&next.event))
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    let entries = &mut record.clients[who].entries;
    // The clock stays with the message: only the order in which this client wrote is another.
    entries.swap(at, at + 1);
    true
}

pub(super) fn ack_in_other_order(record: &mut Record, dice: &mut Dice) -> bool {
    let is_ack = |entry: &Entry| matches!(entry.event, Event::Ack { .. });
    let fits = |log: &Log, at: usize, _: &Event| {
        is_ack(&log.entries[at]) && log.entries.get(at + 1).is_some_and(is_ack)
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.swap(at, at + 1);
    true
}

pub(super) fn join_later(record: &mut Record, dice: &mut Dice) -> bool {
    let acked: Vec<(String, Position, u64)> = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| match &entry.event {
            Event::Ack { room, at, .. } => Some((room.clone(), at.clone(), entry.at)),
            _ => None,
        })
        .collect();
    let late = |log: &Log, at: usize| {
        let Event::Joining { room, .. } = &log.entries[at].event else {
            return None;
        };
        let Event::Joined { head, .. } = &log.entries.get(at + 1)?.event else {
            return None;
        };
        let known = acked
            .iter()
            .find(|(of, at, _)| of == room && at.epoch == head.epoch && at.seq > head.seq);
        known.map(|(_, _, at)| *at + 1)
    };
    let fits = |log: &Log, at: usize, _: &Event| late(log, at).is_some();
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    if let Some(moved) = late(&record.clients[who], at) {
        record.clients[who].entries[at].at = moved;
    }
    true
}
