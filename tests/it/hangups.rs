//! Everybody hangs up at random, again and again, comes back `since`, and has missed nothing: neither
//! from memory, nor from the store, nor over the seam between them.

use futures_util::future::{LocalBoxFuture, join_all};
use rustix::process::Signal;
use tokio::sync::watch;

use crate::checker::{Durability, Least, Life, Log, Position, Record, tally};
use crate::dice::Dice;
use crate::harness::{Config, Daemon, alone};
use crate::load::{Clock, Full, Home, counters, end_in_peace, rows_of_store};

const ROOMS: [&str; 5] = ["lobby", "den", "hall", "attic", "cellar"];
/// Unanswered messages of one talker.
const WINDOW: usize = 16;

/// How large a play is.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Every fifth of them talks.
    clients: usize,
    messages: usize,
    hangups: usize,
}

const FULL_SIZE: Scale = Scale {
    clients: 100,
    messages: 20_000,
    hangups: 1_000,
};

const SMALL: Scale = Scale {
    clients: 50,
    messages: 4_000,
    hangups: 300,
};

#[tokio::test]
async fn whoever_hangs_up_at_random_hears_everything_in_order() {
    play(SMALL, 1).await;
}

#[tokio::test]
#[ignore = "a thousand times among a hundred; the seed is CHATD_SOAK_SEED"]
async fn a_thousand_hangups_among_a_hundred_lose_nothing() {
    let seed = std::env::var("CHATD_SOAK_SEED").unwrap_or_else(|_| "1".to_owned());
    play(FULL_SIZE, seed.parse().expect("a seed is a number")).await;
}

/// Those who listen are away while others talk, the daemon is killed, and everybody is back at once: from
/// the store alone, while the talk goes on.
#[tokio::test]
async fn after_a_kill_everybody_comes_back_at_once_and_has_missed_nothing() {
    const BEFORE: usize = 40;
    const AFTER: usize = 10;
    let scale = Scale {
        clients: 200,
        messages: (BEFORE + AFTER) * 200 / 5,
        hangups: 200,
    };
    let _alone = alone().await;
    let (mut chat, stage) = Stage::of(scale, 1).await;
    let mut clients = join_all((0..scale.clients).map(|n| stage.arrive(n))).await;
    join_all(clients.iter_mut().enumerate().map(async |(n, client)| {
        if is_talker(n) {
            stage.talk(client, n, BEFORE).await;
        } else {
            client.drop_connection();
        }
    }))
    .await;
    chat.signal(Signal::KILL);
    let ended = chat.exit().await.to_string();
    let killed = Life {
        expected: "signal: 9 (SIGKILL)".to_owned(),
        stderr: chat.start_again().await,
        ended,
    };
    stage.home.moves_to(chat.chat());
    join_all(clients.iter_mut().enumerate().map(async |(n, client)| {
        client.connect().await;
        if is_talker(n) {
            stage.talk(client, n, AFTER).await;
            client.wait_unacked(0).await;
        }
    }))
    .await;
    stage.is_judged(&chat, clients, Some(killed)).await;
}

async fn play(scale: Scale, seed: u64) {
    let _alone = alone().await;
    let (chat, stage) = Stage::of(scale, seed).await;
    let parts = (0..scale.clients).map(|n| -> LocalBoxFuture<'_, Full> {
        if is_talker(n) {
            Box::pin(stage.talker(n))
        } else {
            Box::pin(stage.listener(n))
        }
    });
    let clients = join_all(parts).await;
    stage.is_judged(&chat, clients, None).await;
}

struct Stage {
    home: Home,
    clock: Clock,
    /// How many messages were said.
    said: watch::Sender<usize>,
    scale: Scale,
    seed: u64,
}

impl Stage {
    /// Memory forgets soon: most of who comes back begins in the store.
    async fn of(scale: Scale, seed: u64) -> (Daemon, Self) {
        let config = Config::roomy()
            .limit("recent_messages", 100)
            .set("history.durability", "process");
        let chat = Daemon::start(config).await;
        let stage = Self {
            home: Home::from(chat.chat()),
            clock: Clock::default(),
            said: watch::Sender::new(0),
            scale,
            seed,
        };
        (chat, stage)
    }

    /// Everybody hears a last word in each room; then the late reader comes, and the judge. `killed` is
    /// the daemon's life before this one.
    async fn is_judged(&self, chat: &Daemon, mut clients: Vec<Full>, killed: Option<Life>) {
        let scale = self.scale;
        self.curtain(&mut clients).await;
        let witness = self.witness(&clients).await;
        let metrics = chat.metrics().await;
        let counters = match &killed {
            None => Some(counters(chat).await),
            Some(_) => None,
        };
        let record = Record {
            durability: Durability::Process,
            clients: clients.into_iter().map(Full::into_log).collect(),
            witness,
            counters,
            least: Least {
                faults: usize::from(killed.is_some()),
                acks: scale.messages,
                heard: scale.messages * scale.clients / ROOMS.len() / 2,
                resumes: scale.hangups,
                paged: scale.messages,
                ..Least::default()
            },
            lives: killed
                .into_iter()
                .chain([end_in_peace(chat).await])
                .collect(),
            store: rows_of_store(chat.dir(), Durability::Process),
        };
        let there_is = tally(&record);
        println!("{scale:?}: {there_is:?}");
        assert_eq!(record.judge("hangups"), "", "seed {}", self.seed);
        assert_eq!(there_is.gaps, 0, "nothing was missed: {there_is:?}");
        let replayed = metrics.value("chatd_replayed_total", &[]);
        assert!(replayed > scale.messages as f64 / 2.0, "{replayed}");
    }

    /// Says so many messages, a few of them unanswered at once.
    async fn talk(&self, client: &mut Full, n: usize, messages: usize) {
        for _ in 0..messages {
            client.publish(room_of(n)).await;
            client.wait_unacked(WINDOW).await;
        }
    }

    fn dice(&self, n: usize) -> Dice {
        Dice::new(self.seed.wrapping_mul(1000) + n as u64)
    }

    async fn arrive(&self, n: usize) -> Full {
        let mut client = Full::arrive(self.home.clone(), &self.clock, &format!("person{n}")).await;
        client.join(room_of(n), None).await;
        client
    }

    fn talkers(&self) -> usize {
        self.scale.clients.div_ceil(5)
    }

    /// Out of so many, in rising order, as often as everybody hangs up.
    fn moments(&self, dice: &mut Dice, of: usize) -> Vec<usize> {
        let times = self.scale.hangups.div_ceil(self.scale.clients);
        let mut moments: Vec<usize> = (0..times).map(|_| dice.below(of)).collect();
        moments.sort_unstable();
        moments
    }

    async fn reaches(&self, said: usize) {
        let mut now = self.said.subscribe();
        now.wait_for(|now| *now >= said).await.unwrap();
    }

    /// Says its share, hangs up in the middle of it, and says again what was not answered.
    async fn talker(&self, n: usize) -> Full {
        let mut dice = self.dice(n);
        let mut client = self.arrive(n).await;
        let share = self.scale.messages.div_ceil(self.talkers());
        let mut moments = self.moments(&mut dice, share).into_iter().peekable();
        for said in 0..share {
            while moments.next_if(|moment| *moment <= said).is_some() {
                client.connect().await;
            }
            client.publish(room_of(n)).await;
            self.said.send_modify(|said| *said += 1);
            client.wait_unacked(WINDOW).await;
        }
        client.wait_unacked(0).await;
        client
    }

    /// Hears what it can, hangs up, and is away while others talk.
    async fn listener(&self, n: usize) -> Full {
        let mut dice = self.dice(n);
        let mut client = self.arrive(n).await;
        let all = self.scale.messages;
        for moment in self.moments(&mut dice, all) {
            self.reaches(moment).await;
            client.drop_connection();
            self.reaches((moment + dice.below(all / 50)).min(all)).await;
            client.connect().await;
        }
        client
    }

    /// One last message in each room, and everybody hears it.
    async fn curtain(&self, clients: &mut [Full]) {
        for room in 0..ROOMS.len() {
            let speaker = &mut clients[self.speaker(room)];
            let id = speaker.publish(ROOMS[room]).await;
            speaker.wait_unacked(0).await;
            speaker.wait_heard(&id).await;
            let head = speaker.position(ROOMS[room]).unwrap().seq;
            for (n, client) in clients.iter().enumerate() {
                if room_of(n) == ROOMS[room] {
                    client.wait_position(ROOMS[room], head).await;
                }
            }
        }
    }

    /// A talker of this room.
    fn speaker(&self, room: usize) -> usize {
        (0..self.scale.clients)
            .find(|n| room_of(*n) == ROOMS[room])
            .expect("somebody is in every room")
    }

    /// The late reader hears every room from its first number, and reads its pages.
    async fn witness(&self, clients: &[Full]) -> Log {
        let mut witness = Full::arrive(self.home.clone(), &self.clock, "witness").await;
        for (room, name) in ROOMS.into_iter().enumerate() {
            let head = clients[self.speaker(room)].position(name).unwrap();
            let first = Position {
                seq: 0,
                ..head.clone()
            };
            witness.join(name, Some(first)).await;
            witness.wait_position(name, head.seq).await;
            assert!(witness.read_history(name, head.seq).await);
        }
        witness.into_log()
    }
}

fn is_talker(n: usize) -> bool {
    n.is_multiple_of(5)
}

/// Talkers and listeners are spread over all rooms.
fn room_of(n: usize) -> &'static str {
    ROOMS[(n / 5 + n) % ROOMS.len()]
}
