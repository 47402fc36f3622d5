//! What is in the log, as the late reader read it.

use std::collections::HashMap;

use super::log::{Event, Log, id_of};
use super::rules::{Findings, Rule};

/// Every room from its first number to its head.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    rooms: HashMap<String, Room>,
}

#[derive(Debug, Default)]
struct Room {
    epoch: String,
    head: u64,
    by_seq: HashMap<u64, Line>,
    by_id: HashMap<String, u64>,
}

#[derive(Debug)]
struct Line {
    id: String,
    username: String,
    text: String,
}

impl Witness {
    /// Reads the witness's log, and finds holes and repeated messages in it.
    pub(crate) fn of(log: &Log, findings: &mut Findings) -> Self {
        let mut witness = Self::default();
        for entry in &log.entries {
            match &entry.event {
                Event::Joined { room, head, .. } => {
                    let room = witness.rooms.entry(room.clone()).or_default();
                    (room.epoch, room.head) = (head.epoch.clone(), head.seq);
                }
                Event::Heard {
                    room,
                    seq: Some(seq),
                    username,
                    text,
                    ..
                } => {
                    let (username, text) = (username.clone(), text.clone());
                    let line = Line {
                        id: id_of(&text).to_owned(),
                        username,
                        text,
                    };
                    witness
                        .rooms
                        .entry(room.clone())
                        .or_default()
                        .add(*seq, line, findings);
                }
                Event::Gap { room, bounds, .. } => {
                    findings.add(
                        Rule::Witness,
                        format!("the late reader of {room} has {bounds:?}"),
                    );
                }
                _ => {}
            }
        }
        for (name, room) in &witness.rooms {
            let lost = (1..=room.head).filter(|seq| !room.by_seq.contains_key(seq));
            for seq in lost {
                findings.add(
                    Rule::Witness,
                    format!("{name} {seq} of {} is not in the log", room.head),
                );
            }
        }
        witness
    }

    /// The room's last number.
    pub(crate) fn head(&self, room: &str) -> u64 {
        self.rooms.get(room).map_or(0, |room| room.head)
    }

    /// The life of the room's numbering.
    pub(crate) fn epoch(&self, room: &str) -> &str {
        self.rooms.get(room).map_or("", |room| &room.epoch)
    }

    /// The id of the message with this number.
    pub(crate) fn id(&self, room: &str, seq: u64) -> Option<&str> {
        Some(&self.rooms.get(room)?.by_seq.get(&seq)?.id)
    }

    /// The number of the message with this id.
    pub(crate) fn seq(&self, room: &str, id: &str) -> Option<u64> {
        self.rooms.get(room)?.by_id.get(id).copied()
    }

    /// Every line: room, id, name, text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str, &str, &str)> {
        self.rooms.iter().flat_map(|(name, room)| {
            let lines = room.by_seq.values();
            lines.map(|line| {
                (
                    name.as_str(),
                    line.id.as_str(),
                    line.username.as_str(),
                    line.text.as_str(),
                )
            })
        })
    }
}

impl Room {
    fn add(&mut self, seq: u64, line: Line, findings: &mut Findings) {
        match self.by_id.get(&line.id) {
            Some(first) => findings.add(Rule::Twice, format!("{} is {first} and {seq}", line.id)),
            None => {
                self.by_id.insert(line.id.clone(), seq);
            }
        }
        if let Some(other) = self.by_seq.insert(seq, line) {
            findings.add(
                Rule::Witness,
                format!("{seq} was read twice, first as {}", other.id),
            );
        }
    }
}
