//! Signals, and how the daemon takes its leave.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Answer, Config, Daemon, Peer, until};

#[tokio::test]
async fn term_and_int_end_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let chat = Daemon::start(Config::shipped()).await;
        let mut alice = chat.full_in("lobby", "alice").await;
        chat.signal(signal);
        let bye = alice.hears_bye("server_shutdown").await;
        assert_eq!(bye["reconnect"], true, "{bye}");
        assert!(bye["retry_after_ms"].is_u64(), "{bye}");
        assert_eq!(chat.exit().await.code(), Some(0));
        assert!(!chat.admin_socket().exists(), "the socket file is gone");
    }
}

#[tokio::test]
async fn quit_ends_at_once() {
    let chat = Daemon::start(Config::shipped()).await;
    chat.signal(Signal::QUIT);
    assert_eq!(chat.exit().await.code(), Some(131));
}

#[tokio::test]
async fn pipe_is_ignored_and_usr1_writes_the_status() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    chat.signal(Signal::PIPE);
    let before = chat.stderr().len();
    chat.signal(Signal::USR1);
    until("a status in the log", async || {
        let log = chat.stderr();
        let news = log.get(before..).unwrap_or("");
        (news.contains("ready") || news.contains("status")).then_some(())
    })
    .await;
    alice.publish("lobby", "still here").await;
}

/// Somebody who has bytes waiting and takes none.
async fn stuck_reader(chat: &Daemon) -> Peer {
    let mut stuck = Peer::connect_narrow(chat.chat()).await;
    stuck.hello("stuck").await;
    stuck.join("lobby").await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let text = "x".repeat(3000);
    until("somebody falls behind", async || {
        for _ in 0..20 {
            alice.publish("lobby", &text).await;
        }
        let row = chat.row_of(&stuck, |_| true).await;
        (row["lag_msgs"].as_u64() > Some(10)).then_some(())
    })
    .await;
    stuck
}

fn stubborn() -> Config {
    Config::roomy()
        .limit("socket_buffer", "8KiB")
        .limit("write_stall", "300s")
        .set("shutdown.deadline", "300s")
}

#[tokio::test]
async fn a_second_term_ends_a_stuck_drain_at_once() {
    let chat = Daemon::start(stubborn()).await;
    let _stuck = stuck_reader(&chat).await;
    chat.signal(Signal::TERM);
    let ready = until("it is no longer ready", async || {
        let answer = Answer::get(chat.metrics_address(), "/readyz", "localhost").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(ready.body.contains("draining"), "{ready:?}");
    assert!(chat.is_running(), "somebody has not heard everything");

    let begun = Instant::now();
    chat.signal(Signal::TERM);
    chat.exit().await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "at once, not {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let chat = Daemon::start(stubborn().set("shutdown.deadline", "2s")).await;
    let _stuck = stuck_reader(&chat).await;
    let begun = Instant::now();
    chat.signal(Signal::TERM);
    assert_eq!(chat.exit().await.code(), Some(0));
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn while_draining_newcomers_are_told_so() {
    let chat = Daemon::start(stubborn()).await;
    let _stuck = stuck_reader(&chat).await;
    chat.signal(Signal::TERM);
    chat.logs(&["drain"]).await;
    if let Ok(stream) = tokio::net::TcpStream::connect(chat.chat()).await {
        drop(stream);
    }
    let metrics = chat.metrics().await;
    assert_eq!(metrics.sum("chatd_phase", &["draining"]), 1.0);
    assert_eq!(
        chat.ctl(&["status"]).await.code,
        0,
        "the operator is still heard"
    );
}

#[tokio::test]
async fn hup_with_a_broken_file_changes_nothing_and_says_where() {
    let chat = Daemon::start(Config::shipped().limit("message", "100B")).await;
    let mut alice = chat.full_in("lobby", "alice").await;

    std::fs::write(
        chat.config_file(),
        "[limits]\nmessage = \"200B\"\nmesage_rate = 7\n",
    )
    .unwrap();
    chat.signal(Signal::HUP);
    let log = chat.logs(&["chatd.toml:3:1"]).await;
    assert!(log.contains("message_rate"), "the nearest real key: {log}");
    std::fs::write(chat.config_file(), "[limits\n").unwrap();
    chat.signal(Signal::HUP);
    chat.logs(&["chatd.toml:1:"]).await;

    let long = "x".repeat(101);
    alice.request("message", json!({ "message": long })).await;
    alice.hears_error("message_too_long").await;
    chat.counts("chatd_config_reloads_total", &["rejected"], 2.0)
        .await;
}

#[tokio::test]
async fn hup_with_a_good_file_applies_limits_to_the_living() {
    let chat = Daemon::start(Config::shipped().limit("message", "100B")).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let long = "x".repeat(101);
    alice.request("message", json!({ "message": &long })).await;
    alice.hears_error("message_too_long").await;

    chat.rewrite_config(&Config::shipped().limit("message", "200B"));
    chat.signal(Signal::HUP);
    chat.counts("chatd_config_reloads_total", &["applied"], 1.0)
        .await;
    until("the new limit holds", async || {
        alice.request("message", json!({ "message": &long })).await;
        (alice.object().await["type"] != "error").then_some(())
    })
    .await;

    chat.rewrite_config(&Config::shipped().limit("message", "50B"));
    let reload = chat.ctl(&["reload"]).await;
    assert_eq!(reload.code, 0, "{reload:?}");
}

#[tokio::test]
async fn a_reload_that_fails_is_told_to_the_operator() {
    let chat = Daemon::start(Config::shipped()).await;
    std::fs::write(chat.config_file(), "[limits]\nmessage = 0\n").unwrap();
    let reload = chat.ctl(&["reload"]).await;
    reload.failed_with(1);
    assert!(reload.stderr.contains("chatd.toml:2:"), "{reload:?}");
}

#[tokio::test]
async fn the_operator_may_drain_and_shut_down() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full("alice").await;
    assert_eq!(chat.ctl(&["drain"]).await.code, 0);
    alice.hears_bye("server_shutdown").await;
    assert_eq!(chat.exit().await.code(), Some(0));

    let chat = Daemon::start(stubborn()).await;
    let _stuck = stuck_reader(&chat).await;
    assert_eq!(chat.ctl(&["shutdown"]).await.code, 0);
    assert_eq!(chat.exit().await.code(), Some(0));
}
