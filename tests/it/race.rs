//! Joins and parts into a room under full load, and a very large room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use tokio::task::JoinSet;

use crate::checker::{Log, Position, Record, tally};
use crate::harness::{Config, Daemon, Peer, alone};
use crate::load::{Clock, Full, counters};

const ROOM: &str = "station";

#[tokio::test]
async fn a_thousand_joins_and_parts_under_load_miss_nothing() {
    const JOINERS: usize = 20;
    const CYCLES: usize = 50;
    let _alone = alone().await;
    let chat = Daemon::start(
        Config::roomy()
            .limit("recent_bytes", "64MiB")
            .limit("recent_messages", 1_000_000),
    )
    .await;
    let clock = Clock::default();
    let is_over = AtomicBool::new(false);

    let publisher = async |n: usize| {
        let mut client = Full::arrive(chat.chat(), &clock, &format!("pub{n}")).await;
        client.join(ROOM, None).await;
        while !is_over.load(Ordering::Relaxed) {
            client.publish(ROOM).await;
            client.wait_unacked(16).await;
        }
        client.wait_unacked(0).await;
        client
    };
    let left = AtomicUsize::new(JOINERS);
    let joiner = async |n: usize| {
        let mut client = Full::arrive(chat.chat(), &clock, &format!("join{n}")).await;
        let mut left_off = None;
        for cycle in 0..CYCLES {
            let since = left_off.filter(|_| (n + cycle).is_multiple_of(2));
            client.join(ROOM, since).await;
            let head = client.position(ROOM).unwrap().seq;
            client
                .wait_position(ROOM, head + 1 + (cycle % 7) as u64)
                .await;
            left_off = client.part(ROOM).await;
        }
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            is_over.store(true, Ordering::Relaxed);
        }
        client
    };
    let (publishers, joiners) = tokio::join!(
        join_all((0..4).map(publisher)),
        join_all((0..JOINERS).map(joiner))
    );

    let record = end(&chat, &clock, publishers, joiners).await;
    assert_eq!(record.judge("race"), "");
    let there_is = tally(&record);
    assert!(there_is.resumes >= JOINERS * CYCLES / 3, "{there_is:?}");
    assert!(
        there_is.logged >= 1000 && there_is.heard > there_is.logged,
        "{there_is:?}"
    );
}

async fn end(
    chat: &Daemon,
    clock: &Clock,
    mut publishers: Vec<Full>,
    joiners: Vec<Full>,
) -> Record {
    let id = publishers[0].publish(ROOM).await;
    publishers[0].wait_heard(&id).await;
    publishers[0].wait_unacked(0).await;
    let head = publishers[0].position(ROOM).unwrap();
    for client in &publishers {
        client.wait_position(ROOM, head.seq).await;
    }
    let mut witness = Full::arrive(chat.chat(), clock, "witness").await;
    witness
        .join(
            ROOM,
            Some(Position {
                epoch: head.epoch,
                seq: 0,
            }),
        )
        .await;
    witness.wait_position(ROOM, head.seq).await;
    let clients: Vec<Log> = publishers
        .into_iter()
        .chain(joiners)
        .map(Full::into_log)
        .collect();
    Record {
        clients,
        witness: witness.into_log(),
        counters: Some(counters(chat).await),
        ..Record::default()
    }
}

#[tokio::test]
async fn ten_thousand_people_in_one_room() {
    const CROWD: usize = 10_000;
    const LINE_BOUND: usize = 16 * 1024 + 1024;
    let _alone = alone().await;
    let config = Config::roomy()
        .limit("ping_interval", "1h")
        .limit("clients", 10_100)
        .limit("listeners", 10_100);
    let chat = Daemon::start(config).await;

    let presence = Arc::new(AtomicUsize::new(0));
    let heard = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    let mut last = None;
    for n in 0..CROWD {
        let mut peer = chat.stranger().await;
        peer.request("hello", json!({ "username": format!("person{n}") }))
            .await;
        peer.request("join", json!({ "room": "square" })).await;
        peer.hears_type("welcome").await;
        let joined = peer.line().await;
        assert!(joined.contains(r#""type":"joined""#), "{joined:.200}");
        assert!(joined.len() <= LINE_BOUND, "{} bytes", joined.len());
        assert!(
            joined.contains(&format!(r#""members_total":{}"#, n + 1)),
            "{joined:.200}"
        );
        if n + 1 < CROWD {
            crowd.spawn(wait_for_the_speech(
                peer,
                Arc::clone(&presence),
                Arc::clone(&heard),
            ));
        } else {
            last = Some(peer);
        }
    }

    let rows = chat.listed().await;
    assert_eq!(rows.len(), CROWD, "chatctl lists everybody");
    let mut speaker = last.unwrap();
    speaker
        .request("message", json!({ "room": "square", "message": "speech" }))
        .await;
    while crowd.join_next().await.is_some() {}
    assert_eq!(heard.load(Ordering::Relaxed), CROWD - 1);

    // While there are at most 200 members they are told of each other's coming, and those who come
    // before such news is through the queue hear it too; then the room is silent about it.
    const PRESENCE_MEMBERS: usize = 200;
    let told = presence.load(Ordering::Relaxed);
    assert!(told > 0, "the first members are told");
    assert!(
        told <= PRESENCE_MEMBERS * PRESENCE_MEMBERS,
        "{told} lines of presence"
    );
    assert_eq!(
        chat.metrics().await.sum("chatd_gap_messages_total", &[]),
        0.0
    );
}

async fn wait_for_the_speech(mut peer: Peer, presence: Arc<AtomicUsize>, heard: Arc<AtomicUsize>) {
    while let Some(line) = peer.line_with_any_patience().await {
        if line.contains(r#""type":"presence""#) {
            presence.fetch_add(1, Ordering::Relaxed);
        } else if line.contains(r#""message":"speech""#) {
            heard.fetch_add(1, Ordering::Relaxed);
            return;
        } else {
            assert!(line.contains(r#""type":"ping""#), "{line:.200}");
            peer.say(r#"{"type":"pong"}"#).await;
        }
    }
    panic!("the connection ended before the speech");
}
