//! One full client's stay in one room: dense from its start, each number once or in one gap.

use std::collections::{BTreeSet, HashMap};

use super::log::{Event, Log, Position};
use super::rules::{Findings, Rule};
use super::sent::Sent;
use super::witness::Witness;

/// A stay in a room, while its log is read.
struct Membership<'a> {
    who: &'a str,
    room: &'a str,
    /// The next number that must be heard or gapped; unknown until the first after `epoch_changed`.
    next: Option<u64>,
    /// Numbers passed over so far: they may still come, out of order.
    passed: BTreeSet<u64>,
    gaps: Vec<(u64, u64)>,
}

/// Reads one log.
pub(crate) fn check(log: &Log, witness: &Witness, sent: &Sent, findings: &mut Findings) {
    let mut asked: HashMap<&str, Vec<Option<&Position>>> = HashMap::new();
    let mut rooms: HashMap<&str, Membership<'_>> = HashMap::new();
    let who = log.username.as_str();
    for entry in &log.entries {
        match &entry.event {
            Event::Joining { room, since } => asked.entry(room).or_default().push(since.as_ref()),
            Event::Joined { room, head, first } => {
                let asked = asked.entry(room).or_default();
                let since = (!asked.is_empty()).then(|| asked.remove(0)).flatten();
                if head.epoch != witness.epoch(room) {
                    findings.add(
                        Rule::Disagreement,
                        format!("{who}: {room} has epoch {head:?}"),
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
                check_agreement(who, room, *seq, id.as_deref(), text, witness, findings);
                sent.check_heard(who, room, username, text, findings);
                match rooms.get_mut(room.as_str()) {
                    Some(membership) => membership.hear(*seq, findings),
                    None => findings.add(Rule::Uninvited, format!("{who} heard {room} {seq}")),
                }
            }
            Event::Gap {
                room,
                bounds,
                count,
                ..
            } => match rooms.get_mut(room.as_str()) {
                Some(membership) => membership.skip(*bounds, *count, witness, findings),
                None => findings.add(Rule::Uninvited, format!("{who} has a gap of {room}")),
            },
            Event::Parted { room } => {
                if let Some(membership) = rooms.remove(room.as_str()) {
                    membership.end(findings);
                }
            }
            Event::Connected | Event::Closed => {
                asked.clear();
                rooms
                    .drain()
                    .for_each(|(_, membership)| membership.end(findings));
            }
            _ => {}
        }
    }
    for (room, membership) in rooms {
        let head = witness.head(room);
        if membership.next.is_some_and(|next| next <= head) {
            let story = format!(
                "{who} stayed in {room} to {head} and waits for {:?}",
                membership.next
            );
            findings.add(Rule::Stuck, story);
        }
        membership.end(findings);
    }
}

/// The number stands for this message in the log as well; the echo carries the author's own id.
fn check_agreement(
    who: &str,
    room: &str,
    seq: u64,
    cid: Option<&str>,
    text: &str,
    witness: &Witness,
    findings: &mut Findings,
) {
    let logged = witness.id(room, seq);
    let id = super::id_of(text);
    // What was altered is told by the rule about what was sent; here only which message it is.
    let known = witness.seq(room, id).is_some();
    if known && logged != Some(id) {
        findings.add(
            Rule::Disagreement,
            format!("{who}: {room} {seq} is {id}, logged {logged:?}"),
        );
    }
    if cid.is_some_and(|cid| cid != id) {
        findings.add(
            Rule::Phantom,
            format!("{who}: {room} {seq} is {id} and called {cid:?}"),
        );
    }
}

impl<'a> Membership<'a> {
    fn begin(
        who: &'a str,
        room: &'a str,
        since: Option<&Position>,
        head: &Position,
        first: u64,
    ) -> Self {
        let next = match since {
            None => Some(head.seq + 1),
            Some(since) if since.epoch == head.epoch && since.seq <= head.seq => {
                Some(since.seq + 1)
            }
            Some(_) => None,
        };
        let _ = first;
        Self {
            who,
            room,
            next,
            passed: BTreeSet::new(),
            gaps: Vec::new(),
        }
    }

    fn hear(&mut self, seq: u64, findings: &mut Findings) {
        let next = *self.next.get_or_insert(seq);
        if seq >= next {
            self.passed.extend(next..seq);
            self.next = Some(seq + 1);
            return;
        }
        let (who, room) = (self.who, self.room);
        if self
            .gaps
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&seq))
        {
            findings.add(
                Rule::Hole,
                format!("{who}: {room} {seq} was gapped and is heard"),
            );
        } else {
            self.passed.remove(&seq);
            findings.add(
                Rule::Order,
                format!("{who}: {room} {seq} after {}", next - 1),
            );
        }
    }

    fn skip(
        &mut self,
        bounds: Option<(u64, u64)>,
        count: Option<u64>,
        witness: &Witness,
        findings: &mut Findings,
    ) {
        let Some((from, to)) = bounds else {
            self.next = None;
            return;
        };
        let (who, room) = (self.who, self.room);
        let next = *self.next.get_or_insert(from);
        let untrue = if count != Some((to + 1).saturating_sub(from)) {
            Some("a wrong count")
        } else if from < next {
            Some("what was heard before")
        } else if to > witness.head(room) {
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
        self.next = Some((to + 1).max(next));
    }

    fn end(self, findings: &mut Findings) {
        for seq in self.passed {
            let story = format!(
                "{}: {} {seq} was neither heard nor gapped",
                self.who, self.room
            );
            findings.add(Rule::Hole, story);
        }
    }
}
