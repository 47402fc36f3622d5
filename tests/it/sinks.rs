//! The log goes nowhere: nobody waits for it, what is lost is counted, and the daemon ends well.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Config, Daemon, Staging, until};
use crate::pair::Pair;

/// Everything is logged, so that there is something to lose.
async fn talkative(log: impl Into<OwnedFd>) -> Daemon {
    let config = Config::roomy().set("log.level", "debug");
    Daemon::start_staged(config, Staging::default().logging_to(log)).await
}

/// Makes so many log lines: each is an operator's call that is refused.
async fn makes_noise(chat: &Daemon, lines: usize) {
    let reason = "x".repeat(300);
    for _ in 0..lines {
        let params = json!({ "filter": { "username": "nobody" }, "reason": reason });
        let answer = chat.try_ask("clients.kick", params).await;
        assert!(answer["error"].is_object(), "{answer}");
    }
}

async fn loses_lines(chat: &Daemon, noise: usize) {
    let mut pair = Pair::arrive(chat).await;
    until("lines are lost", async || {
        makes_noise(chat, noise).await;
        let lost = chat
            .metrics()
            .await
            .sum("chatd_log_lines_dropped_total", &[]);
        (lost > 0.0).then_some(())
    })
    .await;
    pair.goes_on_talking().await;
    let health = chat.ctl(&["--format", "json", "health"]).await;
    assert!(health.stdout.contains("lines lost"), "{health:?}");
}

async fn ends_well(chat: &Daemon) {
    chat.signal(Signal::TERM);
    assert_eq!(chat.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_full_disk() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let chat = talkative(full).await;
    loses_lines(&chat, 1).await;
    ends_well(&chat).await;
}

#[tokio::test]
async fn a_pipe_that_nobody_has_the_other_end_of() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let chat = talkative(writer).await;
    loses_lines(&chat, 1).await;
    ends_well(&chat).await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let chat = talkative(writer).await;
    // The pipe, then the lines that may wait.
    loses_lines(&chat, 200).await;
    // Whoever reads again hears of it, and the rest in whole lines.
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    until("the lines are written", async || {
        makes_noise(&chat, 1).await;
        let before = chat
            .metrics()
            .await
            .sum("chatd_log_lines_dropped_total", &[]);
        makes_noise(&chat, 20).await;
        let after = chat
            .metrics()
            .await
            .sum("chatd_log_lines_dropped_total", &[]);
        (before == after).then_some(())
    })
    .await;
    ends_well(&chat).await;
    drop(chat);
    let log = reading.join().unwrap().unwrap();
    assert!(
        log.contains("log.lost") || log.contains("lost"),
        "no word of it"
    );
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test]
async fn a_stuck_log_delays_no_end() {
    let (reader, writer) = std::io::pipe().unwrap();
    let chat = talkative(writer).await;
    loses_lines(&chat, 200).await;
    ends_well(&chat).await;
    drop(reader);
}
