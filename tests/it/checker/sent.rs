//! What was sent, and what became of it.

use std::collections::{HashMap, HashSet};

use super::ledger::{Epochs, Ledger};
use super::log::{Event, Log, Record, id_of};
use super::rules::{Findings, Rule};

/// Everything that anybody tried to say in a room.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    by_id: HashMap<String, Attempt>,
}

#[derive(Debug)]
struct Attempt {
    username: String,
    room: String,
    text: String,
    first_at: u64,
    /// How often it was tried, and how often it was refused.
    tries: usize,
    refusals: usize,
}

impl Sent {
    /// Collects the attempts of all clients.
    pub(crate) fn of(record: &Record) -> Self {
        let mut sent = Self::default();
        for log in &record.clients {
            for entry in &log.entries {
                match &entry.event {
                    Event::Send { room, text } => {
                        let attempt = || Attempt {
                            username: log.username.clone(),
                            room: room.clone(),
                            text: text.clone(),
                            first_at: entry.at,
                            tries: 0,
                            refusals: 0,
                        };
                        sent.by_id
                            .entry(id_of(text).to_owned())
                            .or_insert_with(attempt)
                            .tries += 1;
                    }
                    Event::Refused { id, .. } => {
                        if let Some(attempt) = sent.by_id.get_mut(id) {
                            attempt.refusals += 1;
                        }
                    }
                    _ => {}
                }
            }
        }
        sent
    }

    /// How many messages were tried, however often each.
    pub(crate) fn attempts(&self) -> usize {
        self.by_id.len()
    }

    /// Whether every try was refused. One that was never answered may have gone through.
    fn was_refused(&self, id: &str) -> bool {
        let attempt = self.by_id.get(id);
        attempt.is_some_and(|attempt| attempt.refusals >= attempt.tries)
    }

    /// Whether this is what was sent, by that name.
    pub(crate) fn check_heard(
        &self,
        who: &str,
        room: &str,
        username: &str,
        text: &str,
        findings: &mut Findings,
    ) {
        let id = id_of(text);
        let Some(attempt) = self.by_id.get(id) else {
            return findings.add(Rule::Phantom, format!("{who}: nobody sent {id}"));
        };
        if (attempt.room.as_str(), attempt.text.as_str()) != (room, text) {
            let story = format!("{who}: {text:?} in {room} is not what {attempt:?} was");
            findings.add(Rule::Phantom, story);
        }
        if attempt.username != username {
            let story = format!("{who}: {username} is said to have sent {attempt:?}");
            findings.add(Rule::Spoof, story);
        }
    }

    /// The rules about messages, each of them once.
    pub(crate) fn check(&self, record: &Record, ledger: &Ledger, findings: &mut Findings) {
        for (room, line) in ledger.lines() {
            self.check_heard("the log", room, &line.username, &line.text, findings);
            if self.was_refused(&line.id) {
                let story = format!("{} was refused and is in the log", line.id);
                findings.add(Rule::Refused, story);
            }
        }
        for log in &record.clients {
            check_acks(log, record, ledger, findings);
            check_send_order(log, ledger, findings);
            check_ack_order(log, findings);
        }
        self.check_real_time(record, ledger, findings);
    }

    /// Real time orders what it can: acks before sends, known numbers before joins and pages.
    fn check_real_time(&self, record: &Record, ledger: &Ledger, findings: &mut Findings) {
        let (acked, known) = Known::of(record, ledger);
        for (id, attempt) in &self.by_id {
            for (epoch, seq) in ledger.places(&attempt.room, id) {
                let before = acked.before(&attempt.room, epoch, attempt.first_at);
                if before >= seq {
                    let story = format!("{id} is {seq}, sent after {before} was acknowledged");
                    findings.add(Rule::RealTime, story);
                }
            }
        }
        for log in record.clients.iter().chain([&record.witness]) {
            check_heads(log, &known, findings);
        }
    }
}

/// What was acknowledged is in history, at that number, and in the store's file if there is one. It
/// may be lost only with a numbering that was promised to nobody.
fn check_acks(log: &Log, record: &Record, ledger: &Ledger, findings: &mut Findings) {
    for entry in &log.entries {
        let Event::Ack { id, room, at } = &entry.event else {
            continue;
        };
        let there = ledger.seq(room, &at.epoch, id);
        if ledger.is_last(room, &at.epoch) || record.durability.outlives_the_daemon() {
            let was_kept = at.seq >= ledger.first(room) || !ledger.is_last(room, &at.epoch);
            if was_kept && there != Some(at.seq) {
                let story = format!("{id} was acknowledged as {at:?} and is at {there:?}");
                findings.add(Rule::Lost, story);
            }
            continue;
        }
        let line = ledger.line(room, &at.epoch, at.seq);
        if line.is_some_and(|line| line.id != *id) || there.is_some_and(|seq| seq != at.seq) {
            let story = format!("{id} was acknowledged as {at:?} and heard as {there:?}: {line:?}");
            findings.add(Rule::Disagreement, story);
        }
    }
}

/// Numbers rise in the order of sending, for each client and numbering.
fn check_send_order(log: &Log, ledger: &Ledger, findings: &mut Findings) {
    let mut last: HashMap<(&str, &str), u64> = HashMap::new();
    let mut seen = HashSet::new();
    for entry in &log.entries {
        let Event::Send { room, text } = &entry.event else {
            continue;
        };
        if !seen.insert(id_of(text)) {
            continue;
        }
        for (epoch, seq) in ledger.places(room, id_of(text)) {
            if last
                .insert((room, epoch), seq)
                .is_some_and(|last| last > seq)
            {
                let story = format!("{} of {} overtook", id_of(text), log.username);
                findings.add(Rule::SendOrder, story);
            }
        }
    }
}

/// Acks come in the order of sending, on each connection.
fn check_ack_order(log: &Log, findings: &mut Findings) {
    let mut order = HashMap::new();
    let mut last_acked = None;
    for entry in &log.entries {
        match &entry.event {
            Event::Send { text, .. } => {
                let next = order.len();
                order.entry(id_of(text)).or_insert(next);
            }
            Event::Connected { .. } => last_acked = None,
            Event::Ack { id, .. } => {
                let place = order.get(id.as_str()).copied();
                if place < last_acked {
                    findings.add(Rule::SendOrder, format!("the ack of {id} came late"));
                }
                last_acked = place;
            }
            _ => {}
        }
    }
}

/// A join or a page that was asked for when a number was known answers with it or a higher one.
fn check_heads(log: &Log, known: &Known, findings: &mut Findings) {
    let mut joining: HashMap<&str, Vec<u64>> = HashMap::new();
    let mut paging: HashMap<&str, Vec<(u64, bool)>> = HashMap::new();
    let mut answered = |asked: Option<u64>, room: &str, epoch: &str, head: u64| {
        let before = asked.map_or(0, |at| known.before(room, epoch, at));
        if head < before {
            let who = &log.username;
            let story = format!("{who} was told that {room} ends at {head}, {before} was known");
            findings.add(Rule::StaleHead, story);
        }
    };
    for entry in &log.entries {
        match &entry.event {
            Event::Joining { room, .. } => joining.entry(room).or_default().push(entry.at),
            Event::Paging { room, after, .. } => {
                let asked = (entry.at, after.is_none());
                paging.entry(room).or_default().push(asked);
            }
            Event::Connected { .. } => {
                joining.clear();
                paging.clear();
            }
            Event::Joined { room, head, .. } => {
                let asked = first(joining.get_mut(room.as_str()));
                answered(asked, room, &head.epoch, head.seq);
            }
            Event::Page {
                room,
                epoch,
                lines,
                more,
                ..
            } => {
                let asked = first(paging.get_mut(room.as_str()));
                let is_latest = asked.is_some_and(|(_, is_latest)| is_latest);
                // A page that ends before the head says so; one without lines has no end to judge.
                if let (true, Some(last)) = (is_latest || !*more, lines.last()) {
                    answered(asked.map(|(at, _)| at), room, epoch, last.seq);
                }
            }
            _ => {}
        }
    }
}

fn first<T>(asked: Option<&mut Vec<T>>) -> Option<T> {
    asked.and_then(|asked| (!asked.is_empty()).then(|| asked.remove(0)))
}

/// The highest number of each numbering that anybody knew at a time.
#[derive(Default)]
struct Known(HashMap<String, HashMap<String, Vec<(u64, u64)>>>);

impl Known {
    /// What was known from acks alone, and what from anything.
    fn of(record: &Record, ledger: &Ledger) -> (Self, Self) {
        let (mut acked, mut known) = (Self::default(), Self::default());
        for log in &record.clients {
            let mut epochs = Epochs::default();
            for entry in &log.entries {
                epochs.note(&entry.event);
                match &entry.event {
                    Event::Ack { id, room, at } => {
                        if let Some(seq) = ledger.seq(room, &at.epoch, id) {
                            acked.note(room, &at.epoch, entry.at, seq);
                            known.note(room, &at.epoch, entry.at, seq);
                        }
                    }
                    Event::Heard {
                        room,
                        seq: Some(seq),
                        ..
                    } => {
                        if let Some(epoch) = epochs.of(room) {
                            known.note(room, epoch, entry.at, *seq);
                        }
                    }
                    _ => {}
                }
            }
        }
        acked.settle();
        known.settle();
        (acked, known)
    }

    fn note(&mut self, room: &str, epoch: &str, at: u64, seq: u64) {
        if !self.0.contains_key(room) {
            self.0.insert(room.to_owned(), HashMap::new());
        }
        let Some(epochs) = self.0.get_mut(room) else {
            return;
        };
        match epochs.get_mut(epoch) {
            Some(known) => known.push((at, seq)),
            None => {
                epochs.insert(epoch.to_owned(), vec![(at, seq)]);
            }
        }
    }

    fn settle(&mut self) {
        for known in self.0.values_mut().flat_map(HashMap::values_mut) {
            known.sort_unstable();
            let mut highest = 0;
            for (_, seq) in known {
                highest = highest.max(*seq);
                *seq = highest;
            }
        }
    }

    fn before(&self, room: &str, epoch: &str, at: u64) -> u64 {
        let Some(known) = self.0.get(room).and_then(|epochs| epochs.get(epoch)) else {
            return 0;
        };
        let place = known.partition_point(|(known_at, _)| *known_at < at);
        place.checked_sub(1).map_or(0, |place| known[place].1)
    }
}
