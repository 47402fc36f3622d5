//! The judge is judged: each way to spoil a good record trips exactly its rule.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::golden::{self, Dice};
use super::log::{Dialect, Entry, Event, Log, Record, id_of};
use super::rules::{Rule, check, tally};

/// Spoils a record; false if this record gives no occasion for it.
type Spoil = fn(&mut Record, &mut Dice) -> bool;

const MUTANTS: &[(&str, Rule, Spoil)] = &[
    (
        "a message is dropped for one listener",
        Rule::Hole,
        drop_one,
    ),
    (
        "the last message is dropped for one listener",
        Rule::Stuck,
        drop_last,
    ),
    ("a message comes twice", Rule::Order, double_one),
    ("two messages change places", Rule::Order, swap_two),
    ("a text is altered", Rule::Phantom, alter_text),
    (
        "a message comes under another name",
        Rule::Phantom,
        alter_username,
    ),
    (
        "two messages change numbers for one listener",
        Rule::Disagreement,
        exchange_numbers,
    ),
    ("a gap ends one too late", Rule::Hole, |record, dice| {
        move_gap(record, dice, 0, 1, 1)
    }),
    ("a gap begins one too early", Rule::Hole, |record, dice| {
        move_gap(record, dice, -1, 0, 1)
    }),
    ("a gap ends one too early", Rule::Hole, |record, dice| {
        move_gap(record, dice, 0, -1, -1)
    }),
    ("a gap counts one too many", Rule::Hole, |record, dice| {
        move_gap(record, dice, 0, 0, 1)
    }),
    ("a gap is not told", Rule::Hole, drop_gap),
    ("a two-field gap is not told", Rule::Hole, drop_skipped),
    (
        "a two-field gap counts one too few",
        Rule::Hole,
        shrink_skipped,
    ),
    ("an ack has the next number", Rule::Lost, move_ack),
    ("an acknowledged message is nowhere", Rule::Lost, lose_head),
    ("a refused message is heard", Rule::Refused, refuse_one),
    ("a retry is numbered again", Rule::Twice, number_again),
    (
        "a message overtakes an earlier ack",
        Rule::RealTime,
        send_later,
    ),
    (
        "two messages of one client change places",
        Rule::SendOrder,
        send_in_other_order,
    ),
    (
        "two acks of one client change places",
        Rule::SendOrder,
        ack_in_other_order,
    ),
    (
        "a join begins below what was known",
        Rule::StaleHead,
        join_later,
    ),
    ("a line is torn", Rule::Framing, tear_line),
    ("something follows bye", Rule::Framing, talk_after_bye),
    (
        "a message follows parted",
        Rule::Uninvited,
        talk_after_parted,
    ),
    ("the log has a hole", Rule::Witness, gap_in_the_log),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_record_keeps_every_rule_and_each_mutant_trips_its_own(
        seed: u64,
        which in 0..MUTANTS.len(),
    ) {
        let mut record = golden::record(seed);
        let broken = check(&record);
        prop_assert!(broken.is_empty(), "{broken:?}");
        let (name, rule, spoil) = MUTANTS[which];
        if spoil(&mut record, &mut Dice::new(seed)) {
            let tripped: BTreeSet<Rule> = check(&record).iter().map(|found| found.rule).collect();
            prop_assert_eq!(tripped, BTreeSet::from([rule]), "{}: {:?}", name, check(&record));
        }
    }
}

/// A mutant that never finds an occasion proves nothing.
#[test]
fn every_mutant_finds_an_occasion() {
    let mut occasions: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..30 {
        let good = golden::record(seed);
        let there_is = tally(&good);
        assert!(
            there_is.heard > 100 && there_is.acks > 20 && there_is.logged > 40,
            "{there_is:?}"
        );
        for (name, _, spoil) in MUTANTS {
            let found = spoil(&mut good.clone(), &mut Dice::new(seed));
            *occasions.entry(name).or_default() += usize::from(found);
        }
    }
    let rare: Vec<_> = occasions.iter().filter(|(_, found)| **found < 3).collect();
    assert!(rare.is_empty(), "{rare:?}");
}

/// One of all places (log, entry) where these clients have such an event.
fn place(
    record: &Record,
    dice: &mut Dice,
    fits: impl Fn(&Log, usize, &Event) -> bool,
) -> Option<(usize, usize)> {
    let logs = record.clients.iter().enumerate();
    let places: Vec<(usize, usize)> = logs
        .flat_map(|(who, log)| (0..log.entries.len()).map(move |at| (who, at)))
        .filter(|&(who, at)| {
            let log = &record.clients[who];
            fits(log, at, &log.entries[at].event)
        })
        .collect();
    dice.pick(&places).copied()
}

fn is_heard(event: &Event) -> bool {
    matches!(event, Event::Heard { .. })
}

/// The room and number of a message that a full client heard.
fn heard_at(event: &Event) -> Option<(&str, u64)> {
    match event {
        Event::Heard {
            room,
            seq: Some(seq),
            ..
        } => Some((room, *seq)),
        _ => None,
    }
}

fn room_of(event: &Event) -> Option<&str> {
    match event {
        Event::Heard { room, .. }
        | Event::Gap { room, .. }
        | Event::Skipped { room, .. }
        | Event::Joined { room, .. }
        | Event::Parted { room } => Some(room),
        _ => None,
    }
}

/// The next entry of the same stay in the same room that is heard or gapped.
fn next_in_stay(log: &Log, at: usize) -> Option<usize> {
    let room = room_of(&log.entries[at].event)?;
    let next = (at + 1..log.entries.len())
        .find(|next| room_of(&log.entries[*next].event) == Some(room))?;
    let ends = matches!(
        log.entries[next].event,
        Event::Joined { .. } | Event::Parted { .. }
    );
    (!ends).then_some(next)
}

/// The last stay in the room lasts to the quiet end.
fn stays(log: &Log, at: usize) -> bool {
    let room = room_of(&log.entries[at].event);
    !log.entries[at..]
        .iter()
        .any(|entry| matches!(entry.event, Event::Parted { .. }) && room_of(&entry.event) == room)
}

fn drop_one(record: &mut Record, dice: &mut Dice) -> bool {
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

fn drop_last(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        heard_at(event).is_some() && stays(log, at) && next_in_stay(log, at).is_none()
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

fn double_one(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let again = record.clients[who].entries[at].clone();
    record.clients[who].entries.insert(at + 1, again);
    true
}

fn swap_two(record: &mut Record, dice: &mut Dice) -> bool {
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

fn alter_text(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let Event::Heard { text, .. } = &mut record.clients[who].entries[at].event else {
        return false;
    };
    text.push('!');
    true
}

fn alter_username(record: &mut Record, dice: &mut Dice) -> bool {
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

fn exchange_numbers(record: &mut Record, dice: &mut Dice) -> bool {
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

fn move_gap(record: &mut Record, dice: &mut Dice, from: i64, to: i64, count: i64) -> bool {
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

fn drop_gap(record: &mut Record, dice: &mut Dice) -> bool {
    let fits = |log: &Log, at: usize, event: &Event| {
        matches!(event, Event::Gap { .. }) && next_in_stay(log, at).is_some()
    };
    let Some((who, at)) = place(record, dice, fits) else {
        return false;
    };
    record.clients[who].entries.remove(at);
    true
}

fn drop_skipped(record: &mut Record, dice: &mut Dice) -> bool {
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

fn shrink_skipped(record: &mut Record, dice: &mut Dice) -> bool {
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

fn move_ack(record: &mut Record, dice: &mut Dice) -> bool {
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
fn lose_head(record: &mut Record, _: &mut Dice) -> bool {
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

fn refuse_one(record: &mut Record, dice: &mut Dice) -> bool {
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
fn number_again(record: &mut Record, dice: &mut Dice) -> bool {
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

fn send_later(record: &mut Record, dice: &mut Dice) -> bool {
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

fn send_in_other_order(record: &mut Record, dice: &mut Dice) -> bool {
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

fn ack_in_other_order(record: &mut Record, dice: &mut Dice) -> bool {
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

fn join_later(record: &mut Record, dice: &mut Dice) -> bool {
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

fn tear_line(record: &mut Record, dice: &mut Dice) -> bool {
    let Some((who, at)) = place(record, dice, |_, _, event| is_heard(event)) else {
        return false;
    };
    let torn = Event::Garbled("{\"type\":\"mess".to_owned());
    record.clients[who]
        .entries
        .insert(at, Entry { at: 0, event: torn });
    true
}

fn talk_after_bye(record: &mut Record, dice: &mut Dice) -> bool {
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

fn talk_after_parted(record: &mut Record, dice: &mut Dice) -> bool {
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

/// A number that nobody but the late reader was to hear.
fn gap_in_the_log(record: &mut Record, dice: &mut Dice) -> bool {
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
