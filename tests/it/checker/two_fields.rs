//! One two-field client: it hears no numbers, but each text stands in the log under one.

use std::collections::{HashMap, HashSet};

use super::log::{Event, Log, id_of};
use super::rules::{Findings, Rule};
use super::sent::Sent;
use super::witness::Witness;

/// What it heard of one room so far.
#[derive(Default)]
struct Stream {
    last: Option<u64>,
    skipped: u64,
    heard: HashSet<u64>,
    /// Runs of numbers that were passed over, and how many the server said it skipped there.
    runs: Vec<(u64, u64, u64)>,
}

/// Reads one log.
pub(crate) fn check(log: &Log, witness: &Witness, sent: &Sent, findings: &mut Findings) {
    let who = log.username.as_str();
    let mut own: HashSet<&str> = HashSet::new();
    let mut streams: HashMap<&str, Stream> = HashMap::new();
    let mut is_open = true;
    for entry in &log.entries {
        match &entry.event {
            Event::Send { text, .. } => {
                own.insert(id_of(text));
            }
            Event::Heard {
                room,
                username,
                text,
                ..
            } => {
                sent.check_heard(who, room, username, text, findings);
                let Some(seq) = witness.seq(room, id_of(text)) else {
                    continue;
                };
                streams
                    .entry(room)
                    .or_default()
                    .hear(who, room, seq, findings);
            }
            Event::Skipped { room, count } => streams.entry(room).or_default().skipped += count,
            Event::Closed => is_open = false,
            _ => {}
        }
    }
    for (room, mut stream) in streams {
        if is_open {
            stream.reaches_the_end(who, room, witness, &own, findings);
        }
        stream.judge(who, room, witness, &own, findings);
    }
}

impl Stream {
    fn hear(&mut self, who: &str, room: &str, seq: u64, findings: &mut Findings) {
        match self.last {
            Some(last) if seq <= last => {
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
    fn reaches_the_end(
        &mut self,
        who: &str,
        room: &str,
        witness: &Witness,
        own: &HashSet<&str>,
        findings: &mut Findings,
    ) {
        let Some(last) = self.last else { return };
        let head = witness.head(room);
        let unheard = others(room, last + 1, head + 1, witness, own, &self.heard);
        if unheard > 0 && self.skipped == 0 {
            findings.add(
                Rule::Stuck,
                format!("{who} stayed in {room} to {head} and heard {last}"),
            );
        } else {
            self.runs.push((last + 1, head + 1, self.skipped));
        }
    }

    /// A gap may count the client's own messages, which it would not have heard anyway.
    fn judge(
        &self,
        who: &str,
        room: &str,
        witness: &Witness,
        own: &HashSet<&str>,
        findings: &mut Findings,
    ) {
        for &(from, to, skipped) in &self.runs {
            let missed = others(room, from, to, witness, own, &self.heard);
            let all = (from..to).filter(|seq| !self.heard.contains(seq)).count() as u64;
            if !(missed..=all).contains(&skipped) {
                let story =
                    format!("{who}: {room} {from}..{to}, {missed} unheard and {skipped} announced");
                findings.add(Rule::Hole, story);
            }
        }
    }
}

/// How many numbers in `from..to` are others' and were never heard.
fn others(
    room: &str,
    from: u64,
    to: u64,
    witness: &Witness,
    own: &HashSet<&str>,
    heard: &HashSet<u64>,
) -> u64 {
    let unheard = (from..to).filter(|seq| !heard.contains(seq));
    unheard
        .filter(|seq| witness.id(room, *seq).is_none_or(|id| !own.contains(id)))
        .count() as u64
}
