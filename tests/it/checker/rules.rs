//! The rules, and the order in which a record is held against them.

use std::collections::HashSet;

use super::ledger::Ledger;
use super::log::{Dialect, Event, Life, Log, Record};
use super::sent::Sent;
use super::{membership, pages, private, run, two_fields};

/// What a record must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// I1. What was acknowledged is in history and in the store's file, at the number of its ack; a
    /// private message was heard.
    Lost,
    /// I2. What is heard was sent: into that room or to that person, with that text.
    Phantom,
    /// I3. What was refused is nowhere.
    Refused,
    /// I4. A number is the same message for everyone, for ever, across restarts.
    Disagreement,
    /// I5. A message has one number, however often it was sent.
    Twice,
    /// I6. Numbers only rise within a stay in a room.
    Order,
    /// I6. Nothing is heard from a room before `joined` or after `parted`, and no page comes unasked.
    Uninvited,
    /// I7. Each number is heard once or stands in exactly one earlier gap with true bounds; another
    /// numbering is announced, and only where somebody asked for a place in an old one.
    Hole,
    /// I8. Who stays to the quiet end has heard everything, or of everything.
    Stuck,
    /// I9. What was acknowledged before another message was sent has the lower number.
    RealTime,
    /// I10. One client's messages are numbered and acknowledged as they were sent.
    SendOrder,
    /// I11. A join or a page that was asked for after a number was known reaches it.
    StaleHead,
    /// I12. History is dense from its first number to the head, its pages are contiguous, and whoever
    /// joins from the first number, reads page by page, or looks into the store's file finds the same.
    Witness,
    /// I13. Lines are whole and readable while the daemon lives, and `bye` is the last.
    Framing,
    /// I13. Everybody speaks under their own name.
    Spoof,
    /// I14. The daemon's counters agree with what was acknowledged, tried and told.
    Counters,
    /// I15. No life of the daemon ended otherwise than it was to, and none cried out in its log.
    Died,
    /// I16. Enough happened to show anything.
    Vacuous,
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
    /// Messages that history shows.
    pub(crate) logged: usize,
    /// Messages heard.
    pub(crate) heard: usize,
    /// Messages acknowledged, each once.
    pub(crate) acks: usize,
    /// Messages on connections that ended before they were answered.
    pub(crate) unanswered: usize,
    /// Gaps told, in any dialect.
    pub(crate) gaps: usize,
    /// Messages inside those gaps.
    pub(crate) skipped: u64,
    /// Joins with `since` that were answered.
    pub(crate) resumes: usize,
    /// Messages in pages that the late reader read.
    pub(crate) paged: usize,
    /// Private messages heard.
    pub(crate) whispers: usize,
    /// Lives of the daemon that ended by a signal.
    pub(crate) faults: usize,
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
    let ledger = Ledger::of(record, &mut findings);
    let sent = Sent::of(record);
    sent.check(record, &ledger, &mut findings);
    for log in &record.clients {
        framing(log, &record.lives, &mut findings);
        pages::check(log, &ledger, &sent, &mut findings);
        match log.dialect {
            Dialect::Full => {
                membership::check(log, record.durability, &ledger, &sent, &mut findings);
            }
            Dialect::TwoFields => two_fields::check(log, &ledger, &sent, &mut findings),
        }
    }
    framing(&record.witness, &record.lives, &mut findings);
    pages::check(&record.witness, &ledger, &sent, &mut findings);
    private::check(record, &mut findings);
    run::check(record, &sent, &mut findings);
    findings.0
}

/// Counts what there was to judge.
pub(crate) fn tally(record: &Record) -> Tally {
    let mut tally = Tally::default();
    let mut acked = HashSet::new();
    for log in &record.clients {
        tally.unanswered += unanswered(log);
        for entry in &log.entries {
            match &entry.event {
                Event::Heard { .. } => tally.heard += 1,
                Event::Ack { id, .. } => {
                    acked.insert(id.as_str());
                }
                Event::Whispered { .. } => tally.whispers += 1,
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
    }
    tally.acks = acked.len();
    for entry in &record.witness.entries {
        match &entry.event {
            Event::Heard { .. } => tally.logged += 1,
            Event::Page { lines, .. } => tally.paged += lines.len(),
            _ => {}
        }
    }
    tally.logged = tally.logged.max(tally.paged);
    tally.faults = record.lives.iter().filter(|life| life.was_killed()).count();
    tally
}

/// Messages of a full client whose connection ended before they were answered.
fn unanswered(log: &Log) -> usize {
    if log.dialect == Dialect::TwoFields {
        return 0;
    }
    let (mut open, mut lost) = (HashSet::new(), 0);
    for entry in &log.entries {
        match &entry.event {
            Event::Send { text, .. } => {
                open.insert(super::id_of(text));
            }
            Event::Ack { id, .. } | Event::Refused { id, .. } => {
                open.remove(id.as_str());
            }
            Event::Closed => lost += std::mem::take(&mut open).len(),
            _ => {}
        }
    }
    lost
}

fn framing(log: &Log, lives: &[Life], findings: &mut Findings) {
    let (mut over, mut life) = (false, 0);
    for entry in &log.entries {
        match &entry.event {
            Event::Garbled { line } => {
                findings.add(Rule::Framing, format!("{} heard {line:?}", log.username));
            }
            Event::Bye { .. } => over = true,
            Event::Connected { life: now } => (over, life) = (false, *now),
            // Only a daemon that was killed may leave a line unfinished.
            Event::Cut { line } if !lives.get(life).is_some_and(Life::was_killed) => {
                let story = format!("{} was cut off after {line:?}", log.username);
                findings.add(Rule::Framing, story);
            }
            Event::Heard { .. }
            | Event::Gap { .. }
            | Event::Ack { .. }
            | Event::Whispered { .. }
            | Event::Page { .. }
                if over =>
            {
                findings.add(
                    Rule::Framing,
                    format!("{} heard more after bye", log.username),
                );
            }
            _ => {}
        }
    }
}
