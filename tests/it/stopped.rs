//! The daemon itself is stopped for a while, as a debugger, a snapshot of the machine or a closed lid
//! does: nobody is sent away for what lay unread in the meantime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::{Config, Daemon, Peer, alone, until};

const PEOPLE: usize = 20;
const HALVES: usize = 20;

/// Little patience everywhere, and less than the daemon is stopped for.
fn impatient() -> Config {
    Config::roomy()
        .limit("message_rate", "20/1s")
        .limit("ping_interval", "1s")
        .limit("ping_timeout", "2s")
        .limit("hello_timeout", "5s")
        .limit("line_timeout", "5s")
        .limit("idle_timeout", "10s")
        .limit("write_stall", "2s")
        .limit("socket_buffer", "8KiB")
}

/// Talks to itself in company, and answers pings. How many messages it has heard.
async fn chatters(mut peer: Peer, name: String, heard: Arc<AtomicU64>) {
    let own = format!(r#""username":"{name}""#);
    peer.request("message", json!({ "room": "parlour", "message": "." }))
        .await;
    loop {
        let line = peer.line_with_any_patience().await.expect("not the end");
        if line.contains(r#""type":"ping""#) {
            peer.send_if_open(b"{\"type\":\"pong\"}\n").await;
        } else if line.contains(r#""type":"message""#) {
            heard.fetch_add(1, Relaxed);
            if line.contains(&own) {
                let next = "{\"type\":\"message\",\"room\":\"parlour\",\"message\":\".\"}\n";
                peer.send_if_open(next.as_bytes()).await;
            }
        } else {
            assert!(line.contains(r#""type":"ack""#), "{line}");
        }
    }
}

async fn is_stopped_for(time: Duration) {
    let _alone = alone().await;
    let chat = Daemon::start(impatient()).await;
    let mut people = JoinSet::new();
    let mut ears = Vec::new();
    for n in 0..PEOPLE {
        let name = format!("person{n}");
        let peer = chat.full_in("parlour", &name).await;
        let heard = Arc::new(AtomicU64::new(0));
        ears.push(heard.clone());
        people.spawn(chatters(peer, name, heard));
    }
    let mut silent = chat.listener().await;
    let everybody_hears = async |more: u64| {
        let before: Vec<u64> = ears.iter().map(|heard| heard.load(Relaxed)).collect();
        until("everybody goes on hearing", async || {
            let now = ears.iter().map(|heard| heard.load(Relaxed));
            let is_heard = now.zip(&before).all(|(now, before)| now >= before + more);
            is_heard.then_some(())
        })
        .await;
    };
    everybody_hears(100).await;
    // In the middle of a line, of a first line, and of reading.
    let mut lines = Vec::new();
    for n in 0..HALVES {
        let mut line = chat.full(&format!("half{n}")).await;
        line.send(b"{\"type\":\"pi").await;
        let mut first = chat.stranger().await;
        first.send(b"{\"type\":\"hello\",\"ver").await;
        lines.push((line, first));
    }

    chat.signal(Signal::STOP);
    until("it stands still", async || chat.is_stopped().then_some(())).await;
    let mut late = Vec::new();
    for (n, (line, first)) in lines.iter_mut().enumerate() {
        line.send(b"ng\",\"token\":\"t\"}\n").await;
        let rest = format!("sion\":1,\"username\":\"first{n}\",\"caps\":[]}}\n");
        first.send(rest.as_bytes()).await;
        let mut newcomer = chat.stranger().await;
        newcomer
            .request(
                "hello",
                json!({ "username": format!("late{n}"), "caps": [] }),
            )
            .await;
        late.push(newcomer);
    }
    sleep(time).await;
    chat.signal(Signal::CONT);

    for (line, first) in &mut lines {
        let answer = line.hears_until("pong").await;
        assert!(
            answer.iter().all(|one| one["type"] != "error"),
            "{answer:?}"
        );
        first.hears_type("welcome").await;
    }
    for newcomer in &mut late {
        newcomer.hears_type("welcome").await;
    }
    everybody_hears(100).await;
    let closed = chat
        .metrics()
        .await
        .sum("chatd_connections_closed_total", &[]);
    assert_eq!(closed, 0.0, "{}", chat.stderr());

    // Time goes on: whoever does not answer pings now has had their time.
    let (mut line, _first) = lines.remove(0);
    drop(lines);
    let farewell = line.hears_until("bye").await;
    assert_eq!(farewell.last().unwrap()["code"], "ping_timeout");
    silent.hello("silent").await;
    people.shutdown().await;
}

#[tokio::test]
async fn for_ten_seconds() {
    is_stopped_for(Duration::from_secs(10)).await;
}

#[tokio::test]
#[ignore = "takes more than a minute"]
async fn for_a_minute() {
    is_stopped_for(Duration::from_secs(60)).await;
}
