//! Order and honesty: many clients of all dialects, with stalls and resumes, before the judge.

use futures_util::future::{BoxFuture, FutureExt, join_all};
use tokio::sync::watch;

use crate::checker::{Durability, Event, Record, tally};
use crate::harness::{Config, Daemon, alone};
use crate::load::{
    Actor, Clock, Full, Stall, TwoFields, Voice, counters, curtain, rows_of_store, witness,
};

const ROOMS: [&str; 5] = ["lobby", "den", "hall", "attic", "cellar"];

/// How large a play is.
#[derive(Clone, Copy)]
struct Scale {
    /// Full clients that say something; every fourth of them loses its connection now and then.
    publishers: usize,
    /// Full clients that listen and stop reading now and then.
    stalling: usize,
    /// Full clients that listen, hang up and come back `since`.
    resuming: usize,
    /// Full clients that only listen.
    listening: usize,
    /// Basic and text clients, so many of each; the first two of each kind say something.
    two_fields: usize,
    /// Messages in all.
    messages: usize,
    /// How often each stalling client stalls.
    stalls: usize,
    /// How often each resuming client resumes.
    resumes: usize,
    /// How often somebody joins right after an ack.
    knocks: usize,
}

const FULL_SIZE: Scale = Scale {
    publishers: 16,
    stalling: 10,
    resuming: 11,
    listening: 21,
    two_fields: 20,
    messages: 20_000,
    stalls: 2,
    resumes: 5,
    knocks: 100,
};

/// Small enough to be run often, large enough that every fault shows.
#[cfg(feature = "test-faults")]
const SMALL: Scale = Scale {
    publishers: 4,
    stalling: 5,
    resuming: 5,
    listening: 3,
    two_fields: 3,
    messages: 6_000,
    stalls: 2,
    resumes: 4,
    knocks: 100,
};

fn config() -> Config {
    Config::roomy()
        .set("history.durability", "process")
        .limit("socket_buffer", "8KiB")
        .limit("lag_bytes", "32KiB")
        .limit("recent_bytes", "8MiB")
        .limit("write_stall", "120s")
        .limit("ping_interval", "1h")
}

#[tokio::test]
async fn everyone_hears_everything_once_in_one_order_or_is_told() {
    let _alone = alone().await;
    let chat = Daemon::start(config()).await;
    let played = play(&chat, FULL_SIZE).await;

    assert_eq!(played.violations(), "");
    let there_is = tally(&played.record);
    assert!(played.clients() >= 100, "{}", played.clients());
    assert!(there_is.logged >= 20_000, "{there_is:?}");
    assert!(there_is.heard >= 200_000, "{there_is:?}");
    assert!(played.stalls >= 20, "{}", played.stalls);
    assert!(there_is.resumes >= 50, "{there_is:?}");
    assert!(there_is.gaps >= 1, "{there_is:?}");
    let metrics = chat.metrics().await;
    assert!(
        metrics.sum("chatd_fell_behind_total", &[]) >= 20.0,
        "stalls that nobody noticed"
    );
    assert!(metrics.sum("chatd_gap_messages_total", &[]) >= there_is.skipped as f64);
    assert!(metrics.sum("chatd_messages_received_total", &["room"]) >= there_is.logged as f64);
}

#[tokio::test]
async fn the_shipped_defaults_keep_order_too() {
    let _alone = alone().await;
    let chat = Daemon::start(Config::shipped()).await;
    let scale = Scale {
        publishers: 8,
        stalling: 2,
        resuming: 3,
        listening: 10,
        two_fields: 4,
        messages: 1_500,
        stalls: 1,
        resumes: 2,
        knocks: 10,
    };
    let played = play(&chat, scale).await;
    assert_eq!(played.violations(), "");
    assert!(tally(&played.record).logged >= 1_500);
}

/// A judge that lets a broken daemon pass is no judge.
#[cfg(feature = "test-faults")]
mod broken_daemons {
    use super::*;
    use crate::checker::{Rule, check};

    async fn breaks(fault: &str, expected: &[Rule]) {
        let _alone = alone().await;
        let chat = Daemon::start_with(config(), &[("CHATD_FAULT", fault)]).await;
        let played = play(&chat, SMALL).await;
        let broken = check(&played.record);
        assert!(
            broken.iter().any(|found| expected.contains(&found.rule)),
            "{fault}: {broken:?}"
        );
    }

    #[tokio::test]
    async fn a_gap_that_is_not_sent_is_found() {
        breaks("gap_not_sent", &[Rule::Hole]).await;
    }

    #[tokio::test]
    async fn a_resume_that_is_off_by_one_is_found() {
        breaks(
            "resume_off_by_one",
            &[Rule::Hole, Rule::Order, Rule::Witness],
        )
        .await;
    }

    #[tokio::test]
    async fn an_ack_before_the_commit_is_found() {
        breaks(
            "ack_before_commit,commit_delay=5ms",
            &[Rule::StaleHead, Rule::Lost, Rule::RealTime],
        )
        .await;
    }

    #[tokio::test]
    async fn a_message_that_is_written_twice_after_a_replay_is_found() {
        breaks("catch_up_twice", &[Rule::Order]).await;
    }

    #[tokio::test]
    async fn messages_in_the_wrong_order_are_found() {
        breaks("batch_reordered", &[Rule::Order]).await;
    }

    #[tokio::test]
    async fn a_retry_that_is_numbered_again_is_found() {
        breaks("dedup_ignored", &[Rule::Twice]).await;
    }
}

/// What a play leaves behind.
struct Played {
    record: Record,
    stalls: usize,
}

impl Played {
    fn violations(&self) -> String {
        let mut stories = self.record.judge("order");
        for log in &self.record.clients {
            for entry in &log.entries {
                if let Event::Bye { code } = &entry.event {
                    stories += &format!("{} was sent away: {code}\n", log.username);
                }
            }
        }
        stories
    }

    fn clients(&self) -> usize {
        self.record.clients.len()
    }
}

/// How far the play is, in messages said.
#[derive(Clone)]
struct Progress(watch::Sender<usize>);

impl Progress {
    fn step(&self) {
        self.0.send_modify(|said| *said += 1);
    }

    async fn reaches(&self, said: usize) {
        let mut progress = self.0.subscribe();
        progress.wait_for(|now| *now >= said).await.unwrap();
    }
}

async fn play(chat: &Daemon, scale: Scale) -> Played {
    let (clock, progress) = (Clock::default(), Progress(watch::Sender::new(0)));
    let stage = Stage {
        chat,
        clock: &clock,
        progress: &progress,
        scale,
    };

    let mut roles: Vec<BoxFuture<'_, Actor>> = Vec::new();
    roles.extend((0..scale.publishers).map(|n| stage.publisher(n).boxed()));
    roles.extend((0..scale.stalling).map(|n| stage.stalling(n).boxed()));
    roles.extend((0..scale.resuming).map(|n| stage.resuming(n).boxed()));
    roles.extend((0..scale.listening).map(|n| stage.listening(n).boxed()));
    roles.extend((0..scale.two_fields).map(|n| stage.two_fields(Voice::Basic, n).boxed()));
    roles.extend((0..scale.two_fields).map(|n| stage.two_fields(Voice::Text, n).boxed()));
    let (mut actors, knockers) = tokio::join!(join_all(roles), stage.knocking());
    actors.extend(knockers);

    curtain(&mut actors, &ROOMS).await;
    let witness = witness(chat.chat(), &clock, &actors, &ROOMS).await;
    let clients = actors.into_iter().map(Actor::into_log).collect();
    Played {
        record: Record {
            clients,
            witness,
            durability: Durability::Process,
            store: rows_of_store(chat.dir(), Durability::Process),
            counters: Some(counters(chat).await),
            ..Record::default()
        },
        stalls: scale.stalling * scale.stalls,
    }
}

/// What every role needs to know.
#[derive(Clone, Copy)]
struct Stage<'a> {
    chat: &'a Daemon,
    clock: &'a Clock,
    progress: &'a Progress,
    scale: Scale,
}

impl Stage<'_> {
    async fn full(&self, username: String, rooms: &[&'static str]) -> Full {
        let mut client = Full::arrive(self.chat.chat(), self.clock, &username).await;
        for room in rooms {
            client.join(room, None).await;
        }
        client
    }

    /// How many messages each of the talkative says.
    fn share(&self) -> usize {
        self.scale.messages.div_ceil(self.scale.publishers + 4)
    }

    async fn publisher(self, n: usize) -> Actor {
        const WINDOW: usize = 32;
        let rooms = vec![ROOMS[n % 5]];
        let mut client = self.full(format!("pub{n}"), &rooms).await;
        let share = self.share();
        for said in 1..=share {
            client.publish(rooms[0]).await;
            self.progress.step();
            if n % 4 == 1 && said % (share / 4).max(1) == 0 {
                client.connect().await;
            }
            client.wait_unacked(WINDOW).await;
        }
        client.wait_unacked(0).await;
        Actor::Full(client, rooms)
    }

    async fn stalling(self, n: usize) -> Actor {
        let rooms = vec![ROOMS[n % 5], ROOMS[(n + 1) % 5]];
        let client = self.full(format!("stall{n}"), &rooms).await;
        self.stall(&client.stall, n).await;
        Actor::Full(client, rooms)
    }

    /// Stops reading for a fifth of the play, as often as the scale says.
    async fn stall(&self, stall: &Stall, n: usize) {
        let (all, times) = (self.scale.messages, self.scale.stalls);
        for time in 0..times {
            let from = all * time / times + all / times / 20 * (n % 4);
            self.progress.reaches(from).await;
            stall.begin();
            self.progress.reaches(from + all / times * 2 / 5).await;
            stall.end();
        }
    }

    async fn resuming(self, n: usize) -> Actor {
        let rooms = vec![ROOMS[n % 5]];
        let mut client = self.full(format!("resume{n}"), &rooms).await;
        let (all, times) = (self.scale.messages, self.scale.resumes);
        for time in 0..times {
            let from = all * time / times + n * all / 200;
            self.progress.reaches(from.min(all - all / 20)).await;
            client.drop_connection();
            self.progress.reaches((from + all / 50).min(all)).await;
            client.connect().await;
        }
        Actor::Full(client, rooms)
    }

    async fn listening(self, n: usize) -> Actor {
        let rooms = vec![ROOMS[n % 5]];
        Actor::Full(self.full(format!("full{n}"), &rooms).await, rooms)
    }

    async fn two_fields(self, voice: Voice, n: usize) -> Actor {
        let username = format!("{voice:?}{n}").to_lowercase();
        let server = self.chat.chat();
        let mut client = TwoFields::arrive(server, self.clock, voice, ROOMS[0], &username).await;
        if n < 2 {
            for _ in 0..self.share() {
                client.publish().await;
                self.progress.step();
                tokio::task::yield_now().await;
            }
        } else if n == 2 {
            self.stall(&client.stall, n).await;
        }
        Actor::TwoFields(client)
    }

    /// One speaks, and as soon as that is acknowledged another joins: it must find it said.
    async fn knocking(self) -> Vec<Actor> {
        let rooms = vec![ROOMS[1]];
        let mut speaker = self.full("speaker".to_owned(), &rooms).await;
        let mut knocker = self.full("knocker".to_owned(), &[]).await;
        for _ in 0..self.scale.knocks {
            speaker.publish(rooms[0]).await;
            speaker.wait_unacked(0).await;
            knocker.join(rooms[0], None).await;
            knocker.part(rooms[0]).await;
        }
        vec![Actor::Full(speaker, rooms), Actor::Full(knocker, vec![])]
    }
}
