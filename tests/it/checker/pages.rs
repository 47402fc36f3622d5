//! Pages of history: contiguous, within what was asked for, and cut short only if they say so.

use std::collections::HashMap;

use super::ledger::Ledger;
use super::log::{Event, Log, PageLine};
use super::rules::{Findings, Rule};
use super::sent::Sent;

/// What a page was asked for with.
#[derive(Clone, Copy)]
struct Asked {
    after: Option<u64>,
    limit: u64,
}

/// Reads one log.
pub(crate) fn check(log: &Log, ledger: &Ledger, sent: &Sent, findings: &mut Findings) {
    let who = log.username.as_str();
    let mut asked: HashMap<&str, Vec<Asked>> = HashMap::new();
    for entry in &log.entries {
        match &entry.event {
            Event::Paging { room, after, limit } => {
                let (after, limit) = (*after, *limit);
                asked.entry(room).or_default().push(Asked { after, limit });
            }
            Event::Connected { .. } => asked.clear(),
            Event::Page {
                room,
                epoch,
                gap,
                lines,
                more,
            } => {
                let asked = asked
                    .get_mut(room.as_str())
                    .filter(|asked| !asked.is_empty());
                let Some(asked) = asked.map(|asked| asked.remove(0)) else {
                    findings.add(Rule::Uninvited, format!("{who} has a page of {room}"));
                    continue;
                };
                if let Some(untrue) = untrue(asked, *gap, lines, *more) {
                    findings.add(Rule::Witness, format!("{who}: a page of {room} {untrue}"));
                }
                for line in lines {
                    check_line(who, room, epoch, line, ledger, sent, findings);
                }
            }
            _ => {}
        }
    }
}

fn untrue(asked: Asked, gap: Option<(u64, u64)>, lines: &[PageLine], more: bool) -> Option<String> {
    if lines.len() as u64 > asked.limit {
        return Some(format!("of {} has {} lines", asked.limit, lines.len()));
    }
    if let Some(pair) = lines.windows(2).find(|pair| pair[0].seq + 1 != pair[1].seq) {
        return Some(format!("goes from {} to {}", pair[0].seq, pair[1].seq));
    }
    let first = lines.first().map(|line| line.seq);
    if let (Some((_, to)), Some(first)) = (gap, first)
        && first != to + 1
    {
        return Some(format!("begins with {first} after a gap to {to}"));
    }
    match (asked.after, gap.map(|(from, _)| from).or(first)) {
        (Some(after), Some(begin)) if begin != after + 1 => {
            Some(format!("after {after} begins with {begin}"))
        }
        (_, None) if more => Some("has no lines and more of them".to_owned()),
        _ => None,
    }
}

fn check_line(
    who: &str,
    room: &str,
    epoch: &str,
    line: &PageLine,
    ledger: &Ledger,
    sent: &Sent,
    findings: &mut Findings,
) {
    sent.check_heard(who, room, &line.username, &line.text, findings);
    let known = ledger.line(room, epoch, line.seq);
    let id = super::id_of(&line.text);
    if known.is_some_and(|known| known.id != id) {
        let (seq, known) = (line.seq, known.map(|known| &known.id));
        findings.add(
            Rule::Disagreement,
            format!("{who}: {room} {seq} is {id} in a page, logged {known:?}"),
        );
    }
}
