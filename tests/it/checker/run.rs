//! The run as a whole: the daemon's own counters, how its lives ended, and whether enough happened.

use super::log::{Counters, Event, Least, Life, Record};
use super::rules::{Findings, Rule, tally};
use super::sent::Sent;

/// What a sound daemon never writes to its log.
const CRIES: [&str; 5] = [
    "panicked",
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "the books do not balance",
];

/// Judges all three.
pub(crate) fn check(record: &Record, sent: &Sent, findings: &mut Findings) {
    if let Some(counters) = record.counters {
        check_counters(record, counters, sent, findings);
    }
    for (n, life) in record.lives.iter().enumerate() {
        check_life(n + 1, life, findings);
    }
    check_least(record, findings);
}

/// What is acknowledged is numbered, what is numbered was tried; every gap that is heard is counted,
/// and where nobody's connection ended, every gap that is counted is heard.
fn check_counters(record: &Record, counters: Counters, sent: &Sent, findings: &mut Findings) {
    let tally = tally(record);
    let Counters { committed, gapped } = counters;
    if committed < tally.acks as u64 || committed > sent.attempts() as u64 {
        let attempts = sent.attempts();
        let story = format!(
            "{} acknowledged, {committed} numbered, {attempts} tried",
            tally.acks
        );
        findings.add(Rule::Counters, story);
    }
    let all = || record.clients.iter().flat_map(|log| &log.entries);
    let somebody_went = all().any(|entry| matches!(entry.event, Event::Closed | Event::Bye { .. }));
    if gapped < tally.skipped || !somebody_went && gapped > tally.skipped {
        let story = format!(
            "{} were told to be missing, {gapped} counted",
            tally.skipped
        );
        findings.add(Rule::Counters, story);
    }
}

fn check_life(n: usize, life: &Life, findings: &mut Findings) {
    if life.ended != life.expected {
        let Life {
            ended, expected, ..
        } = life;
        findings.add(
            Rule::Died,
            format!("life {n} ended with {ended:?} and not {expected:?}"),
        );
    }
    for line in life.stderr.lines() {
        if CRIES.iter().any(|cry| line.contains(cry)) {
            findings.add(Rule::Died, format!("life {n}: {line}"));
        }
    }
}

fn check_least(record: &Record, findings: &mut Findings) {
    let there_is = tally(record);
    let Least {
        faults,
        acks,
        unanswered,
        heard,
        gaps,
        resumes,
        paged,
    } = record.least;
    let demands = [
        ("faults", there_is.faults, faults),
        ("acks", there_is.acks, acks),
        ("unanswered messages", there_is.unanswered, unanswered),
        ("messages heard", there_is.heard, heard),
        ("gaps", there_is.gaps, gaps),
        ("resumes", there_is.resumes, resumes),
        ("messages in pages of history", there_is.paged, paged),
    ];
    for (what, there_is, least) in demands {
        if there_is < least {
            let story = format!("{there_is} {what}, and {least} are needed to show anything");
            findings.add(Rule::Vacuous, story);
        }
    }
}
