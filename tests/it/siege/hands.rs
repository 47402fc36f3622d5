//! Faults that somebody with a hand on the process or on the admin door causes.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Daemon, Peer, until};

use super::Fault;
use super::found::Found;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new("a kick of many", Found::Closed("kicked", ""), |chat| {
            Box::pin(kicked(chat))
        }),
        Fault::new("a ban of a name", Found::Closed("banned", "nick"), |chat| {
            Box::pin(banned(chat, "mallory"))
        }),
        Fault::new(
            "a ban of an address",
            Found::Closed("banned", "address"),
            |chat| Box::pin(banned(chat, "127.0.0.66")),
        ),
        Fault::new(
            "people at the door of whom they are banned",
            Found::Refused("banned", "address"),
            |chat| Box::pin(knocking(chat)),
        ),
        Fault::new("a storm of signals", Found::Reloads, |chat| {
            Box::pin(signals(chat))
        }),
        Fault::new("no descriptors left", Found::Accept("fd_limit"), |chat| {
            Box::pin(no_descriptors(chat))
        }),
        Fault::new(
            "the daemon stopped for two seconds",
            Found::Closed("peer_closed", ""),
            |chat| Box::pin(stopped(chat)),
        )
        .delaying_everybody(),
    ]
}

async fn kicked(chat: &Daemon) -> u64 {
    const COUNT: usize = 20;
    let mut crowd = Vec::new();
    for n in 0..COUNT {
        let mut peer = Peer::connect_from(chat.chat(), "127.0.0.8").await;
        peer.hello(&format!("guest{n}")).await;
        crowd.push(peer);
    }
    let kick = ["kick", "--addr", "127.0.0.8/32", "--reason", "closing time"];
    chat.ctl(&kick).await.failed_with(2);
    let dry = chat.ctl(&[&kick[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(chat.clients().await.len(), 2 + COUNT, "it was a question");
    let done = chat.ctl(&[&kick[..], &["--yes"]].concat()).await;
    assert_eq!(done.code, 0, "{done:?}");
    for peer in &mut crowd {
        let bye = peer.hears_bye("kicked").await;
        assert_eq!(bye["text"], "closing time", "{bye}");
    }
    COUNT as u64
}

async fn banned(chat: &Daemon, whom: &str) -> u64 {
    let mut mallory = Peer::connect_from(chat.chat(), "127.0.0.66").await;
    mallory.hello("mallory").await;
    assert_eq!(chat.ctl(&["ban", whom]).await.code, 0);
    mallory.hears_bye("banned").await;
    assert_eq!(chat.ctl(&["unban", whom]).await.code, 0);
    1
}

async fn knocking(chat: &Daemon) -> u64 {
    const COUNT: usize = 300;
    assert_eq!(chat.ctl(&["ban", "127.0.0.66"]).await.code, 0);
    for _ in 0..COUNT {
        drop(Peer::connect_from(chat.chat(), "127.0.0.66").await);
    }
    let mut one = Peer::connect_from(chat.chat(), "127.0.0.66").await;
    one.hears_bye("banned").await;
    assert_eq!(chat.ctl(&["unban", "127.0.0.66"]).await.code, 0);
    COUNT as u64
}

async fn signals(chat: &Daemon) -> u64 {
    for _ in 0..1_000 {
        for signal in [Signal::HUP, Signal::USR1, Signal::PIPE] {
            chat.signal(signal);
        }
    }
    1
}

async fn no_descriptors(chat: &Daemon) -> u64 {
    let limit = chat.limit_descriptors(chat.descriptors() as u64 + 5);
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(Peer::connect_from(chat.chat(), "127.0.0.8").await);
    }
    until("accept fails", async || {
        let metrics = chat.metrics().await;
        let failed = metrics.sum("chatd_accept_errors_total", &["fd_limit"]);
        (failed > 0.0).then_some(())
    })
    .await;
    let busy = chat.cpu_time();
    for _ in 0..5 {
        assert_eq!(chat.ctl(&["status"]).await.code, 0);
    }
    sleep(Duration::from_secs(1)).await;
    let busy = chat.cpu_time() - busy;
    assert!(busy < Duration::from_millis(600), "busy for {busy:?}");
    chat.limit_descriptors(limit);
    // Whoever waited comes in, without help.
    for peer in &mut waiting {
        peer.request("hello", json!({ "username": "late" })).await;
        let answer = peer.object().await;
        assert!(
            answer["type"] == "welcome" || answer["code"] == "nick_in_use",
            "{answer}"
        );
    }
    1
}

async fn stopped(chat: &Daemon) -> u64 {
    let mut guest = chat.full("guest").await;
    chat.signal(Signal::STOP);
    until("it stands still", async || chat.is_stopped().then_some(())).await;
    guest.say(r#"{"type":"ping","token":"later"}"#).await;
    sleep(Duration::from_secs(2)).await;
    chat.signal(Signal::CONT);
    assert_eq!(guest.hears_type("pong").await["token"], "later");
    guest.stop_talking().await;
    guest.ends().await;
    1
}
