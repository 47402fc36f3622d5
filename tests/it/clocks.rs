//! Limits of time: whoever is too slow is told so and goes, and nobody else waits.

use std::time::Duration;

use crate::harness::{Config, Daemon, Peer, until};
use crate::pair::Pair;

#[tokio::test]
async fn hello_timeout_is_absolute() {
    let chat = Daemon::start(Config::shipped().limit("hello_timeout", "2s")).await;
    let mut pair = Pair::arrive(&chat).await;
    let silent = chat.listener().await;
    let mut dripping = chat.stranger().await;
    let begun = tokio::time::Instant::now();
    let mut every = tokio::time::interval(Duration::from_millis(300));
    until("the slow one is sent away", async || {
        every.tick().await;
        dripping.send_if_open(b"{").await;
        let closed = chat
            .metrics()
            .await
            .sum("chatd_connections_closed_total", &["hello_timeout"]);
        (closed == 1.0).then_some(())
    })
    .await;
    let took = begun.elapsed();
    assert!(
        (Duration::from_millis(1500)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
    chat.row_of(&silent, |row| row["dialect"] == "none").await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn line_timeout() {
    let chat = Daemon::start(Config::shipped().limit("line_timeout", "1s")).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    peer.send(b"{\"type\":\"pi").await;
    peer.hears_bye("line_timeout").await;
    chat.counts("chatd_connections_closed_total", &["line_timeout"], 1.0)
        .await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn idle_timeout() {
    let chat = Daemon::start(Config::shipped().limit("idle_timeout", "2s")).await;
    let mut peer = chat.full("peer").await;
    peer.hears_bye("idle_timeout").await;
    chat.counts("chatd_connections_closed_total", &["idle_timeout"], 1.0)
        .await;
}

#[tokio::test]
async fn ping_timeout() {
    let config = Config::shipped()
        .limit("ping_interval", "1s")
        .limit("ping_timeout", "1s");
    let chat = Daemon::start(config).await;
    let mut peer = chat.full("peer").await;
    peer.hears_type("ping").await;
    peer.hears_bye("ping_timeout").await;
    chat.counts("chatd_connections_closed_total", &["ping_timeout"], 1.0)
        .await;
    let mut again = chat.full("peer").await;
    again.hears_type("ping").await;
}

#[tokio::test]
async fn write_stall() {
    let config = Config::roomy()
        .limit("write_stall", "1s")
        .limit("socket_buffer", "8KiB");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut stuck = Peer::connect_narrow(chat.chat()).await;
    stuck.hello("stuck").await;
    stuck.join("parlour").await;
    until("the stuck one is sent away", async || {
        for _ in 0..20 {
            pair.goes_on_at_length().await;
        }
        let closed = chat
            .metrics()
            .await
            .sum("chatd_connections_closed_total", &["slow_consumer"]);
        (closed == 1.0).then_some(())
    })
    .await;
    let mut again = chat.full("stuck").await;
    again.hears_nothing_else().await;
}

#[tokio::test]
async fn lag_age() {
    let config = Config::roomy()
        .limit("lag_age", "2s")
        .limit("on_lag", "disconnect")
        .limit("write_stall", "3s")
        .limit("socket_buffer", "8KiB");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut stuck = Peer::connect_narrow(chat.chat()).await;
    stuck.hello("stuck").await;
    stuck.join("parlour").await;
    until("the stuck one falls behind", async || {
        for _ in 0..20 {
            pair.goes_on_at_length().await;
        }
        let row = chat.row_of(&stuck, |_| true).await;
        (row["lag_msgs"].as_u64() > Some(0)).then_some(())
    })
    .await;
    chat.counts("chatd_connections_closed_total", &["slow_consumer"], 1.0)
        .await;
    pair.goes_on_talking().await;
}
