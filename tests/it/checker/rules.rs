//! The rules, and the order in which a record is held against them.

use super::log::{Dialect, Event, Record};
use super::sent::Sent;
use super::witness::Witness;
use super::{membership, two_fields};

/// What a record must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// The late reader finds each room dense, from the first number to the head.
    Witness,
    /// What was acknowledged is in the log, at the number of its ack.
    Lost,
    /// What is heard was sent: by that name, into that room, with that text.
    Phantom,
    /// What was refused is nowhere.
    Refused,
    /// A number is the same message for everyone, for ever.
    Disagreement,
    /// A message has one number, however often it was sent.
    Twice,
    /// Numbers only rise within a membership.
    Order,
    /// Each number is heard once or stands in exactly one earlier gap with true bounds.
    Hole,
    /// Who stays to the quiet end has heard everything, or of everything.
    Stuck,
    /// What was acknowledged before another message was sent has the lower number.
    RealTime,
    /// One connection's messages are numbered and acknowledged as they were sent.
    SendOrder,
    /// A join that was asked for after a number was known anywhere begins at it or above.
    StaleHead,
    /// Lines are whole and readable, and `bye` is the last.
    Framing,
    /// Nothing is heard from a room before `joined` or after `parted`.
    Uninvited,
}

/// One broken rule.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// Which.
    pub(crate) rule: Rule,
    /// Who saw what.
    pub(crate) story: String,
}

/// How much there was to judge: a record of nothing keeps every rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages in the log.
    pub(crate) logged: usize,
    /// Messages heard.
    pub(crate) heard: usize,
    /// Acks.
    pub(crate) acks: usize,
    /// Gaps told, in any dialect.
    pub(crate) gaps: usize,
    /// Messages inside those gaps.
    pub(crate) skipped: u64,
    /// Joins with `since` that were answered.
    pub(crate) resumes: usize,
}

/// Collects broken rules.
#[derive(Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    /// Notes one, if there is room: the first few of a flood are enough.
    pub(super) fn add(&mut self, rule: Rule, story: String) {
        const ENOUGH: usize = 8;
        if self.0.iter().filter(|known| known.rule == rule).count() < ENOUGH {
            self.0.push(Violation { rule, story });
        }
    }
}

/// Holds a record against every rule.
pub(crate) fn check(record: &Record) -> Vec<Violation> {
    let mut findings = Findings::default();
    let witness = Witness::of(&record.witness, &mut findings);
    let sent = Sent::of(record);
    sent.check(record, &witness, &mut findings);
    for log in &record.clients {
        framing(log, &mut findings);
        match log.dialect {
            Dialect::Full => membership::check(log, &witness, &sent, &mut findings),
            Dialect::TwoFields => two_fields::check(log, &witness, &sent, &mut findings),
        }
    }
    framing(&record.witness, &mut findings);
    findings.0
}

/// Counts what there was to judge.
pub(crate) fn tally(record: &Record) -> Tally {
    let mut tally = Tally::default();
    for entry in record.clients.iter().flat_map(|log| &log.entries) {
        match &entry.event {
            Event::Heard { .. } => tally.heard += 1,
            Event::Ack { .. } => tally.acks += 1,
            Event::Gap { count, .. } => {
                tally.gaps += 1;
                tally.skipped += count.unwrap_or(0);
            }
            Event::Skipped { count, .. } => {
                tally.gaps += 1;
                tally.skipped += count;
            }
            Event::Joining { since: Some(_), .. } => tally.resumes += 1,
            _ => {}
        }
    }
    let logged = record.witness.entries.iter();
    tally.logged = logged
        .filter(|entry| matches!(entry.event, Event::Heard { .. }))
        .count();
    tally
}

fn framing(log: &super::Log, findings: &mut Findings) {
    let mut over = false;
    for entry in &log.entries {
        match &entry.event {
            Event::Garbled(line) => {
                findings.add(Rule::Framing, format!("{} heard {line:?}", log.username));
            }
            Event::Bye { .. } => over = true,
            Event::Connected => over = false,
            Event::Heard { .. } | Event::Gap { .. } | Event::Ack { .. } if over => {
                findings.add(
                    Rule::Framing,
                    format!("{} heard more after bye", log.username),
                );
            }
            _ => {}
        }
    }
}
