//! Descriptors run out: newcomers wait in the kernel, everybody else and the operator go on.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::harness::{Config, Daemon, Peer, Staging, alone, until, within};
use crate::pair::Pair;

/// Fewer descriptors than are open while the guests are here.
const FEWER: u64 = 64;

async fn guests(chat: &Daemon) -> Vec<Peer> {
    let mut guests = Vec::new();
    for n in 0..60 {
        guests.push(chat.full_in("parlour", &format!("guest{n}")).await);
    }
    guests
}

/// Connects so many whom nobody takes in any more: their connections wait in the kernel.
async fn queue_up(chat: &Daemon, count: usize) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    for _ in 0..count {
        let stream = within("the kernel", TcpStream::connect(chat.chat())).await;
        waiting.push(stream.unwrap());
    }
    waiting
}

async fn accept_fails(chat: &Daemon) {
    until("accept fails for want of descriptors", async || {
        let failed = chat
            .metrics()
            .await
            .sum("chatd_accept_errors_total", &["fd_limit"]);
        (failed > 0.0).then_some(())
    })
    .await;
}

/// While descriptors are gone: the operator is answered, again and again; the file of bans can be
/// written; the daemon rests.
async fn the_operator_is_served(chat: &Daemon) {
    let (begun, busy) = (Instant::now(), chat.cpu_time());
    for n in 0..5 {
        assert_eq!(chat.ctl(&["status"]).await.code, 0);
        let health = chat.ctl(&["--format", "json", "health"]).await;
        assert!(health.stdout.contains("descriptors"), "{health:?}");
        assert!(!health.stdout.contains("cannot be read"), "{health:?}");
        let ban = chat.ctl(&["ban", &format!("mallory{n}")]).await;
        assert_eq!(ban.code, 0, "{ban:?}");
        assert_eq!(chat.ctl(&["reload"]).await.code, 0);
        let metrics = chat.metrics().await;
        assert!(metrics.value("process_open_fds", &[]) > 0.0);
    }
    // Long enough to see a loop that spins.
    sleep(Duration::from_secs(2)).await;
    let (busy, took) = (chat.cpu_time() - busy, begun.elapsed());
    assert!(busy < took / 3, "busy for {busy:?} of {took:?}");
    let log = chat.stderr();
    let lines = log.matches("accept.failed").count();
    assert!((1..=10).contains(&lines), "{lines} lines of one fault");
}

#[tokio::test]
async fn taken_away_while_it_runs() {
    let _alone = alone().await;
    let chat = Daemon::start(Config::roomy()).await;
    let reserved = chat
        .metrics()
        .await
        .value("chatd_reserved_descriptors", &[]);
    assert!(reserved > 0.0);
    let mut pair = Pair::arrive(&chat).await;
    let before = guests(&chat).await;
    let limit = chat.limit_descriptors(FEWER);
    let waiting = queue_up(&chat, 50).await;
    accept_fails(&chat).await;
    the_operator_is_served(&chat).await;
    pair.goes_on_talking().await;
    drop(before);
    drop(waiting);

    chat.limit_descriptors(limit);
    let begun = Instant::now();
    let mut late = chat.stranger().await;
    late.hello("late").await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "it came in after {took:?}");
    pair.goes_on_talking().await;
    chat.logs(&["accept.recovered"]).await;
    chat.counts("chatd_reserved_descriptors", &[], reserved)
        .await;
}

#[tokio::test]
async fn few_from_the_start() {
    let _alone = alone().await;
    let staging = Staging::default().after("ulimit -n 64");
    let chat = Daemon::start_staged(Config::roomy(), staging).await;
    chat.logs(&["limits.lowered"]).await;
    let reserved = chat
        .metrics()
        .await
        .value("chatd_reserved_descriptors", &[]);
    assert!(reserved > 0.0);
    let mut pair = Pair::arrive(&chat).await;
    let mut crowd: Vec<Peer> = Vec::new();
    for _ in 0..80 {
        crowd.push(chat.stranger().await);
    }
    accept_fails(&chat).await;
    the_operator_is_served(&chat).await;
    pair.goes_on_talking().await;

    // Whoever goes makes room, without help.
    drop(crowd);
    let mut late = chat.stranger().await;
    let welcome = late.hello_with(json!({ "username": "late" })).await;
    assert_eq!(welcome["username"], "late");
    pair.goes_on_talking().await;
    chat.counts("chatd_reserved_descriptors", &[], reserved)
        .await;
}

/// Whoever reads the store had a connection to it before they were gone; what an operator asks takes
/// some that were put by.
#[tokio::test]
async fn what_was_said_before_is_still_read() {
    const SAID: usize = 50;
    let _alone = alone().await;
    let mut chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    for n in 1..=SAID {
        alice.publish("den", &format!("m{n}")).await;
    }
    chat.signal(Signal::TERM);
    chat.exit().await;
    chat.start_again().await;
    let mut alice = chat.full_in("den", "alice").await;

    let guests = guests(&chat).await;
    chat.limit_descriptors(FEWER);
    let waiting = queue_up(&chat, 5).await;
    accept_fails(&chat).await;
    for _ in 0..10 {
        let (numbers, end) = alice.page("den", json!({ "after": 0 })).await;
        assert_eq!(numbers.len(), SAID, "{end}");
        let found = chat.ctl(&["history", "search", "den", "m7"]).await;
        assert!(found.stdout.contains("m7"), "{found:?}");
        let shown = chat.ctl(&["history", "show", "den"]).await;
        assert!(shown.stdout.contains("m50"), "{shown:?}");
    }
    let pruned = chat.ctl(&["history", "prune", "den", "--keep", "10"]).await;
    assert_eq!(pruned.code, 0, "{pruned:?}");
    let (numbers, end) = alice.page("den", json!({ "after": 40 })).await;
    assert_eq!(numbers.len(), 10, "{end}");
    drop((guests, waiting));
}
