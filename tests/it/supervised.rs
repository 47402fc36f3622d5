//! The daemon under somebody who watches over it, as systemd does: a socket for notifications, a
//! watchdog, and a chat socket that outlives the daemon.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Config, Daemon, Peer, until, within};

/// What a daemon tells, datagram by datagram.
struct Supervisor {
    socket: UnixDatagram,
    heard: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Supervisor {
    /// And the variable that tells a daemon where it is heard.
    fn new() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let supervisor = Self {
            socket,
            heard: Vec::new(),
            _folder: folder,
        };
        (supervisor, path.to_str().unwrap().to_owned())
    }

    /// Waits for a datagram with all of these lines; gives its place among all.
    async fn hears(&mut self, words: &[&str]) -> usize {
        self.hears_after(0, words).await
    }

    async fn hears_after(&mut self, place: usize, words: &[&str]) -> usize {
        until(&format!("the supervisor hears {words:?}"), async || {
            let mut datagram = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut datagram) {
                let text = String::from_utf8_lossy(&datagram[..length]);
                self.heard.push(text.into_owned());
            }
            let fits = |text: &String| words.iter().all(|word| text.contains(word));
            let found = self.heard.iter().skip(place).position(fits);
            found.map(|at| place + at)
        })
        .await
    }
}

#[tokio::test]
async fn the_supervisor_is_told_each_step_of_its_life() {
    let (mut supervisor, address) = Supervisor::new();
    let chat = Daemon::start_with(Config::shipped(), &[("NOTIFY_SOCKET", &address)]).await;
    supervisor
        .hears(&["READY=1", "STATUS=ready: 0 clients"])
        .await;
    let reload = chat.ctl(&["reload"]).await;
    assert_eq!(reload.code, 0, "{reload:?}");
    let begun = supervisor.hears(&["RELOADING=1", "MONOTONIC_USEC="]).await;
    let ended = supervisor.hears_after(begun + 1, &["READY=1"]).await;

    std::fs::write(chat.config_file(), "[log]\nlevle = \"debug\"\n").unwrap();
    chat.ctl(&["reload"]).await.failed_with(1);
    let again = supervisor.hears_after(ended + 1, &["RELOADING=1"]).await;
    supervisor.hears_after(again + 1, &["READY=1"]).await;

    chat.signal(Signal::TERM);
    supervisor.hears(&["STOPPING=1"]).await;
    assert_eq!(chat.exit().await.code(), Some(0));
}

/// The status says how many there are, how much they say, and, while it drains, how many are left.
#[tokio::test]
async fn the_status_counts_down_while_it_drains() {
    let (mut supervisor, address) = Supervisor::new();
    let config = Config::roomy().set("shutdown.deadline", "3s");
    let chat = Daemon::start_with(config, &[("NOTIFY_SOCKET", &address)]).await;
    let mut deaf = Peer::connect_narrow(chat.chat()).await;
    deaf.hello("deaf").await;
    deaf.join("den").await;
    let mut loud = chat.full_in("den", "loud").await;
    // Until the socket buffers are full: what is left keeps the daemon waiting.
    let talk = async || {
        for _ in 0..100 {
            loud.publish("den", &"x".repeat(3000)).await;
        }
        let listed = chat.listed().await;
        let is_behind = listed.iter().any(|row| row["state"] == "behind");
        is_behind.then_some(())
    };
    until("somebody is behind", talk).await;
    drop(loud);
    chat.signal(Signal::TERM);
    supervisor
        .hears(&["STATUS=draining: 1 clients left, at most"])
        .await;
    // Whoever never reads does not keep it from ending in time.
    assert_eq!(chat.exit().await.code(), Some(0));
    chat.logs(&["daemon.drain_overdue"]).await;
}

#[tokio::test]
async fn the_watchdog_is_fed_by_messages_that_came_back_on_every_lane() {
    let (mut supervisor, address) = Supervisor::new();
    let environment = [
        ("NOTIFY_SOCKET", address.as_str()),
        ("WATCHDOG_USEC", "6000000"),
    ];
    // Nothing that keeps people out keeps the probes out.
    let config = Config::shipped()
        .set("server.workers", 2)
        .limit("clients", 1)
        .limit("clients_per_address", 1);
    let chat = Daemon::start_with(config, &environment).await;
    let ban = chat.ctl(&["ban", "127.0.0.1"]).await;
    assert_eq!(ban.code, 0, "{ban:?}");
    let first = supervisor.hears(&["WATCHDOG=1"]).await;
    supervisor.hears_after(first + 1, &["WATCHDOG=1"]).await;
    let probes = |result: &str| format!("result=\"{result}\"");
    let metrics = chat.metrics().await;
    let name = "chatd_watchdog_probes_total";
    assert!(metrics.value(name, &[&probes("ok")]) >= 4.0);
    assert_eq!(
        metrics.sum(name, &[]),
        metrics.value(name, &[&probes("ok")])
    );
    // They crowd nobody out of the memory of endings.
    let closed = chat.ctl(&["--format", "json", "list-closed"]).await.json();
    assert_eq!(closed, json!([]));
}

/// The address of a socket that is held stands in the socket's unit: whoever changes the key is told
/// that this changes nothing, and what does.
#[tokio::test]
async fn a_socket_that_is_held_stays_and_whoever_changes_its_key_is_told() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config::roomy().set("server.listen", vec!["127.0.0.1:1"]);
    let chat = Daemon::start_on(config, socket).await;
    let before = std::fs::read_to_string(chat.config_file()).unwrap();
    let after = before.replace("127.0.0.1:1\"", "127.0.0.1:2\"");
    assert_ne!(before, after);
    std::fs::write(chat.config_file(), after).unwrap();

    let strict = chat.ctl(&["reload", "--strict"]).await;
    strict.failed_with(1);
    assert!(strict.stderr.contains("chatd.socket"), "{strict:?}");
    let set = chat.ctl(&["set-config", "server.listen=127.0.0.1:3"]).await;
    set.failed_with(7);
    assert!(set.stderr.contains("chatd.socket"), "{set:?}");
    for command in ["plan-config", "reload"] {
        let told = chat.ctl(&[command]).await;
        assert_eq!(told.code, 0, "{told:?}");
        let said = told
            .stdout
            .lines()
            .find(|line| line.contains("server.listen"));
        let said = said.unwrap_or_else(|| panic!("{command}: {told:?}"));
        assert!(said.starts_with("changes nothing: "), "{said}");
        assert!(said.contains("chatd.socket"), "{said}");
        assert!(
            told.stdout
                .contains("0 applied, 0 need a restart, 1 passed by")
        );
    }
    chat.logs(&["config.passed_by", "server.listen", "chatd.socket"])
        .await;
    let mut alice = Peer::connect(chat.chat()).await;
    alice.hello("alice").await;
}

/// The connections of a crowd that comes while the daemon restarts: each is greeted by one life or
/// the other, or told to come again.
#[tokio::test]
async fn a_socket_that_is_held_refuses_nobody_over_a_restart() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = Config::roomy().set("server.listen", vec!["127.0.0.1:1"]);
    let mut chat = Daemon::start_on(config, socket).await;
    assert_eq!(chat.chat(), address, "the inherited socket, not the key");
    let mut crowd = JoinSet::new();
    crowd.spawn(async move {
        let (mut welcomed, mut sent_away) = (0, 0);
        for n in 0..300 {
            let mut peer = Peer::connect(address).await;
            let hello = json!({"type": "hello", "version": 1, "username": format!("p{n}")});
            peer.send_if_open(format!("{hello}\n").as_bytes()).await;
            let line = peer.line_or_end().await.expect("an answer");
            if line.contains("\"welcome\"") {
                welcomed += 1;
            } else {
                // Whose hello was not read yet is told as both kinds of client can read it.
                assert!(line.contains("the server is shutting down"), "{line}");
                sent_away += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (welcomed, sent_away)
    });
    until("the crowd comes", async || {
        let accepted = chat
            .metrics()
            .await
            .sum("chatd_connections_accepted_total", &[]);
        (accepted > 20.0).then_some(())
    })
    .await;
    chat.signal(Signal::TERM);
    assert_eq!(chat.exit().await.code(), Some(0));
    chat.start_again().await;
    let (welcomed, sent_away) = within("the crowd is through", crowd.join_next())
        .await
        .unwrap()
        .unwrap();
    assert!(sent_away <= 1, "only who was already inside");
    assert_eq!(welcomed + sent_away, 300);
}
