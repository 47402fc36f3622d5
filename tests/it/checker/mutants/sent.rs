//! Spoiling what became of what was sent.

use std::collections::BTreeMap;

use super::super::golden::Dice;
use super::super::log::{Dialect, Entry, Event, Log, Record, id_of};
use super::{heard_at, place};

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
    true
}

pub(super) fn refuse_one(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |_: &Log, _: usize, event: &Event| matches!(event, Event::Send { .. });
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
    let fits = |log: &Log, at: usize, event: &Event| {
        matches!(event, Event::Send { .. }) && log.dialect == Dialect::TwoFields && at > 0
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
    let acks: Vec<(String, u64, u64)> = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| match &entry.event {
            Event::Ack { room, at, .. } => Some((room.clone(), at.seq, entry.at)),
            _ => None,
        })
        .collect();
    let numbers: BTreeMap<String, u64> = record
        .witness
        .entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Heard {
                seq: Some(seq),
                text,
                ..
            } => Some((id_of(text).to_owned(), *seq)),
            _ => None,
        })
        .collect();
    let late = |event: &Event, sent_at: u64| match event {
        Event::Send { room, text } => {
            let seq = *numbers.get(id_of(text))?;
            let later = acks
                .iter()
                .find(|(of, acked, at)| of == room && *acked > seq && *at > sent_at);
            later.map(|(_, _, at)| *at + 1)
        }
        _ => None,
    };
    let fits = |log: &Log, at: usize, event: &Event| late(event, log.entries[at].at).is_some();
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
    let fits = |log: &Log, at: usize, event: &Event| {
        let next = log.entries.get(at + 1);
        matches!(event, Event::Send { .. })
            && log.dialect == Dialect::TwoFields
            && next.is_some_and(|next| matches!(next.event, Event::Send { .. }))
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
    let heard: Vec<(String, u64, u64)> = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| {
            heard_at(&entry.event).map(|(room, seq)| (room.to_owned(), seq, entry.at))
        })
        .collect();
    let late = |log: &Log, at: usize| {
        let Event::Joining { room, .. } = &log.entries[at].event else {
            return None;
        };
        let Event::Joined { head, .. } = &log.entries.get(at + 1)?.event else {
            return None;
        };
        let known = heard
            .iter()
            .find(|(of, seq, _)| of == room && *seq > head.seq);
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
