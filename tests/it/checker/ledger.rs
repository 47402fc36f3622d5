//! What is in the rooms' logs: as history shows it at the end, and, for a numbering that did not
//! live to the end, as those who heard it say.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::log::{Event, Log, Record, Row, id_of};
use super::rules::{Findings, Rule};

/// Every numbering that anybody heard of.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rooms: HashMap<String, Room>,
}

#[derive(Debug, Default)]
struct Room {
    /// The numbering that history shows.
    last: String,
    numberings: HashMap<String, Numbering>,
}

/// One epoch of one room.
#[derive(Debug, Default)]
struct Numbering {
    /// The lives of the daemon in which somebody was in it.
    lives: BTreeSet<usize>,
    /// What retention has removed ends before this number. 0 where history does not reach.
    first: u64,
    head: u64,
    by_seq: HashMap<u64, Line>,
    by_id: HashMap<String, u64>,
    /// What the late reader found by joining from the first number, if it did.
    replayed: Option<HashSet<u64>>,
    /// What it found in pages, if it asked for any.
    paged: Option<HashSet<u64>>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) text: String,
}

/// Which numbering of each room a client is hearing, while its log is read.
#[derive(Debug, Default)]
pub(crate) struct Epochs<'a>(HashMap<&'a str, &'a str>);

impl<'a> Epochs<'a> {
    /// Takes in what happens to the client.
    pub(crate) fn note(&mut self, event: &'a Event) {
        match event {
            Event::Joined { room, head, .. } => {
                self.0.insert(room, &head.epoch);
            }
            Event::Parted { room } => {
                self.0.remove(room.as_str());
            }
            Event::Connected { .. } | Event::Closed => self.0.clear(),
            _ => {}
        }
    }

    /// The numbering of a room that it is in.
    pub(crate) fn of(&self, room: &str) -> Option<&'a str> {
        self.0.get(room).copied()
    }
}

impl Line {
    fn new(username: &str, text: &str) -> Self {
        Self {
            id: id_of(text).to_owned(),
            username: username.to_owned(),
            text: text.to_owned(),
        }
    }
}

impl Ledger {
    /// Reads the late reader's log, holds the store's file against it, and gathers what the clients
    /// say about numberings that are over.
    pub(crate) fn of(record: &Record, findings: &mut Findings) -> Self {
        let mut ledger = Self::default();
        ledger.read_history(&record.witness, findings);
        ledger.find_holes(findings);
        if let Some(rows) = &record.store {
            ledger.compare(rows, findings);
        }
        for log in &record.clients {
            ledger.gather(log, findings);
        }
        ledger
    }

    fn read_history(&mut self, log: &Log, findings: &mut Findings) {
        let mut epochs = Epochs::default();
        let mut is_since = false;
        for entry in &log.entries {
            epochs.note(&entry.event);
            match &entry.event {
                Event::Joining { since, .. } => is_since = since.is_some(),
                Event::Joined { room, head, first } => {
                    let room = self.rooms.entry(room.clone()).or_default();
                    room.last.clone_from(&head.epoch);
                    let numbering = room.numbering(&head.epoch);
                    (numbering.first, numbering.head) = (*first, head.seq);
                    numbering.replayed = is_since.then(HashSet::new);
                }
                Event::Heard {
                    room,
                    seq: Some(seq),
                    username,
                    text,
                    ..
                } => {
                    let epoch = epochs.of(room).unwrap_or_default();
                    let line = Line::new(username, text);
                    self.add(room, epoch, *seq, line, Rule::Witness, findings);
                    self.numbering(room, epoch)
                        .replayed
                        .get_or_insert_default()
                        .insert(*seq);
                }
                Event::Page {
                    room, epoch, lines, ..
                } => {
                    let paged = self.numbering(room, epoch).paged.get_or_insert_default();
                    paged.extend(lines.iter().map(|line| line.seq));
                    for line in lines {
                        let seq = line.seq;
                        let line = Line::new(&line.username, &line.text);
                        self.add_again(room, epoch, seq, line, Rule::Witness, findings);
                    }
                }
                Event::Gap { room, bounds, .. } => {
                    let first = self.first(room);
                    // Only what retention has removed, and told so.
                    if bounds.is_none_or(|(_, to)| to + 1 != first) {
                        findings.add(
                            Rule::Witness,
                            format!("the late reader of {room} has {bounds:?}"),
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn find_holes(&self, findings: &mut Findings) {
        for (name, room) in &self.rooms {
            let Some(numbering) = room.numberings.get(&room.last) else {
                continue;
            };
            let head = numbering.head;
            let kept = numbering.first.max(1)..=head;
            for seq in kept
                .clone()
                .filter(|seq| !numbering.by_seq.contains_key(seq))
            {
                let story = format!("{name} {seq} of {head} is not in the log");
                findings.add(Rule::Witness, story);
            }
            // Whichever ways the late reader took, each has to lead to everything.
            let ways = [("heard", &numbering.replayed), ("paged", &numbering.paged)];
            for (way, found) in ways {
                let Some(found) = found else { continue };
                for seq in kept.clone().filter(|seq| !found.contains(seq)) {
                    let story = format!("{name} {seq} of {head} cannot be {way}");
                    findings.add(Rule::Witness, story);
                }
            }
        }
    }

    /// The store's file holds what history shows, and nothing else in these numberings.
    fn compare(&mut self, rows: &[Row], findings: &mut Findings) {
        let mut stored: HashMap<(&str, &str), HashMap<u64, Line>> = HashMap::new();
        for row in rows {
            let seqs = stored.entry((&row.room, &row.epoch)).or_default();
            let mut line = Line::new(&row.username, &row.text);
            // Two-field clients give no id; whoever gives one gives the text's own.
            line.id = row.cid.clone().unwrap_or(line.id);
            seqs.insert(row.seq, line);
            if !self.is_last(&row.room, &row.epoch) {
                let line = Line::new(&row.username, &row.text);
                self.add_again(
                    &row.room,
                    &row.epoch,
                    row.seq,
                    line,
                    Rule::Witness,
                    findings,
                );
            }
        }
        for (name, room) in &self.rooms {
            let none = HashMap::new();
            let rows = stored
                .get(&(name.as_str(), room.last.as_str()))
                .unwrap_or(&none);
            let Some(numbering) = room.numberings.get(&room.last) else {
                continue;
            };
            for (seq, line) in &numbering.by_seq {
                if rows.get(seq) != Some(line) {
                    let story = format!(
                        "{name} {seq} is {line:?}, and {:?} in the file",
                        rows.get(seq)
                    );
                    findings.add(Rule::Witness, story);
                }
            }
            for seq in rows
                .keys()
                .filter(|seq| !numbering.by_seq.contains_key(seq))
            {
                findings.add(
                    Rule::Witness,
                    format!("{name} {seq} is in the file and not in history"),
                );
            }
        }
    }

    /// What a client heard or was told of a numbering that history does not show.
    fn gather(&mut self, log: &Log, findings: &mut Findings) {
        let (mut epochs, mut life) = (Epochs::default(), 0);
        for entry in &log.entries {
            epochs.note(&entry.event);
            match &entry.event {
                Event::Connected { life: now } => life = *now,
                Event::Joined { room, head, .. } => {
                    let room = self.rooms.entry(room.clone()).or_default();
                    room.numbering(&head.epoch).lives.insert(life);
                }
                _ => {}
            }
            if let Event::Heard {
                room,
                seq: Some(seq),
                username,
                text,
                ..
            } = &entry.event
                && let Some(epoch) = epochs.of(room)
                && !self.is_last(room, epoch)
            {
                let line = Line::new(username, text);
                self.add_again(room, epoch, *seq, line, Rule::Disagreement, findings);
            }
        }
    }

    /// Adds a message that may be there already, as long as it is the same one.
    fn add_again(
        &mut self,
        room: &str,
        epoch: &str,
        seq: u64,
        line: Line,
        otherwise: Rule,
        findings: &mut Findings,
    ) {
        match self.line(room, epoch, seq) {
            None => self.add(room, epoch, seq, line, otherwise, findings),
            Some(known) if known.id == line.id => {}
            Some(known) => {
                let story = format!("{room} {seq} is {} and also {}", known.id, line.id);
                findings.add(otherwise, story);
            }
        }
    }

    fn add(
        &mut self,
        name: &str,
        epoch: &str,
        seq: u64,
        line: Line,
        otherwise: Rule,
        findings: &mut Findings,
    ) {
        let room = self.rooms.entry(name.to_owned()).or_default();
        let numbering = room.numbering(epoch);
        match numbering.by_id.get(&line.id) {
            Some(first) => findings.add(
                Rule::Twice,
                format!("{} is {first} and {seq} of {name}", line.id),
            ),
            None => {
                numbering.by_id.insert(line.id.clone(), seq);
            }
        }
        let id = line.id.clone();
        if let Some(other) = numbering.by_seq.insert(seq, line) {
            findings.add(
                otherwise,
                format!("{name} {seq} is {} and also {id}", other.id),
            );
        }
    }

    fn numbering(&mut self, room: &str, epoch: &str) -> &mut Numbering {
        self.rooms
            .entry(room.to_owned())
            .or_default()
            .numbering(epoch)
    }

    fn find(&self, room: &str, epoch: &str) -> Option<&Numbering> {
        self.rooms.get(room)?.numberings.get(epoch)
    }

    /// The life of the room's numbering that history shows.
    pub(crate) fn epoch(&self, room: &str) -> &str {
        self.rooms.get(room).map_or("", |room| &room.last)
    }

    /// Whether history shows this numbering: it can be told what is not in it.
    pub(crate) fn is_last(&self, room: &str, epoch: &str) -> bool {
        self.epoch(room) == epoch
    }

    /// The last number of the room.
    pub(crate) fn head(&self, room: &str) -> u64 {
        self.find(room, self.epoch(room))
            .map_or(0, |numbering| numbering.head)
    }

    /// The first number of the room that retention has left.
    pub(crate) fn first(&self, room: &str) -> u64 {
        self.find(room, self.epoch(room))
            .map_or(1, |numbering| numbering.first.max(1))
    }

    /// The message with this number.
    pub(crate) fn line(&self, room: &str, epoch: &str, seq: u64) -> Option<&Line> {
        self.find(room, epoch)?.by_seq.get(&seq)
    }

    /// The number of the message with this id.
    pub(crate) fn seq(&self, room: &str, epoch: &str, id: &str) -> Option<u64> {
        self.find(room, epoch)?.by_id.get(id).copied()
    }

    /// Every numbering in which a message of this id stands, with its number there.
    pub(crate) fn places<'a>(
        &'a self,
        room: &str,
        id: &'a str,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        let room = self.rooms.get(room).into_iter();
        let numberings = room.flat_map(|room| &room.numberings);
        numberings
            .filter_map(move |(epoch, numbering)| Some((epoch.as_str(), *numbering.by_id.get(id)?)))
    }

    /// Whether this numbering was that of the room in a life of the daemon, as far as anybody knows.
    pub(crate) fn was_in(&self, room: &str, epoch: &str, life: usize) -> bool {
        let is_only = self
            .rooms
            .get(room)
            .is_some_and(|room| room.numberings.len() == 1);
        self.find(room, epoch)
            .is_some_and(|numbering| is_only || numbering.lives.contains(&life))
    }

    /// Every message: its room and itself.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &Line)> {
        self.rooms.iter().flat_map(|(name, room)| {
            let lines = room
                .numberings
                .values()
                .flat_map(|numbering| numbering.by_seq.values());
            lines.map(move |line| (name.as_str(), line))
        })
    }
}

impl Room {
    fn numbering(&mut self, epoch: &str) -> &mut Numbering {
        self.numberings.entry(epoch.to_owned()).or_default()
    }
}
