//! The judge is judged: each way to spoil a good record trips exactly its rule.

mod gaps;
mod heard;
mod history;
mod private;
mod run;
mod sent;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::golden;
use super::log::{Entry, Event, Log, Record, id_of};
use super::rules::{Rule, check, tally};
use crate::dice::Dice;

/// Spoils a record; false if this record gives no occasion for it.
type Spoil = fn(&mut Record, &mut Dice) -> bool;

const MUTANTS: &[(&str, Rule, Spoil)] = &[
    (
        "a message is dropped for one listener",
        Rule::Hole,
        heard::drop_one,
    ),
    (
        "the last message is dropped for one listener",
        Rule::Stuck,
        heard::drop_last,
    ),
    ("a message comes twice", Rule::Order, heard::double_one),
    ("two messages change places", Rule::Order, heard::swap_two),
    ("a text is altered", Rule::Phantom, heard::alter_text),
    (
        "a message comes under another name",
        Rule::Spoof,
        heard::alter_username,
    ),
    (
        "two messages change numbers for one listener",
        Rule::Disagreement,
        heard::exchange_numbers,
    ),
    ("a gap ends one too late", Rule::Hole, |record, dice| {
        gaps::move_gap(record, dice, 0, 1, 1)
    }),
    ("a gap begins one too early", Rule::Hole, |record, dice| {
        gaps::move_gap(record, dice, -1, 0, 1)
    }),
    ("a gap ends one too early", Rule::Hole, |record, dice| {
        gaps::move_gap(record, dice, 0, -1, -1)
    }),
    ("a gap counts one too many", Rule::Hole, |record, dice| {
        gaps::move_gap(record, dice, 0, 0, 1)
    }),
    ("a gap is not told", Rule::Hole, gaps::drop_gap),
    (
        "a two-field gap is not told",
        Rule::Hole,
        gaps::drop_skipped,
    ),
    (
        "a two-field gap counts one too few",
        Rule::Hole,
        gaps::shrink_skipped,
    ),
    ("an ack has the next number", Rule::Lost, sent::move_ack),
    (
        "an acknowledged message is nowhere",
        Rule::Lost,
        sent::lose_head,
    ),
    (
        "a refused message is heard",
        Rule::Refused,
        sent::refuse_one,
    ),
    ("a retry is numbered again", Rule::Twice, sent::number_again),
    (
        "a message overtakes an earlier ack",
        Rule::RealTime,
        sent::send_later,
    ),
    (
        "two messages of one client change places",
        Rule::SendOrder,
        sent::send_in_other_order,
    ),
    (
        "two acks of one client change places",
        Rule::SendOrder,
        sent::ack_in_other_order,
    ),
    (
        "a join begins below what was known",
        Rule::StaleHead,
        sent::join_later,
    ),
    ("a line cannot be read", Rule::Framing, heard::tear_line),
    (
        "a living daemon cuts a line off",
        Rule::Framing,
        heard::cut_line,
    ),
    (
        "something follows bye",
        Rule::Framing,
        heard::talk_after_bye,
    ),
    (
        "a message follows parted",
        Rule::Uninvited,
        heard::talk_after_parted,
    ),
    ("the log has a hole", Rule::Witness, gaps::gap_in_the_log),
    (
        "a new numbering is not announced",
        Rule::Hole,
        gaps::hide_epoch_change,
    ),
    (
        "a new numbering that nobody asked for",
        Rule::Hole,
        gaps::invent_epoch_change,
    ),
    (
        "a numbering that was to last is another one for a while",
        Rule::Disagreement,
        heard::other_epoch,
    ),
    (
        "two messages change numbers in a numbering that is over",
        Rule::Disagreement,
        heard::exchange_numbers_long_ago,
    ),
    ("a page has a hole", Rule::Witness, history::hole_in_page),
    (
        "a page is longer than asked",
        Rule::Witness,
        history::long_page,
    ),
    (
        "a page begins one too late",
        Rule::Witness,
        history::late_page,
    ),
    (
        "a page ends below what was known",
        Rule::StaleHead,
        history::stale_page,
    ),
    (
        "a page shows another message",
        Rule::Disagreement,
        history::other_line,
    ),
    (
        "history ends too early for who reads its pages",
        Rule::Witness,
        history::short_history,
    ),
    (
        "the file has another text",
        Rule::Witness,
        history::other_row_text,
    ),
    (
        "the file has another author",
        Rule::Witness,
        history::other_row_author,
    ),
    ("the file lost a message", Rule::Witness, history::lose_row),
    (
        "the file has one message more",
        Rule::Witness,
        history::add_row,
    ),
    (
        "two messages change numbers in the file",
        Rule::Witness,
        history::swap_rows,
    ),
    (
        "a private message comes twice",
        Rule::Twice,
        private::double,
    ),
    (
        "a private message is altered",
        Rule::Phantom,
        private::alter,
    ),
    (
        "a private message comes under another name",
        Rule::Spoof,
        private::rename,
    ),
    (
        "a refused private message is heard",
        Rule::Refused,
        private::refuse,
    ),
    (
        "a private message in somebody's outbox is never heard",
        Rule::Lost,
        private::lose,
    ),
    (
        "fewer are numbered than acknowledged",
        Rule::Counters,
        run::too_few,
    ),
    (
        "more are numbered than tried",
        Rule::Counters,
        run::too_many,
    ),
    (
        "fewer are counted as gapped than were told",
        Rule::Counters,
        run::too_few_gapped,
    ),
    (
        "more are counted as gapped than were told",
        Rule::Counters,
        run::too_many_gapped,
    ),
    ("a life ends in an abort", Rule::Died, run::abort),
    ("a thread panics", Rule::Died, run::panic),
    ("no fault was had", Rule::Vacuous, run::no_fault),
    ("too few acks", Rule::Vacuous, run::few_acks),
    ("no history was read", Rule::Vacuous, run::few_pages),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

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
    for seed in 0..60 {
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

/// Whether history shows the numbering that this client heard there: of one that is over, nobody
/// can tell what is missing from it.
fn is_settled(record: &Record, log: &Log, at: usize) -> bool {
    let lasts = record.durability.outlives_the_daemon();
    lasts
        || !log.entries[at..]
            .iter()
            .any(|entry| matches!(entry.event, Event::Connected { .. }))
}

/// Whether one life of the daemon saw everything, or its numberings outlive it.
fn is_one_numbering(record: &Record) -> bool {
    record.durability.outlives_the_daemon() || record.lives.len() == 1
}

/// The ids and numbers that history shows by joining, with the room of each.
fn logged(record: &Record) -> BTreeMap<String, (String, u64)> {
    let mut logged = BTreeMap::new();
    for entry in &record.witness.entries {
        match &entry.event {
            Event::Heard {
                room,
                seq: Some(seq),
                text,
                ..
            } => {
                logged.insert(id_of(text).to_owned(), (room.clone(), *seq));
            }
            Event::Page { room, lines, .. } => {
                for line in lines {
                    logged.insert(id_of(&line.text).to_owned(), (room.clone(), line.seq));
                }
            }
            _ => {}
        }
    }
    logged
}

/// Whether the late reader heard the rooms from their first numbers.
fn is_replayed(record: &Record) -> bool {
    record
        .witness
        .entries
        .iter()
        .any(|entry| is_heard(&entry.event))
}

/// Whether the late reader read pages.
fn is_paged(record: &Record) -> bool {
    let is_page = |entry: &Entry| matches!(entry.event, Event::Page { .. });
    record.witness.entries.iter().any(is_page)
}

/// One of all places (log, entry) where these clients have such an event, in a numbering that
/// history shows.
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
            is_settled(record, log, at) && fits(log, at, &log.entries[at].event)
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
    let is_it = |entry: &Entry| room_of(&entry.event) == Some(room) || ends_all(&entry.event);
    let next = (at + 1..log.entries.len()).find(|next| is_it(&log.entries[*next]))?;
    let event = &log.entries[next].event;
    let ends = matches!(event, Event::Joined { .. } | Event::Parted { .. }) || ends_all(event);
    (!ends).then_some(next)
}

/// What the same connection last heard of the same room.
fn before(log: &Log, at: usize) -> Option<&Event> {
    let room = room_of(&log.entries[at].event)?;
    let events = log.entries[..at].iter().rev().map(|entry| &entry.event);
    events
        .take_while(|event| !ends_all(event))
        .find(|event| room_of(event) == Some(room))
}

fn ends_all(event: &Event) -> bool {
    matches!(event, Event::Connected { .. } | Event::Closed)
}

/// The last stay in the room lasts to the quiet end.
fn stays(log: &Log, at: usize) -> bool {
    let room = room_of(&log.entries[at].event);
    !log.entries[at..].iter().any(|entry| {
        ends_all(&entry.event)
            || matches!(entry.event, Event::Parted { .. }) && room_of(&entry.event) == room
    })
}
