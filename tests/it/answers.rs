//! The operator's doors answer, whatever has become of the chat's.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::time::Instant;

use crate::harness::{Answer, Config, Daemon, Peer, alone, until};
use crate::load::{Clock, Full};

impl Daemon {
    /// `chatctl status` in its JSON form, and how long it took to get.
    async fn status(&self) -> (serde_json::Value, Duration) {
        let begun = Instant::now();
        let status = self.ctl(&["--format", "json", "status"]).await.json();
        (status, begun.elapsed())
    }

    fn allow_descriptors(&self, descriptors: Option<u64>) {
        let limit = Rlimit {
            current: descriptors,
            maximum: prlimit_now(self).maximum,
        };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }

    fn open_descriptors(&self) -> u64 {
        let folder = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(folder).unwrap().count() as u64
    }
}

fn prlimit_now(chat: &Daemon) -> Rlimit {
    let text = std::fs::read_to_string(format!("/proc/{}/limits", chat.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    let mut words = line.unwrap().split_whitespace().skip(3);
    let mut number = || words.next().unwrap().parse().ok();
    Rlimit {
        current: number(),
        maximum: number(),
    }
}

#[tokio::test]
async fn with_no_descriptor_left() {
    let chat = Daemon::start(Config::shipped()).await;
    let before = prlimit_now(&chat);
    chat.allow_descriptors(Some(chat.open_descriptors()));
    // Some of those that were open may have been so for a moment only.
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(Peer::connect(chat.chat()).await);
    }
    let mut alice = Peer::connect(chat.chat()).await;
    alice
        .say(r#"{"type":"hello","version":1,"username":"alice"}"#)
        .await;
    chat.logs(&["accept.failed", "chat"]).await;

    // More often than there are spares: they come back.
    for _ in 0..40 {
        let (status, _) = chat.status().await;
        assert_eq!(status["phase"], "ready");
        let metrics = Answer::get(chat.metrics_address(), "/metrics", "127.0.0.1").await;
        assert_eq!(metrics.status, 200);
    }
    let metrics = chat.metrics().await;
    assert!(metrics.sum("chatd_accept_errors_total", &["fd_limit"]) >= 1.0);
    // What the numbers are read from could be opened as well.
    assert!(metrics.sum("process_open_fds", &[]) > 0.0);

    chat.allow_descriptors(before.current);
    alice.hears_type("welcome").await;
}

#[tokio::test]
async fn with_a_thousand_operators_who_do_not_read() {
    let _alone = alone().await;
    let chat = Daemon::start(Config::shipped()).await;
    chat.status().await;
    let before = chat.resident_bytes();
    // Each asks for much and reads nothing of it.
    let question = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"config.show\"}\n".repeat(200);
    let mut stalled = Vec::new();
    for _ in 0..1000 {
        let mut operator = UnixStream::connect(chat.admin_socket()).unwrap();
        operator.set_nonblocking(true).unwrap();
        // Whoever has lost the seat already cannot be told anything.
        let _ = operator.write(question.as_bytes());
        stalled.push(operator);
    }
    let metrics = chat.metrics().await;
    assert!(metrics.sum("chatd_admin_connections", &[]) <= 33.0);
    assert!(metrics.sum("chatd_admin_connections_refused_total", &[]) >= 900.0);
    for _ in 0..20 {
        let (status, took) = chat.status().await;
        assert_eq!(status["phase"], "ready");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let grown = chat.resident_bytes().saturating_sub(before);
    assert!(
        grown < 32 << 20,
        "{grown} bytes for operators who do not read"
    );
    drop(stalled);
    until("they are gone", async || {
        let there = chat.metrics().await.sum("chatd_admin_connections", &[]);
        (there == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_every_worker_busy() {
    let _alone = alone().await;
    let chat = Daemon::start(Config::roomy().set("server.workers", 2)).await;
    let clock = Clock::default();
    let mut crowd = Vec::new();
    for n in 0..40 {
        let mut client = Full::arrive(chat.chat(), &clock, &format!("p{n}")).await;
        client.join("den", None).await;
        crowd.push(client);
    }
    let enough = std::cell::Cell::new(false);
    let talk = async |client: &mut Full| {
        while !enough.get() {
            client.publish("den").await;
            client.wait_unacked(50).await;
        }
    };
    let ask = async {
        let mut times = Vec::new();
        for _ in 0..50 {
            times.push(chat.status().await.1);
        }
        enough.set(true);
        times
    };
    let (_, mut times) = tokio::join!(join_all(crowd.iter_mut().map(talk)), ask);
    times.sort_unstable();
    // The program's start and a busy machine are in it; `benches/control` measures the answer alone.
    assert!(times[25] < Duration::from_secs(2), "{times:?}");
    let received = chat.metrics().await;
    assert!(received.sum("chatd_messages_received_total", &["room"]) > 500.0);
}
