//! Records that keep every rule: a toy server and a few clients, driven by dice.

use std::collections::{HashMap, VecDeque};

use super::log::{Dialect, Entry, Event, Log, Position, Record, id_of};

/// Dice that fall the same way for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `sides`.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % sides as u64) as usize
    }

    /// One of these.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            None
        } else {
            items.get(self.below(items.len()))
        }
    }
}

const ROOMS: [&str; 2] = ["den", "hall"];
const FULL: usize = 4;
const TWO_FIELDS: usize = 2;

/// A toy server that is right by its plainness.
struct World {
    dice: Dice,
    clock: u64,
    rooms: HashMap<&'static str, Vec<(usize, String)>>,
    people: Vec<Person>,
}

#[derive(Default)]
struct Person {
    log: Log,
    sent: VecDeque<(&'static str, String)>,
    to_ack: VecDeque<(&'static str, u64, String)>,
    /// The next number of each room that this person is in.
    next: HashMap<&'static str, u64>,
    left_at: HashMap<&'static str, u64>,
    count: usize,
}

/// A record that keeps every rule.
pub(super) fn record(seed: u64) -> Record {
    let mut world = World::new(seed);
    for _ in 0..1000 {
        world.turn();
    }
    world.end()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            dice: Dice::new(seed),
            clock: 0,
            rooms: ROOMS.map(|room| (room, Vec::new())).into(),
            people: (0..FULL + TWO_FIELDS).map(|_| Person::default()).collect(),
        };
        for who in 0..world.people.len() {
            world.people[who].log.username = format!("person{who}");
            world.note(who, Event::Connected);
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
        self.people[who].log.entries.push(Entry {
            at: self.clock,
            event,
        });
    }

    fn turn(&mut self) {
        let who = self.dice.below(self.people.len());
        let room = if who < FULL {
            ROOMS[self.dice.below(2)]
        } else {
            ROOMS[0]
        };
        match self.dice.below(16) {
            0..3 => self.send(who, room),
            3..6 => self.commit(who),
            6..8 => self.ack(who),
            8 => self.gap(who, room),
            9 => self.part_or_join(who, room),
            _ => self.deliver(who, room),
        }
    }

    fn send(&mut self, who: usize, room: &'static str) {
        self.people[who].count += 1;
        let text = format!(
            "{who}-{} words {}",
            self.people[who].count,
            self.dice.below(1000)
        );
        self.people[who].sent.push_back((room, text.clone()));
        self.note(
            who,
            Event::Send {
                room: room.to_owned(),
                text,
            },
        );
    }

    fn commit(&mut self, who: usize) {
        let Some((room, text)) = self.people[who].sent.pop_front() else {
            return;
        };
        let log = self.rooms.get_mut(room).unwrap();
        let id = id_of(&text).to_owned();
        log.push((who, text));
        self.people[who]
            .to_ack
            .push_back((room, log.len() as u64, id));
    }

    fn ack(&mut self, who: usize) {
        let Some((room, seq, id)) = self.people[who].to_ack.pop_front() else {
            return;
        };
        if who < FULL {
            let at = Position {
                epoch: "e".to_owned(),
                seq,
            };
            self.note(
                who,
                Event::Ack {
                    id,
                    room: room.to_owned(),
                    at,
                },
            );
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
        if behind < 3 || (who >= FULL && from == 1) {
            return;
        }
        let to = from + self.dice.below(behind as usize - 1) as u64;
        let room_name = room.to_owned();
        let event = if who < FULL {
            let (epoch, count) = ("e".to_owned(), Some(to - from + 1));
            Event::Gap {
                room: room_name,
                epoch,
                bounds: Some((from, to)),
                count,
            }
        } else {
            let missed = &self.rooms[room][from as usize - 1..to as usize];
            let count = missed.iter().filter(|(author, _)| *author != who).count() as u64;
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
        match self.people[who].next.remove(room) {
            Some(next) => {
                self.people[who].left_at.insert(room, next - 1);
                self.note(
                    who,
                    Event::Parted {
                        room: room.to_owned(),
                    },
                );
            }
            None => self.join(who, room),
        }
    }

    fn join(&mut self, who: usize, room: &'static str) {
        let head = Position {
            epoch: "e".to_owned(),
            seq: self.rooms[room].len() as u64,
        };
        let left_at = self.people[who].left_at.get(room).copied();
        let since = left_at.filter(|_| self.dice.below(2) == 0);
        let since = since.map(|seq| Position {
            epoch: "e".to_owned(),
            seq,
        });
        let next = since.as_ref().unwrap_or(&head).seq + 1;
        self.note(
            who,
            Event::Joining {
                room: room.to_owned(),
                since,
            },
        );
        self.note(
            who,
            Event::Joined {
                room: room.to_owned(),
                head,
                first: 1,
            },
        );
        self.people[who].next.insert(room, next);
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
        let late = self.people.len();
        self.people.push(Person::default());
        for room in ROOMS {
            let head = Position {
                epoch: "e".to_owned(),
                seq: self.rooms[room].len() as u64,
            };
            let since = Some(Position {
                seq: 0,
                ..head.clone()
            });
            self.note(
                late,
                Event::Joining {
                    room: room.to_owned(),
                    since,
                },
            );
            self.note(
                late,
                Event::Joined {
                    room: room.to_owned(),
                    head,
                    first: 1,
                },
            );
            for (seq, (author, text)) in (1..).zip(self.rooms[room].clone()) {
                let (id, username) = (Some(id_of(&text).to_owned()), format!("person{author}"));
                let (room, seq) = (room.to_owned(), Some(seq));
                self.note(
                    late,
                    Event::Heard {
                        room,
                        seq,
                        id,
                        username,
                        text,
                    },
                );
            }
        }
        let witness = self.people.pop().unwrap().log;
        Record {
            clients: self.people.into_iter().map(|person| person.log).collect(),
            witness,
        }
    }
}
