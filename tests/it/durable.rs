//! History that outlives the daemon: numbers go on, retries are known, nothing is lost in silence.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Answer, Config, Daemon, Peer, until};

/// Ends the daemon without a warning, and starts it again.
async fn kill(chat: &mut Daemon) {
    chat.signal(Signal::KILL);
    chat.exit().await;
    chat.start_again().await;
}

/// Alice says these lines in a room; its epoch.
async fn told(chat: &Daemon, room: &str, numbers: std::ops::RangeInclusive<u64>) -> String {
    let mut alice = chat.full("alice").await;
    let joined = alice.join(room).await;
    for n in numbers {
        alice.publish(room, &format!("line {n}")).await;
    }
    joined["epoch"].as_str().unwrap().to_owned()
}

async fn hears_numbers(peer: &mut Peer, room: &str, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let message = peer
            .hears_message(room, "alice", &format!("line {n}"))
            .await;
        assert_eq!(message["seq"], n, "{message}");
    }
}

/// Says `count` lines of so many bytes without waiting in between, and waits for all acks.
async fn flood(peer: &mut Peer, room: &str, count: usize, bytes: usize) {
    let text = "x".repeat(bytes);
    let mut acks = 0;
    for at in 0..count {
        let fields = json!({ "room": room, "message": text });
        peer.request("message", fields).await;
        while at - acks >= 100 {
            acks += usize::from(peer.object().await["type"] == "ack");
        }
    }
    while acks < count {
        acks += usize::from(peer.object().await["type"] == "ack");
    }
}

async fn readiness(chat: &Daemon) -> Answer {
    Answer::get(chat.metrics_address(), "/readyz", "127.0.0.1").await
}

fn database(chat: &Daemon) -> PathBuf {
    chat.dir().join("history.db")
}

#[tokio::test]
async fn after_kill_9_the_numbers_go_on_and_since_continues_without_a_seam() {
    let mut chat = Daemon::start(Config::roomy()).await;
    let epoch = told(&chat, "den", 1..=30).await;
    kill(&mut chat).await;
    assert_eq!(told(&chat, "den", 31..=40).await, epoch);
    let mut bob = chat.full("bob").await;
    let joined = bob.join_since("den", &epoch, 5).await;
    assert_eq!((&joined["seq"], &joined["first"]), (&json!(40), &json!(1)));
    hears_numbers(&mut bob, "den", 6..=40).await;
    bob.hears_nothing_else().await;
    assert!(
        chat.stderr().contains("history.opened"),
        "{}",
        chat.stderr()
    );
}

#[tokio::test]
async fn the_epoch_of_a_room_in_which_nobody_spoke_stays_too() {
    let mut chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full("alice").await;
    let epoch = alice.join("den").await["epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    kill(&mut chat).await;
    let mut bob = chat.full("bob").await;
    bob.join_since("den", &epoch, 0).await;
    bob.hears_nothing_else().await;
}

#[tokio::test]
async fn a_retry_after_a_restart_is_answered_with_the_first_ack() {
    let mut chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.stranger().await;
    let welcome = alice.hello("alice").await;
    alice.join("den").await;
    let once = json!({ "room": "den", "message": "once", "cid": "c1" });
    alice.request("message", once.clone()).await;
    let mut first = [alice.object().await, alice.object().await];
    first.sort_by_key(|object| object["type"].as_str() != Some("ack"));
    kill(&mut chat).await;

    let mut alice = chat.stranger().await;
    let resume = json!({ "username": "alice", "caps": [], "resume": welcome["resume"] });
    let again = alice.hello_with(resume).await;
    assert_eq!(again["resume"], welcome["resume"], "the same identity");
    alice.join("den").await;
    alice.request("message", once.clone()).await;
    let ack = alice.hears_type("ack").await;
    assert_eq!(ack["duplicate"], true, "{ack}");
    for key in ["room", "epoch", "seq", "time", "cid", "durability"] {
        assert_eq!(ack[key], first[0][key], "{ack}");
    }
    let mut mallory = chat.full_in("den", "mallory").await;
    mallory.request("message", once).await;
    let ack = mallory.hears_until("ack").await;
    let ack: &Value = ack.last().unwrap();
    assert_eq!(ack["seq"], 2, "the id is the author's own: {ack}");
    let secret = welcome["resume"].as_str().unwrap().as_bytes();
    for file in ["history.db", "history.db-wal"] {
        let bytes = std::fs::read(chat.dir().join(file)).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "the secret stands in {file}");
    }
}

#[tokio::test]
async fn who_falls_behind_what_memory_keeps_reads_on_from_the_store() {
    let config = Config::roomy()
        .limit("recent_messages", 10)
        .limit("socket_buffer", "8KiB")
        .limit("write_stall", "1h")
        .limit("ping_interval", "1h");
    let chat = Daemon::start(config).await;
    let mut slow = Peer::connect_narrow(chat.chat()).await;
    slow.hello("slow").await;
    slow.join("den").await;
    let mut echo = Peer::connect_narrow(chat.chat()).await;
    echo.say(r#"{"username":"echo","message":"I hear the lobby"}"#)
        .await;
    let mut alice = chat.full_in("den", "alice").await;
    flood(&mut alice, "den", 600, 2000).await;
    for seq in 1..=600 {
        let message = slow.hears_type("message").await;
        assert_eq!(message["seq"], seq, "no gap, whatever memory has forgotten");
    }
    slow.hears_nothing_else().await;
    let metrics = chat.metrics().await;
    assert!(metrics.value("chatd_replayed_total", &[]) > 100.0);
    assert_eq!(metrics.sum("chatd_gaps_total", &[]), 0.0);
}

#[tokio::test]
async fn a_basic_client_that_reads_on_from_the_store_is_spared_its_own_words() {
    let config = Config::roomy()
        .limit("recent_messages", 10)
        .limit("socket_buffer", "8KiB")
        .limit("write_stall", "1h");
    let chat = Daemon::start(config).await;
    let mut slow = Peer::connect_narrow(chat.chat()).await;
    slow.say(r#"{"username":"slow","message":"my own"}"#).await;
    let mut alice = chat.full("alice").await;
    alice.join("lobby").await;
    until("slow has spoken", async || {
        let metrics = chat.metrics().await;
        (metrics.value("chatd_messages_committed_total", &[]) > 0.0).then_some(())
    })
    .await;
    flood(&mut alice, "lobby", 300, 2000).await;
    slow.say(r#"{"username":"slow","message":"my own"}"#).await;
    flood(&mut alice, "lobby", 300, 2000).await;
    for _ in 0..600 {
        assert_eq!(slow.object().await["username"], "alice");
    }
}

#[tokio::test]
async fn a_room_that_left_memory_comes_back_with_its_numbers() {
    let chat = Daemon::start(Config::roomy().limit("room_idle", "1s")).await;
    let epoch = told(&chat, "den", 1..=5).await;
    let mut bob = chat.full("bob").await;
    until("the empty room has left memory", async || {
        let rooms = bob.ask("rooms", json!({}), "rooms").await;
        (!rooms.to_string().contains("den")).then_some(())
    })
    .await;
    let joined = bob.join_since("DEN", &epoch, 3).await;
    assert_eq!(
        (&joined["room"], &joined["seq"]),
        (&json!("den"), &json!(5))
    );
    hears_numbers(&mut bob, "den", 4..=5).await;
}

#[tokio::test]
async fn who_comes_from_another_life_of_the_numbers_is_given_the_recent_part_of_this_one() {
    let chat = Daemon::start(Config::roomy().limit("recent_messages", 10)).await;
    told(&chat, "den", 1..=30).await;
    let mut bob = chat.full("bob").await;
    bob.join_since("den", "another", 3).await;
    assert_eq!(bob.hears_type("gap").await["reason"], "epoch_changed");
    let gap = bob.hears_type("gap").await;
    assert_eq!((&gap["from"], &gap["to"]), (&json!(1), &json!(20)), "{gap}");
    assert_eq!(gap["recoverable"], true, "{gap}");
    hears_numbers(&mut bob, "den", 21..=30).await;
    bob.hears_nothing_else().await;
}

#[tokio::test]
async fn retention_by_count_is_one_leading_gap_and_outlives_the_daemon() {
    let config = Config::roomy()
        .limit("recent_messages", 5)
        .set("history.max_messages", 10);
    let mut chat = Daemon::start(config).await;
    let epoch = told(&chat, "den", 1..=30).await;
    until("the oldest have gone", async || {
        let metrics = chat.metrics().await;
        let pruned = ["bound=\"messages\""];
        (metrics.value("chatd_history_pruned_messages_total", &pruned) >= 20.0).then_some(())
    })
    .await;
    for name in ["bob", "carol"] {
        let mut peer = chat.full(name).await;
        let joined = peer.join_since("den", &epoch, 3).await;
        assert_eq!(joined["first"], 21, "{joined}");
        let gap = peer.hears_type("gap").await;
        assert_eq!((&gap["from"], &gap["to"]), (&json!(4), &json!(20)), "{gap}");
        assert_eq!(gap["reason"], "history_expired", "{gap}");
        hears_numbers(&mut peer, "den", 21..=30).await;
        peer.hears_nothing_else().await;
        drop(peer);
        kill(&mut chat).await;
    }
}

#[tokio::test]
async fn each_bound_takes_the_oldest_and_a_room_may_have_its_own() {
    let own = toml::Table::from_iter([(
        "brief".to_owned(),
        toml::Value::Table(toml::Table::from_iter([(
            "max_age".to_owned(),
            toml::Value::from("1s"),
        )])),
    )]);
    let config = Config::roomy()
        .set("history.max_bytes", "300KiB")
        .set("history.rooms", own);
    let chat = Daemon::start(config).await;
    let mut alice = chat.full("alice").await;
    for room in ["brief", "long"] {
        alice.join(room).await;
    }
    flood(&mut alice, "brief", 5, 10).await;
    let pruned = async |bound: &str| {
        let bound = format!("bound=\"{bound}\"");
        let metrics = chat.metrics().await;
        metrics.value("chatd_history_pruned_messages_total", &[&bound])
    };
    until("the old ones have gone", async || {
        (pruned("age").await == 5.0).then_some(())
    })
    .await;
    flood(&mut alice, "long", 400, 2000).await;
    until("the disk is within its bound", async || {
        let used = chat.metrics().await.value("chatd_history_used_bytes", &[]);
        (pruned("bytes").await > 0.0 && used <= 300.0 * 1024.0).then_some(())
    })
    .await;
    let mut bob = chat.full("bob").await;
    let joined = bob.join("long").await;
    assert_eq!(joined["seq"], 400, "{joined}");
    assert!(joined["first"].as_u64().unwrap() > 200, "{joined}");
    let joined = bob.join("brief").await;
    assert_eq!((&joined["seq"], &joined["first"]), (&json!(5), &json!(6)));
}

#[tokio::test]
async fn while_somebody_holds_the_store_nobody_is_lied_to_and_then_it_goes_on() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    alice.publish("den", "before").await;
    bob.hears_message("den", "alice", "before").await;
    let thief = Connection::open(database(&chat)).unwrap();
    thief.execute_batch("BEGIN IMMEDIATE").unwrap();

    let message = json!({ "room": "den", "message": "lost", "cid": "c" });
    alice.request("message", message.clone()).await;
    let error = alice.hears_error("store_unavailable").await;
    assert!(error["retry_after_ms"].as_u64().unwrap() > 0, "{error}");
    assert_eq!(error["cid"], "c", "{error}");
    let ready = readiness(&chat).await;
    assert_eq!((ready.status, ready.body.trim()), (503, "history: locked"));
    let health = chat.ctl(&["--format", "json", "health"]).await;
    assert!(health.stdout.contains("locked for"), "{}", health.stdout);
    // Talk that needs no store goes on.
    let private = json!({ "to": "bob", "message": "psst" });
    alice.ask("message", private, "ack").await;
    bob.hears_type("message").await;

    thief.execute_batch("ROLLBACK").unwrap();
    until("it is ready again by itself", async || {
        (readiness(&chat).await.status == 200).then_some(())
    })
    .await;
    alice.request("message", message).await;
    let mut heard = [alice.object().await, alice.object().await];
    heard.sort_by_key(|object| object["type"].as_str() != Some("ack"));
    assert_eq!(
        heard[0]["seq"], 2,
        "nothing of the refused one is left: {heard:?}"
    );
    bob.hears_message("den", "alice", "lost").await;
    chat.logs(&["history.trouble", "locked"]).await;
    chat.logs(&["history.mended"]).await;
}

#[tokio::test]
async fn a_slow_store_keeps_nobody_from_listening() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full("bob").await;
    let thief = Connection::open(database(&chat)).unwrap();
    thief.execute_batch("BEGIN IMMEDIATE").unwrap();
    alice
        .request("message", json!({ "room": "den", "message": "later" }))
        .await;
    bob.hears_nothing_else().await;
    thief.execute_batch("ROLLBACK").unwrap();
    let answer = alice.object().await;
    assert!(["ack", "message", "error"].contains(&answer["type"].as_str().unwrap()));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_history_is_refused_with_a_clear_sentence() {
    let chat = Daemon::start(Config::roomy()).await;
    let second = std::process::Command::new(crate::harness::program("chatd"))
        .args(["--set", "server.listen=127.0.0.1:0"])
        .args(["--set", "admin.listen=", "--set", "metrics.listen="])
        .args([
            "--set",
            &format!("admin.socket={}/other.sock", chat.dir().display()),
        ])
        .args([
            "--set",
            &format!("history.path={}", database(&chat).display()),
        ])
        .env("STATE_DIRECTORY", chat.dir())
        .output()
        .unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(told.contains("serves this history already"), "{told}");
}

#[tokio::test]
async fn a_history_that_lost_its_end_is_refused_and_says_what_to_do() {
    let mut chat = Daemon::start(Config::roomy()).await;
    let epoch = told(&chat, "den", 1..=30).await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    std::fs::remove_file(chat.dir().join("history.db-wal")).unwrap();
    let told = chat.fails_to_start();
    assert!(told.contains("committed turns are missing"), "{told}");
    let witness = chat.dir().join("history.db-turns");
    assert!(
        told.contains(&format!("rm {}", witness.display())),
        "{told}"
    );
    // As it says:
    std::fs::remove_file(&witness).unwrap();
    chat.start_again().await;
    let mut bob = chat.full("bob").await;
    bob.join_since("den", &epoch, 30).await;
    assert_eq!(bob.hears_type("gap").await["reason"], "epoch_changed");
}

#[tokio::test]
async fn a_stopped_daemon_that_goes_on_has_lost_nothing() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    for n in 0..5_u64 {
        chat.signal(Signal::STOP);
        until("it stands still", async || chat.is_stopped().then_some(())).await;
        alice
            .request(
                "message",
                json!({ "room": "den", "message": format!("line {n}") }),
            )
            .await;
        tokio::time::timeout(Duration::from_millis(200), bob.line())
            .await
            .unwrap_err();
        chat.signal(Signal::CONT);
        bob.hears_message("den", "alice", &format!("line {n}"))
            .await;
    }
}
