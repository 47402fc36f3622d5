//! Records that keep every rule: a toy server and a few clients, driven by dice.

use std::collections::{HashMap, VecDeque};

use super::log::{
    Counters, Dialect, Durability, Entry, Event, Least, Life, Log, PageLine, Position, Record, Row,
    id_of,
};
use crate::dice::Dice;

const ROOMS: [&str; 2] = ["den", "hall"];
const FULL: usize = 4;
const TWO_FIELDS: usize = 2;
const PAGE: u64 = 8;

/// A toy server that is right by its plainness.
struct World {
    dice: Dice,
    clock: u64,
    durability: Durability,
    rooms: HashMap<&'static str, Vec<(usize, String)>>,
    people: Vec<Person>,
    /// Restarts that are still to come.
    restarts: usize,
    lives: Vec<Life>,
    counters: Counters,
}

#[derive(Default)]
struct Person {
    log: Log,
    /// On its way to the server.
    sent: VecDeque<(&'static str, String)>,
    /// Numbered, the answer on its way back.
    to_ack: VecDeque<(&'static str, u64, String)>,
    /// What it would send again.
    unanswered: VecDeque<(&'static str, String)>,
    /// Private messages on their way to it.
    inbox: VecDeque<(usize, String)>,
    /// The answers to its own.
    delivered: VecDeque<String>,
    /// The next number of each room that it is in.
    next: HashMap<&'static str, u64>,
    left_at: HashMap<&'static str, Position>,
    /// It has heard something since it connected.
    has_heard: bool,
    count: usize,
}

/// A record that keeps every rule.
pub(crate) fn record(seed: u64) -> Record {
    let mut world = World::new(seed);
    for _ in 0..1000 {
        world.turn();
    }
    world.end()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let all = [Durability::None, Durability::Process, Durability::Disk];
        let durability = all[dice.below(3)];
        let mut world = Self {
            restarts: dice.below(3),
            dice,
            clock: 0,
            durability,
            rooms: ROOMS.map(|room| (room, Vec::new())).into(),
            people: (0..FULL + TWO_FIELDS).map(|_| Person::default()).collect(),
            lives: Vec::new(),
            counters: Counters::default(),
        };
        for who in 0..world.people.len() {
            world.people[who].log.username = format!("person{who}");
            world.note(who, Event::Connected { life: 0 });
            if who < FULL {
                ROOMS.iter().for_each(|room| world.join(who, room));
            } else {
                world.people[who].log.dialect = Dialect::TwoFields;
                world.people[who].next.insert(ROOMS[0], 1);
            }
        }
        world
    }

    fn note(&mut self, who: usize, event: Event) {
        self.clock += 1;
        let at = self.clock;
        self.people[who].log.entries.push(Entry { at, event });
    }

    fn epoch(&self) -> String {
        if self.durability.outlives_the_daemon() {
            "e".to_owned()
        } else {
            format!("e{}", self.lives.len())
        }
    }

    fn head(&self, room: &str) -> Position {
        Position {
            epoch: self.epoch(),
            seq: self.rooms[room].len() as u64,
        }
    }

    fn turn(&mut self) {
        if self.restarts > 0 && self.dice.below(300) == 0 {
            self.restarts -= 1;
            self.restart();
        }
        let who = self.dice.below(self.people.len());
        let room = if who < FULL {
            ROOMS[self.dice.below(2)]
        } else {
            ROOMS[0]
        };
        match self.dice.below(20) {
            0..3 => self.send(who, room),
            3..6 => self.commit(who),
            6..8 => self.ack(who),
            8 => self.gap(who, room),
            9 => self.part_or_join(who, room),
            10 => self.whisper(who),
            11 | 12 => self.hear_whisper(who),
            13 => self.page(who, room),
            _ => self.deliver(who, room),
        }
    }

    fn send(&mut self, who: usize, room: &'static str) {
        self.people[who].count += 1;
        let (count, word) = (self.people[who].count, self.dice.below(1000));
        let text = format!("{who}-{count} words {word}");
        if who < FULL {
            self.people[who].unanswered.push_back((room, text.clone()));
        }
        self.send_text(who, room, text);
    }

    fn send_text(&mut self, who: usize, room: &'static str, text: String) {
        self.people[who].sent.push_back((room, text.clone()));
        let room = room.to_owned();
        self.note(who, Event::Send { room, text });
    }

    fn commit(&mut self, who: usize) {
        let Some((room, text)) = self.people[who].sent.pop_front() else {
            return;
        };
        let id = id_of(&text).to_owned();
        let log = self.rooms.get_mut(room).unwrap();
        let known = log.iter().position(|(_, known)| id_of(known) == id);
        let seq = match known {
            Some(at) => at as u64 + 1,
            None if who < FULL && self.dice.below(16) == 0 => return self.refuse(who, id),
            None => {
                log.push((who, text));
                self.counters.committed += 1;
                log.len() as u64
            }
        };
        self.people[who].to_ack.push_back((room, seq, id));
    }

    fn refuse(&mut self, who: usize, id: String) {
        self.people[who]
            .unanswered
            .retain(|(_, text)| id_of(text) != id);
        let code = "store_unavailable".to_owned();
        self.note(who, Event::Refused { id, code });
    }

    fn ack(&mut self, who: usize) {
        let Some((room, seq, id)) = self.people[who].to_ack.pop_front() else {
            return;
        };
        if who < FULL {
            self.people[who]
                .unanswered
                .retain(|(_, text)| id_of(text) != id);
            let (room, epoch) = (room.to_owned(), self.epoch());
            let at = Position { epoch, seq };
            self.note(who, Event::Ack { id, room, at });
        }
    }

    fn deliver(&mut self, who: usize, room: &'static str) {
        let Some(seq) = self.people[who].next.get(room).copied() else {
            return;
        };
        let Some((author, text)) = self.rooms[room].get(seq as usize - 1).cloned() else {
            return;
        };
        self.people[who].next.insert(room, seq + 1);
        if who >= FULL && author == who {
            return;
        }
        self.people[who].has_heard = true;
        let is_full = who < FULL;
        let heard = Event::Heard {
            room: room.to_owned(),
            seq: is_full.then_some(seq),
            id: is_full.then(|| id_of(&text).to_owned()),
            username: format!("person{author}"),
            text,
        };
        self.note(who, heard);
    }

    fn gap(&mut self, who: usize, room: &'static str) {
        let Some(from) = self.people[who].next.get(room).copied() else {
            return;
        };
        let behind = self.rooms[room].len() as u64 + 1 - from;
        // A two-field stream begins with the first message heard: nothing is skipped before it.
        if behind < 3 || (who >= FULL && !self.people[who].has_heard) {
            return;
        }
        let to = from + self.dice.below(behind as usize - 1) as u64;
        let room_name = room.to_owned();
        let event = if who < FULL {
            let (epoch, count) = (self.epoch(), Some(to - from + 1));
            self.counters.gapped += to - from + 1;
            Event::Gap {
                room: room_name,
                epoch,
                bounds: Some((from, to)),
                count,
            }
        } else {
            let missed = &self.rooms[room][from as usize - 1..to as usize];
            let count = missed.iter().filter(|(author, _)| *author != who).count() as u64;
            self.counters.gapped += count;
            Event::Skipped {
                room: room_name,
                count,
            }
        };
        self.people[who].next.insert(room, to + 1);
        if !matches!(event, Event::Skipped { count: 0, .. }) {
            self.note(who, event);
        }
    }

    fn part_or_join(&mut self, who: usize, room: &'static str) {
        if who >= FULL {
            return;
        }
        if self.people[who].next.contains_key(room) {
            self.leave(who, room);
            let room = room.to_owned();
            self.note(who, Event::Parted { room });
        } else {
            self.join(who, room);
        }
    }

    fn leave(&mut self, who: usize, room: &'static str) {
        if let Some(next) = self.people[who].next.remove(room) {
            let epoch = self.epoch();
            let seq = next - 1;
            self.people[who]
                .left_at
                .insert(room, Position { epoch, seq });
        }
    }

    fn join(&mut self, who: usize, room: &'static str) {
        let since = self.people[who].left_at.get(room).cloned();
        let since = since.filter(|_| self.dice.below(2) == 0);
        self.join_since(who, room, since);
    }

    fn join_since(&mut self, who: usize, room: &'static str, since: Option<Position>) {
        let (name, head) = (room.to_owned(), self.head(room));
        let joining = Event::Joining {
            room: name.clone(),
            since: since.clone(),
        };
        let joined = Event::Joined {
            room: name.clone(),
            head: head.clone(),
            first: 1,
        };
        self.note(who, joining);
        self.note(who, joined);
        let next = match since {
            None => head.seq + 1,
            Some(since) if since.epoch == head.epoch => since.seq + 1,
            Some(_) => {
                let gap = Event::Gap {
                    room: name,
                    epoch: head.epoch,
                    bounds: None,
                    count: None,
                };
                self.note(who, gap);
                1
            }
        };
        self.people[who].next.insert(room, next);
    }

    fn whisper(&mut self, who: usize) {
        let to = self.dice.below(FULL);
        if who >= FULL || to == who {
            return;
        }
        self.people[who].count += 1;
        let text = format!("{who}-w{} psst", self.people[who].count);
        self.people[to].inbox.push_back((who, text.clone()));
        self.people[who]
            .delivered
            .push_back(id_of(&text).to_owned());
        let to = format!("person{to}");
        self.note(who, Event::Whisper { to, text });
    }

    fn hear_whisper(&mut self, who: usize) {
        if let Some((from, text)) = self.people[who].inbox.pop_front() {
            let username = format!("person{from}");
            self.note(who, Event::Whispered { username, text });
        }
        if let Some(id) = self.people[who].delivered.pop_front() {
            self.note(who, Event::Delivered { id });
        }
    }

    /// What comes after a number, or the latest.
    fn page(&mut self, who: usize, room: &'static str) {
        if who >= FULL || !self.people[who].next.contains_key(room) {
            return;
        }
        let head = self.rooms[room].len();
        let after = (self.dice.below(2) == 0).then(|| self.dice.below(head + 1) as u64);
        self.page_after(who, room, after);
    }

    fn page_after(&mut self, who: usize, room: &'static str, after: Option<u64>) -> bool {
        let (name, limit) = (room.to_owned(), PAGE);
        let paging = Event::Paging {
            room: name.clone(),
            after,
            limit,
        };
        self.note(who, paging);
        let log = &self.rooms[room];
        let from = after.unwrap_or((log.len() as u64).saturating_sub(PAGE)) as usize;
        let to = log.len().min(from + PAGE as usize);
        let more = match after {
            Some(_) => to < log.len(),
            None => from > 0,
        };
        let lines = log[from..to].iter().zip(from as u64 + 1..);
        let lines = lines.map(|((author, text), seq)| PageLine {
            seq,
            username: format!("person{author}"),
            text: text.clone(),
        });
        let page = Event::Page {
            room: name,
            epoch: self.epoch(),
            gap: None,
            lines: lines.collect(),
            more,
        };
        self.note(who, page);
        more
    }

    /// The daemon is killed in the middle of everything, starts again, and everybody comes back.
    fn restart(&mut self) {
        let mut stays = Vec::new();
        for who in 0..self.people.len() {
            if self.dice.below(2) == 0 {
                let line = "{\"type\":\"mess".to_owned();
                self.note(who, Event::Cut { line });
            }
            self.note(who, Event::Closed);
            let rooms: Vec<_> = ROOMS
                .into_iter()
                .filter(|room| self.people[who].next.contains_key(room))
                .collect();
            rooms.iter().for_each(|room| self.leave(who, room));
            let person = &mut self.people[who];
            person.sent.clear();
            person.to_ack.clear();
            person.inbox.clear();
            person.delivered.clear();
            person.has_heard = false;
            stays.push(rooms);
        }
        self.end_life("signal: 9 (SIGKILL)");
        if !self.durability.outlives_the_daemon() {
            self.rooms.values_mut().for_each(Vec::clear);
        }
        for (who, rooms) in stays.into_iter().enumerate() {
            let life = self.lives.len();
            self.note(who, Event::Connected { life });
            if who >= FULL {
                let next = self.head(ROOMS[0]).seq + 1;
                self.people[who].next.insert(ROOMS[0], next);
                continue;
            }
            for room in rooms {
                let since = self.people[who].left_at.get(room).cloned();
                self.join_since(who, room, since);
            }
            for (room, text) in self.people[who].unanswered.clone() {
                self.send_text(who, room, text);
            }
        }
    }

    fn end_life(&mut self, how: &str) {
        self.lives.push(Life {
            ended: how.to_owned(),
            expected: how.to_owned(),
            stderr: "ready\n".to_owned(),
        });
    }

    /// Everything is said, committed, acknowledged and heard; then the late reader comes.
    fn end(mut self) -> Record {
        for who in 0..self.people.len() {
            while !self.people[who].sent.is_empty() {
                self.commit(who);
            }
            while !self.people[who].to_ack.is_empty() {
                self.ack(who);
            }
            while !self.people[who].inbox.is_empty() || !self.people[who].delivered.is_empty() {
                self.hear_whisper(who);
            }
        }
        for (who, room) in (0..self.people.len()).flat_map(|who| ROOMS.map(|room| (who, room))) {
            while self.people[who]
                .next
                .get(room)
                .is_some_and(|next| *next <= self.rooms[room].len() as u64)
            {
                self.deliver(who, room);
            }
        }
        let witness = self.witness();
        let faults = self.lives.len();
        let rows = self
            .durability
            .outlives_the_daemon()
            .then(|| ROOMS.into_iter().flat_map(|room| self.rows(room)).collect());
        self.end_life("exit status: 0");
        Record {
            durability: self.durability,
            clients: self.people.into_iter().map(|person| person.log).collect(),
            witness,
            store: rows,
            counters: (faults == 0).then_some(self.counters),
            lives: self.lives,
            least: Least {
                faults,
                ..Least::default()
            },
        }
    }

    /// The late reader reads by joining `since` 0, or page by page, or both ways.
    fn witness(&mut self) -> Log {
        let late = self.people.len();
        self.people.push(Person::default());
        let ways = self.dice.below(3);
        let (by_pages, by_joining) = (ways != 0, ways != 1);
        for room in ROOMS {
            let head = self.head(room);
            let since = by_joining.then_some(Position { seq: 0, ..head });
            self.join_since(late, room, since);
            while self.people[late].next[room] <= self.rooms[room].len() as u64 {
                self.hear_late(late, room);
            }
            let mut after = 0;
            while by_pages && self.page_after(late, room, Some(after)) {
                after += PAGE;
            }
        }
        self.people.pop().unwrap().log
    }

    fn hear_late(&mut self, late: usize, room: &'static str) {
        let seq = self.people[late].next[room];
        let (author, text) = self.rooms[room][seq as usize - 1].clone();
        self.people[late].next.insert(room, seq + 1);
        let heard = Event::Heard {
            room: room.to_owned(),
            seq: Some(seq),
            id: Some(id_of(&text).to_owned()),
            username: format!("person{author}"),
            text,
        };
        self.note(late, heard);
    }

    fn rows(&self, room: &str) -> Vec<Row> {
        let epoch = self.epoch();
        let lines = self.rooms[room].iter().zip(1..);
        lines
            .map(|((author, text), seq)| Row {
                room: room.to_owned(),
                epoch: epoch.clone(),
                seq,
                username: format!("person{author}"),
                text: text.clone(),
                cid: Some(id_of(text).to_owned()),
            })
            .collect()
    }
}
