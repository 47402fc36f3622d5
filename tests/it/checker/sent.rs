//! What was sent, and what became of it.

use std::collections::{HashMap, HashSet};

use super::log::{Event, Record, id_of};
use super::rules::{Findings, Rule};
use super::witness::Witness;

/// Everything that anybody tried to say.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    by_id: HashMap<String, Attempt>,
    refused: HashSet<String>,
}

#[derive(Debug)]
struct Attempt {
    username: String,
    room: String,
    text: String,
    first_at: u64,
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
                        };
                        sent.by_id
                            .entry(id_of(text).to_owned())
                            .or_insert_with(attempt);
                    }
                    Event::Refused { id, .. } => {
                        sent.refused.insert(id.clone());
                    }
                    _ => {}
                }
            }
        }
        sent
    }

    /// Whether this is what was sent.
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
        if (
            attempt.room.as_str(),
            attempt.username.as_str(),
            attempt.text.as_str(),
        ) != (room, username, text)
        {
            let heard = format!("{room} <{username}> {text}");
            findings.add(
                Rule::Phantom,
                format!("{who}: {heard:?} is not what {attempt:?} was"),
            );
        }
    }

    /// The rules about messages, each of them once.
    pub(crate) fn check(&self, record: &Record, witness: &Witness, findings: &mut Findings) {
        for (room, id, username, text) in witness.lines() {
            self.check_heard("the log", room, username, text, findings);
            if self.refused.contains(id) {
                findings.add(Rule::Refused, format!("{id} was refused and is in the log"));
            }
        }
        self.check_acks(record, witness, findings);
        self.check_send_order(record, witness, findings);
        self.check_real_time(record, witness, findings);
    }

    fn check_acks(&self, record: &Record, witness: &Witness, findings: &mut Findings) {
        for log in &record.clients {
            for entry in &log.entries {
                let Event::Ack { id, room, at } = &entry.event else {
                    continue;
                };
                if witness.seq(room, id) != Some(at.seq) || witness.epoch(room) != at.epoch {
                    let there = witness.seq(room, id);
                    let story = format!("{id} was acknowledged as {at:?} and is at {there:?}");
                    findings.add(Rule::Lost, story);
                }
            }
        }
    }

    /// Numbers rise in the order of sending, for each client and room; acks come in that order.
    fn check_send_order(&self, record: &Record, witness: &Witness, findings: &mut Findings) {
        for log in &record.clients {
            let mut last: HashMap<&str, u64> = HashMap::new();
            let mut seen = HashSet::new();
            let mut order = HashMap::new();
            let mut last_acked = None;
            for entry in &log.entries {
                match &entry.event {
                    Event::Send { room, text } if seen.insert(id_of(text)) => {
                        order.insert(id_of(text), order.len());
                        let Some(seq) = witness.seq(room, id_of(text)) else {
                            continue;
                        };
                        if last.insert(room, seq).is_some_and(|last| last > seq) {
                            let story = format!("{} of {} overtook", id_of(text), log.username);
                            findings.add(Rule::SendOrder, story);
                        }
                    }
                    Event::Connected => last_acked = None,
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
    }

    /// Real time orders what it can: acks before sends, known numbers before joins.
    fn check_real_time(&self, record: &Record, witness: &Witness, findings: &mut Findings) {
        let mut acked = Known::default();
        let mut known = Known::default();
        for entry in record.clients.iter().flat_map(|log| &log.entries) {
            match &entry.event {
                Event::Ack { id, room, .. } => {
                    if let Some(seq) = witness.seq(room, id) {
                        acked.note(room, entry.at, seq);
                        known.note(room, entry.at, seq);
                    }
                }
                Event::Heard {
                    room,
                    seq: Some(seq),
                    ..
                } => known.note(room, entry.at, *seq),
                _ => {}
            }
        }
        acked.settle();
        known.settle();
        for (id, attempt) in &self.by_id {
            let Some(seq) = witness.seq(&attempt.room, id) else {
                continue;
            };
            let before = acked.before(&attempt.room, attempt.first_at);
            if before >= seq {
                let story = format!("{id} is {seq}, sent after {before} was acknowledged");
                findings.add(Rule::RealTime, story);
            }
        }
        check_heads(record, &known, findings);
    }
}

/// A join that was asked for when a number was known answers with that number or a higher one.
fn check_heads(record: &Record, known: &Known, findings: &mut Findings) {
    for log in record.clients.iter().chain([&record.witness]) {
        let mut asked: HashMap<&str, Vec<u64>> = HashMap::new();
        for entry in &log.entries {
            match &entry.event {
                Event::Joining { room, .. } => asked.entry(room).or_default().push(entry.at),
                Event::Connected => asked.clear(),
                Event::Joined { room, head, .. } => {
                    let asked = asked.entry(room).or_default();
                    let Some(at) = (!asked.is_empty()).then(|| asked.remove(0)) else {
                        continue;
                    };
                    let before = known.before(room, at);
                    if head.seq < before {
                        let (who, head) = (&log.username, head.seq);
                        let story = format!("{who} joined {room} at {head}, {before} was known");
                        findings.add(Rule::StaleHead, story);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The highest number of each room that anybody knew at a time.
#[derive(Default)]
struct Known(HashMap<String, Vec<(u64, u64)>>);

impl Known {
    fn note(&mut self, room: &str, at: u64, seq: u64) {
        match self.0.get_mut(room) {
            Some(known) => known.push((at, seq)),
            None => {
                self.0.insert(room.to_owned(), vec![(at, seq)]);
            }
        }
    }

    fn settle(&mut self) {
        for known in self.0.values_mut() {
            known.sort_unstable();
            let mut highest = 0;
            for (_, seq) in known {
                highest = highest.max(*seq);
                *seq = highest;
            }
        }
    }

    fn before(&self, room: &str, at: u64) -> u64 {
        let Some(known) = self.0.get(room) else {
            return 0;
        };
        let place = known.partition_point(|(known_at, _)| *known_at < at);
        place.checked_sub(1).map_or(0, |place| known[place].1)
    }
}
