//! One two-field client: it hears no numbers, but each text stands in a log under one.

use std::collections::{HashMap, HashSet};

use super::ledger::Ledger;
use super::log::{Entry, Event, Log, id_of};
use super::rules::{Findings, Rule};
use super::sent::Sent;

/// What a client of one connection heard of one room.
struct Stream<'a> {
    who: &'a str,
    room: &'a str,
    /// The numbering that it heard: that in which most of its texts stand.
    epoch: &'a str,
    ledger: &'a Ledger,
    own: &'a HashSet<&'a str>,
    last: Option<u64>,
    skipped: u64,
    heard: HashSet<u64>,
    /// Runs of numbers that were passed over, and how many the server said it skipped there.
    runs: Vec<(u64, u64, u64)>,
}

/// Reads one log.
pub(crate) fn check(log: &Log, ledger: &Ledger, sent: &Sent, findings: &mut Findings) {
    let who = log.username.as_str();
    let own: HashSet<&str> = log.entries.iter().filter_map(own).collect();
    for entry in &log.entries {
        if let Event::Heard {
            room,
            username,
            text,
            ..
        } = &entry.event
        {
            sent.check_heard(who, room, username, text, findings);
        }
    }
    let is_begin = |entry: &Entry| matches!(entry.event, Event::Connected { .. });
    let mut begins: Vec<usize> = (0..log.entries.len())
        .filter(|at| is_begin(&log.entries[*at]))
        .collect();
    begins.push(log.entries.len());
    for bounds in begins.windows(2) {
        connection(
            who,
            &log.entries[bounds[0]..bounds[1]],
            ledger,
            &own,
            findings,
        );
    }
}

fn own(entry: &Entry) -> Option<&str> {
    match &entry.event {
        Event::Send { text, .. } => Some(id_of(text)),
        _ => None,
    }
}

fn connection(
    who: &str,
    entries: &[Entry],
    ledger: &Ledger,
    own: &HashSet<&str>,
    findings: &mut Findings,
) {
    let mut streams: HashMap<&str, Stream<'_>> = HashMap::new();
    let stream = |room| Stream {
        who,
        room,
        epoch: epoch_heard(room, entries, ledger),
        ledger,
        own,
        last: None,
        skipped: 0,
        heard: HashSet::new(),
        runs: Vec::new(),
    };
    for entry in entries {
        match &entry.event {
            Event::Heard { room, text, .. } => {
                let stream = streams.entry(room).or_insert_with(|| stream(room));
                if let Some(seq) = ledger.seq(room, stream.epoch, id_of(text)) {
                    stream.hear(seq, findings);
                }
            }
            Event::Skipped { room, count } => {
                let stream = streams.entry(room).or_insert_with(|| stream(room));
                stream.skipped += count;
            }
            _ => {}
        }
    }
    let is_open = !entries
        .iter()
        .any(|entry| matches!(entry.event, Event::Closed | Event::Bye { .. }));
    for mut stream in streams.into_values() {
        if is_open && ledger.is_last(stream.room, stream.epoch) {
            stream.reaches_the_end(findings);
        }
        stream.judge(findings);
    }
}

/// Among the numberings of the room in that life of the daemon: that in which most of what the
/// client heard stands.
fn epoch_heard<'a>(room: &str, entries: &'a [Entry], ledger: &'a Ledger) -> &'a str {
    let mut votes: HashMap<&str, usize> = HashMap::new();
    let mut life = 0;
    for entry in entries {
        match &entry.event {
            Event::Connected { life: now } => life = *now,
            Event::Heard { room: of, text, .. } if of == room => {
                for (epoch, _) in ledger.places(room, id_of(text)) {
                    if ledger.was_in(room, epoch, life) {
                        *votes.entry(epoch).or_default() += 1;
                    }
                }
            }
            _ => {}
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    most.map_or("", |(epoch, _)| epoch)
}

impl Stream<'_> {
    fn hear(&mut self, seq: u64, findings: &mut Findings) {
        match self.last {
            Some(last) if seq <= last => {
                let (who, room) = (self.who, self.room);
                findings.add(Rule::Order, format!("{who}: {room} {seq} after {last}"));
            }
            last => {
                if let Some(last) = last {
                    self.runs.push((last + 1, seq, self.skipped));
                }
                self.skipped = 0;
                self.last = Some(seq);
            }
        }
        self.heard.insert(seq);
    }

    /// Who stays hears, or hears of, everything that others said up to the head.
    fn reaches_the_end(&mut self, findings: &mut Findings) {
        let Some(last) = self.last else { return };
        let head = self.ledger.head(self.room);
        if self.others(last + 1, head + 1) > 0 && self.skipped == 0 {
            let (who, room) = (self.who, self.room);
            let story = format!("{who} stayed in {room} to {head} and heard {last}");
            findings.add(Rule::Stuck, story);
        } else {
            self.runs.push((last + 1, head + 1, self.skipped));
        }
    }

    /// A gap may count the client's own messages, which it would not have heard anyway.
    fn judge(&self, findings: &mut Findings) {
        for &(from, to, skipped) in &self.runs {
            let missed = self.others(from, to);
            let all = (from..to).filter(|seq| !self.heard.contains(seq)).count() as u64;
            if !(missed..=all).contains(&skipped) {
                let (who, room) = (self.who, self.room);
                let story =
                    format!("{who}: {room} {from}..{to}, {missed} unheard and {skipped} announced");
                findings.add(Rule::Hole, story);
            }
        }
    }

    /// How many numbers in `from..to` are others' and were never heard. In a numbering that history
    /// does not show, an unknown number may have been the client's own.
    fn others(&self, from: u64, to: u64) -> u64 {
        let unheard = (from..to).filter(|seq| !self.heard.contains(seq));
        let is_others = |seq: &u64| {
            let line = self.ledger.line(self.room, self.epoch, *seq);
            line.map_or(self.ledger.is_last(self.room, self.epoch), |line| {
                !self.own.contains(line.id.as_str())
            })
        };
        unheard.filter(is_others).count() as u64
    }
}
