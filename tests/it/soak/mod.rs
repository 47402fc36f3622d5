//! Nothing is lost in silence, however the daemon ends: it is killed and stopped in the middle of
//! everything, again and again, and what its clients wrote down goes before the judge.
//!
//! `cargo it --ignored soak` is the long run; what it is made of, the environment says
//! (`CHATD_SOAK_CYCLES`, `CHATD_SOAK_SEED`, `CHATD_SOAK_DURABILITY`, `CHATD_SOAK_FAULTS`: see `plan`).
//! The record of each run lies in `target/tmp/records` until the next one. `CHATD_RECORD=FOLDER cargo
//! it --ignored a_record_on_disk` judges it again.

mod cast;
mod plan;

use std::path::Path;

use futures_util::future::{LocalBoxFuture, join_all};
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::watch;

use crate::checker::{Durability, Least, Life, Record, tally};
use crate::dice::Dice;
use crate::harness::{Daemon, alone, within};
use crate::load::{
    Actor, Clock, Home, Voice, counters, curtain, end_in_peace, rows_of_store, witness,
};
use cast::{PUBLISHERS, READERS, ROOMS, Stage, TWO_FIELDS};
use plan::{Fault, Plan};

/// Acks of each cycle at least, before something goes wrong.
const ACKS: usize = 200;

#[tokio::test]
async fn killed_again_and_again_it_tells_everyone_what_is_new() {
    run(Plan::short("killed", 6, Fault::Kill)).await;
}

#[tokio::test]
async fn killed_again_and_again_it_has_lost_nothing_that_was_acknowledged() {
    let durability = Durability::Process;
    run(Plan {
        durability,
        ..Plan::short("kept", 6, Fault::Kill)
    })
    .await;
}

#[tokio::test]
async fn stopped_and_continued_it_loses_nothing() {
    run(Plan::short("stopped", 4, Fault::Stop)).await;
}

#[tokio::test]
async fn people_come_and_go_and_are_thrown_out() {
    run(Plan::short("company", 6, Fault::Nothing)).await;
}

/// What is heard before it is kept may never have been said, once the daemon is killed: and only a kill
/// can show it.
#[cfg(feature = "test-faults")]
#[tokio::test]
async fn a_message_that_is_heard_before_the_commit_is_found() {
    use crate::checker::{Rule, check};
    let _alone = alone().await;
    let is_it = |rule| [Rule::Disagreement, Rule::StaleHead].contains(&rule);
    // A kill shows it only where it falls between the two, and what comes after has another order.
    for seed in 1..=10 {
        let plan = Plan {
            durability: Durability::Process,
            sabotage: Some("deliver_before_commit,commit_delay=10ms"),
            seed,
            ..Plan::short("heard-too-early", 5, Fault::Kill)
        };
        let broken = check(&play(&plan).await);
        if broken.iter().any(|found| is_it(found.rule)) {
            return;
        }
    }
    panic!("fifty kills did not show it");
}

#[tokio::test]
#[ignore = "as long as CHATD_SOAK_CYCLES says"]
async fn soak() {
    run(Plan::of_environment()).await;
}

#[tokio::test]
#[ignore = "judges the record in the folder CHATD_RECORD"]
async fn a_record_on_disk() {
    let folder = std::env::var("CHATD_RECORD").expect("CHATD_RECORD names a folder");
    let record = Record::read(Path::new(&folder)).unwrap();
    println!("{:?}", tally(&record));
    assert_eq!(record.judge("judged-again"), "");
}

/// Plays, writes the record down, reads it back and judges what is on disk.
async fn run(plan: Plan) {
    let _alone = alone().await;
    let record = play(&plan).await;
    let folder = Record::folder(plan.name);
    record.write(&folder).unwrap();
    let record = Record::read(&folder).unwrap();
    println!("{plan:?}: {:?}", tally(&record));
    assert_eq!(record.judge(plan.name), "", "{plan:?}");
}

async fn play(plan: &Plan) -> Record {
    let sabotage = plan.sabotage.map(|fault| ("CHATD_FAULT", fault));
    let mut chat = Daemon::start_with(plan.config(), sabotage.as_slice()).await;
    let stage = Stage {
        home: Home::from(chat.chat()),
        clock: Clock::default(),
        over: watch::Sender::new(false),
        seed: plan.seed,
    };
    let mut parts: Vec<LocalBoxFuture<'_, Actor>> = Vec::new();
    for n in 0..PUBLISHERS {
        parts.push(Box::pin(stage.publisher(n)));
    }
    for n in 0..READERS {
        parts.push(Box::pin(stage.reader(n)));
    }
    for n in 0..TWO_FIELDS {
        parts.push(Box::pin(stage.two_fields(Voice::Basic, n)));
        parts.push(Box::pin(stage.two_fields(Voice::Text, n)));
    }
    parts.push(Box::pin(stage.visitor()));
    let (mut actors, mut lives) = tokio::join!(join_all(parts), direct(&mut chat, &stage, plan));

    curtain(&mut actors, &ROOMS).await;
    let witness = witness(stage.home.clone(), &stage.clock, &actors, &ROOMS).await;
    let clients = actors.into_iter().map(Actor::into_log).collect();
    let counters = if lives.is_empty() {
        Some(counters(&chat).await)
    } else {
        None
    };
    let kills = lives.len();
    lives.push(end_in_peace(&chat).await);
    Record {
        durability: plan.durability,
        clients,
        witness,
        store: rows_of_store(chat.dir(), plan.durability),
        counters,
        lives,
        least: Least {
            faults: kills,
            acks: plan.cycles * ACKS,
            unanswered: kills.min(1),
            heard: plan.cycles * ACKS,
            resumes: plan.cycles,
            // What was said before a restart is gone where nothing is kept.
            paged: if plan.durability.outlives_the_daemon() || kills == 0 {
                plan.cycles * ACKS
            } else {
                ROOMS.len()
            },
            ..Least::default()
        },
    }
}

/// Lets something go wrong in each cycle. Every life of the daemon but the last.
async fn direct(chat: &mut Daemon, stage: &Stage, plan: &Plan) -> Vec<Life> {
    let mut dice = Dice::new(plan.seed);
    let mut lives = Vec::new();
    for _ in 0..plan.cycles {
        let begin = stage.home.acks();
        let half = begin + (ACKS / 2) as u64;
        within("half a cycle's acks", stage.home.reaches(half)).await;
        let name = format!("reader{}", dice.below(READERS));
        chat.try_ask("clients.kick", json!({ "filter": { "username": name } }))
            .await;
        let full = begin + (ACKS + dice.below(ACKS)) as u64;
        within("a cycle's acks", stage.home.reaches(full)).await;
        match dice.pick(&plan.faults).copied() {
            Some(Fault::Kill) => {
                chat.signal(Signal::KILL);
                let ended = chat.exit().await.to_string();
                lives.push(Life {
                    expected: "signal: 9 (SIGKILL)".to_owned(),
                    stderr: chat.start_again().await,
                    ended,
                });
                stage.home.moves_to(chat.chat());
            }
            Some(Fault::Stop) => {
                chat.signal(Signal::STOP);
                let share = 1 + dice.below(10) as u32;
                // The length of the fault itself.
                tokio::time::sleep(Plan::LONGEST_STOP * share / 10).await;
                chat.signal(Signal::CONT);
            }
            Some(Fault::Nothing) | None => {}
        }
    }
    stage.over.send_replace(true);
    lives
}
