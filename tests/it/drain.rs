//! TERM among a hundred busy clients: what was acknowledged is heard by everyone, then `bye`.

use futures_util::future::join_all;
use rustix::process::Signal;

use crate::checker::{Entry, Event, Log, Position, Record, tally};
use crate::harness::{Config, Daemon, alone, until};
use crate::load::{Clock, Full, TwoFields, Voice};

const ROOM: &str = "lobby";
const FULL: usize = 60;
const TALKING: usize = 20;
const TWO_FIELDS: usize = 20;

#[tokio::test]
async fn everyone_hears_what_was_acknowledged_and_then_bye() {
    let _alone = alone().await;
    let chat = Daemon::start(Config::roomy()).await;
    let clock = Clock::default();
    let (mut full, mut others) = (Vec::new(), Vec::new());
    for n in 0..FULL {
        let mut client = Full::arrive(chat.chat(), &clock, &format!("full{n}")).await;
        client.join(ROOM, None).await;
        full.push(client);
    }
    for n in 0..TWO_FIELDS {
        for voice in [Voice::Basic, Voice::Text] {
            let name = format!("{voice:?}{n}").to_lowercase();
            others.push(TwoFields::arrive(chat.chat(), &clock, voice, ROOM, &name).await);
        }
    }

    let talk = async |client: &mut Full| {
        while !client.is_closed() {
            client.publish(ROOM).await;
            client.wait_unacked(3).await;
        }
    };
    let stop = async {
        chat_is_busy(&chat).await;
        chat.signal(Signal::TERM);
    };
    tokio::join!(join_all(full.iter_mut().take(TALKING).map(talk)), stop);

    for client in &full {
        assert_eq!(
            client.wait_end().await.as_deref(),
            Some("server_shutdown"),
            "{}",
            client.username
        );
    }
    join_all(others.iter().map(TwoFields::wait_end)).await;
    assert_eq!(chat.exit().await.code(), Some(0));
    let mut logs: Vec<Log> = full.into_iter().map(Full::into_log).collect();
    logs.extend(others.into_iter().map(TwoFields::into_log));
    judge(logs);
}

async fn chat_is_busy(chat: &Daemon) {
    until("two thousand messages", async || {
        let received = chat
            .metrics()
            .await
            .sum("chatd_messages_received_total", &["room"]);
        (received >= 2000.0).then_some(())
    })
    .await;
}

/// The daemon is gone; a client that heard the room from its first number stands for the log.
fn judge(clients: Vec<Log>) {
    let witness = from_the_first(&clients[FULL - 1]);
    let record = Record {
        clients,
        witness,
        ..Record::default()
    };
    assert_eq!(record.judge("drain"), "");
    let there_is = tally(&record);
    assert!(
        there_is.acks >= 1000 && there_is.heard >= 100 * 1000,
        "{there_is:?}"
    );

    let acks = record
        .clients
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| match &entry.event {
            Event::Ack { at, .. } => Some(at.seq),
            _ => None,
        });
    let last_acked = acks.max().unwrap();
    let text_of = |wanted: u64| {
        record
            .witness
            .entries
            .iter()
            .find_map(|entry| match &entry.event {
                Event::Heard { seq, text, .. } if *seq == Some(wanted) => Some(text.clone()),
                _ => None,
            })
    };
    let last_text = text_of(last_acked).expect("what was acknowledged is heard");
    for log in &record.clients {
        let heard = log
            .entries
            .iter()
            .any(|entry| matches!(&entry.event, Event::Heard { text, .. } if *text == last_text));
        assert!(
            heard,
            "{} never heard {last_acked}, which was acknowledged",
            log.username
        );
        let farewell = log
            .entries
            .iter()
            .any(|entry| matches!(entry.event, Event::Bye { .. }));
        assert!(farewell, "{} was told nothing", log.username);
    }
}

fn from_the_first(log: &Log) -> Log {
    let heard: Vec<Entry> = log
        .entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Heard { .. }))
        .cloned()
        .collect();
    let epoch = log.entries.iter().find_map(|entry| match &entry.event {
        Event::Joined { head, .. } => Some(head.epoch.clone()),
        _ => None,
    });
    let head = Position {
        epoch: epoch.unwrap(),
        seq: heard.len() as u64,
    };
    let joined = Event::Joined {
        room: ROOM.to_owned(),
        head,
        first: 1,
    };
    let mut entries = vec![Entry {
        at: 0,
        event: joined,
    }];
    entries.extend(heard);
    Log {
        entries,
        ..log.clone()
    }
}
