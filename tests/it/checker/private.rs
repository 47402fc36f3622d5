//! Messages for one person: heard once, by whom they were meant for, if they were acknowledged.

use std::collections::{HashMap, HashSet};

use super::log::{Event, Log, Record, id_of};
use super::rules::{Findings, Rule};

struct Attempt<'a> {
    from: &'a str,
    to: &'a str,
    text: &'a str,
}

/// Holds all logs against each other.
pub(crate) fn check(record: &Record, findings: &mut Findings) {
    let attempts = attempts(record);
    let refused = refused(record);
    let mut heard: HashMap<&str, HashSet<&str>> = HashMap::new();
    for log in &record.clients {
        let heard = heard.entry(&log.username).or_default();
        for entry in &log.entries {
            let Event::Whispered { username, text } = &entry.event else {
                continue;
            };
            let (who, id) = (log.username.as_str(), id_of(text));
            match attempts.get(id) {
                Some(attempt) if attempt.text == text && attempt.to == who => {
                    if attempt.from != username {
                        let story = format!("{who}: {username} is said to have whispered {id}");
                        findings.add(Rule::Spoof, story);
                    }
                }
                _ => findings.add(Rule::Phantom, format!("{who}: nobody whispered {text:?}")),
            }
            if refused.contains(id) {
                let story = format!("{id} was refused and whispered to {who}");
                findings.add(Rule::Refused, story);
            }
            if !heard.insert(id) {
                findings.add(Rule::Twice, format!("{who} heard {id} twice"));
            }
        }
    }
    // Whoever hung up may have missed what was in the outbox.
    let stayed: HashSet<&str> = record.clients.iter().filter_map(stayed).collect();
    for id in record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(delivered)
    {
        let Some(attempt) = attempts.get(id).filter(|it| stayed.contains(it.to)) else {
            continue;
        };
        if !heard
            .get(attempt.to)
            .is_some_and(|heard| heard.contains(id))
        {
            let story = format!("{id} was acknowledged and {} never heard it", attempt.to);
            findings.add(Rule::Lost, story);
        }
    }
}

fn attempts(record: &Record) -> HashMap<&str, Attempt<'_>> {
    let mut attempts = HashMap::new();
    for log in &record.clients {
        for entry in &log.entries {
            if let Event::Whisper { to, text } = &entry.event {
                let from = log.username.as_str();
                attempts
                    .entry(id_of(text))
                    .or_insert(Attempt { from, to, text });
            }
        }
    }
    attempts
}

/// What was refused at every try. One that was never answered may have gone through.
fn refused(record: &Record) -> HashSet<&str> {
    let mut open: HashMap<&str, i64> = HashMap::new();
    for entry in record.clients.iter().flat_map(|log| &log.entries) {
        match &entry.event {
            Event::Whisper { text, .. } => *open.entry(id_of(text)).or_default() += 1,
            Event::Refused { id, .. } => *open.entry(id).or_default() -= 1,
            _ => {}
        }
    }
    open.into_iter()
        .filter(|(_, open)| *open <= 0)
        .map(|(id, _)| id)
        .collect()
}

fn stayed(log: &Log) -> Option<&str> {
    let ended = log
        .entries
        .iter()
        .any(|entry| matches!(entry.event, Event::Closed | Event::Bye { .. }));
    (!ended).then_some(log.username.as_str())
}

fn delivered(entry: &super::Entry) -> Option<&str> {
    match &entry.event {
        Event::Delivered { id } => Some(id),
        _ => None,
    }
}
