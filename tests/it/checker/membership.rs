//! One full client's stay in one room: dense from its start, each number once or in one gap.

use std::collections::{BTreeSet, HashMap};

use super::ledger::Ledger;
use super::log::{Durability, Event, Log, Position};
use super::rules::{Findings, Rule};
use super::sent::Sent;

/// A stay in a room, while its log is read.
struct Membership<'a> {
    who: &'a str,
    room: &'a str,
    epoch: &'a str,
    /// The next number that must be heard or gapped.
    next: u64,
    /// It asked for a place in another numbering, and was not yet told that this is a new one.
    owes_epoch_changed: bool,
    /// Numbers passed over so far: they may still come, out of order.
    passed: BTreeSet<u64>,
    gaps: Vec<(u64, u64)>,
}

/// Reads one log.
pub(crate) fn check(
    log: &Log,
    durability: Durability,
    ledger: &Ledger,
    sent: &Sent,
    findings: &mut Findings,
) {
    let mut asked: HashMap<&str, Vec<Option<&Position>>> = HashMap::new();
    let mut rooms: HashMap<&str, Membership<'_>> = HashMap::new();
    let who = log.username.as_str();
    for entry in &log.entries {
        match &entry.event {
            Event::Joining { room, since } => asked.entry(room).or_default().push(since.as_ref()),
            Event::Joined { room, head, first } => {
                let asked = asked.entry(room).or_default();
                let since = (!asked.is_empty()).then(|| asked.remove(0)).flatten();
                if durability.outlives_the_daemon() && !ledger.is_last(room, &head.epoch) {
                    findings.add(
                        Rule::Disagreement,
                        format!("{who}: {room} had epoch {head:?}"),
                    );
                }
                rooms.insert(room, Membership::begin(who, room, since, head, *first));
            }
            Event::Heard {
                room,
                seq: Some(seq),
                id,
                username,
                text,
            } => {
                sent.check_heard(who, room, username, text, findings);
                if id.as_deref().is_some_and(|id| id != super::id_of(text)) {
                    findings.add(
                        Rule::Phantom,
                        format!("{who}: {room} {seq} is called {id:?}"),
                    );
                }
                match rooms.get_mut(room.as_str()) {
                    Some(membership) => membership.hear(*seq, text, ledger, findings),
                    None => findings.add(Rule::Uninvited, format!("{who} heard {room} {seq}")),
                }
            }
            Event::Gap {
                room,
                epoch,
                bounds,
                count,
            } => match rooms.get_mut(room.as_str()) {
                Some(membership) => membership.skip(epoch, *bounds, *count, ledger, findings),
                None => findings.add(Rule::Uninvited, format!("{who} has a gap of {room}")),
            },
            Event::Parted { room } => {
                if let Some(membership) = rooms.remove(room.as_str()) {
                    membership.end(findings);
                }
            }
            Event::Connected { .. } | Event::Closed => {
                asked.clear();
                rooms
                    .drain()
                    .for_each(|(_, membership)| membership.end(findings));
            }
            _ => {}
        }
    }
    for (_, membership) in rooms {
        membership.reaches_the_end(ledger, findings);
        membership.end(findings);
    }
}

impl<'a> Membership<'a> {
    fn begin(
        who: &'a str,
        room: &'a str,
        since: Option<&Position>,
        head: &'a Position,
        first: u64,
    ) -> Self {
        let continues = |since: &&Position| since.epoch == head.epoch && since.seq <= head.seq;
        let next = match since {
            None => head.seq + 1,
            Some(since) if continues(&since) => since.seq + 1,
            Some(_) => first,
        };
        Self {
            who,
            room,
            epoch: &head.epoch,
            next,
            owes_epoch_changed: since.is_some_and(|since| !continues(&since)),
            passed: BTreeSet::new(),
            gaps: Vec::new(),
        }
    }

    fn hear(&mut self, seq: u64, text: &str, ledger: &Ledger, findings: &mut Findings) {
        self.check_agreement(seq, text, ledger, findings);
        self.check_announced(findings);
        let (who, room, next) = (self.who, self.room, self.next);
        if seq >= next {
            self.passed.extend(next..seq);
            self.next = seq + 1;
        } else if self.is_gapped(seq) {
            let story = format!("{who}: {room} {seq} was gapped and is heard");
            findings.add(Rule::Hole, story);
        } else {
            self.passed.remove(&seq);
            let story = format!("{who}: {room} {seq} after {}", next - 1);
            findings.add(Rule::Order, story);
        }
    }

    /// The number stands for this message for everyone.
    fn check_agreement(&self, seq: u64, text: &str, ledger: &Ledger, findings: &mut Findings) {
        let id = super::id_of(text);
        let logged = ledger
            .line(self.room, self.epoch, seq)
            .map(|line| line.id.as_str());
        // What retention has removed cannot be compared.
        let is_kept = !ledger.is_last(self.room, self.epoch) || seq >= ledger.first(self.room);
        if is_kept && logged != Some(id) {
            let (who, room) = (self.who, self.room);
            findings.add(
                Rule::Disagreement,
                format!("{who}: {room} {seq} is {id}, logged {logged:?}"),
            );
        }
    }

    fn is_gapped(&self, seq: u64) -> bool {
        self.gaps
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&seq))
    }

    /// Whoever asked for a place in another numbering is told first that this is a new one.
    fn check_announced(&mut self, findings: &mut Findings) {
        if std::mem::take(&mut self.owes_epoch_changed) {
            let (who, room, epoch) = (self.who, self.room, self.epoch);
            findings.add(
                Rule::Hole,
                format!("{who} was not told that {room} has the new epoch {epoch}"),
            );
        }
    }

    fn skip(
        &mut self,
        epoch: &str,
        bounds: Option<(u64, u64)>,
        count: Option<u64>,
        ledger: &Ledger,
        findings: &mut Findings,
    ) {
        let (who, room) = (self.who, self.room);
        if epoch != self.epoch {
            let story = format!("{who}: {room} gap in {epoch} and not in {}", self.epoch);
            findings.add(Rule::Hole, story);
        }
        let Some((from, to)) = bounds else {
            if !std::mem::take(&mut self.owes_epoch_changed) {
                let story = format!("{who}: {room} began anew, and nobody asked for another place");
                findings.add(Rule::Hole, story);
            }
            return;
        };
        self.check_announced(findings);
        let next = self.next;
        let untrue = if count != Some((to + 1).saturating_sub(from)) {
            Some("a wrong count")
        } else if from < next {
            Some("what was heard before")
        } else if ledger.is_last(room, self.epoch) && to > ledger.head(room) {
            Some("what does not exist")
        } else {
            None
        };
        if let Some(untrue) = untrue {
            let story = format!("{who}: {room} gap {from} to {to} ({count:?}) has {untrue}");
            findings.add(Rule::Hole, story);
        }
        self.passed.extend(next..from.max(next));
        self.gaps.push((from, to));
        self.next = (to + 1).max(next);
    }

    /// Who stays to the quiet end has heard everything, or of everything.
    fn reaches_the_end(&self, ledger: &Ledger, findings: &mut Findings) {
        let (who, room, next) = (self.who, self.room, self.next);
        let head = ledger.head(room);
        if ledger.is_last(room, self.epoch) && next <= head {
            findings.add(
                Rule::Stuck,
                format!("{who} stayed in {room} to {head} and waits for {next}"),
            );
        }
    }

    fn end(self, findings: &mut Findings) {
        for seq in self.passed {
            let (who, room) = (self.who, self.room);
            findings.add(
                Rule::Hole,
                format!("{who}: {room} {seq} was neither heard nor gapped"),
            );
        }
    }
}
