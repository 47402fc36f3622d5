//! The books: what members were owed, and what became of it, to the last message.

use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer, until};

/// The books of a daemon that has come to rest.
async fn books(chat: &Daemon) -> Value {
    until("the books are quiet", async || {
        let books = chat.ctl(&["--format", "json", "books"]).await.json();
        (books["quiet"] == true && books["pending"] == 0).then_some(books)
    })
    .await
}

/// These fields, and no difference.
fn stand(books: &Value, fields: &[(&str, u64)]) {
    for (field, value) in fields {
        assert_eq!(books[field], json!(value), "{field} of {books:#}");
    }
    assert_eq!(
        (&books["difference"], &books["balanced"]),
        (&json!(0), &json!(true)),
        "{books:#}"
    );
}

#[tokio::test]
async fn everything_that_is_owed_is_written_or_somebodys_own() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let mut basil = chat.basic("basil").await;
    alice.hears_message("lobby", "basil", "basil is here").await;
    stand(
        &books(&chat).await,
        &[("owed", 2), ("written", 1), ("own", 1)],
    );

    let mut listener = chat.listener().await;
    for n in 0..10 {
        alice.publish("lobby", &format!("line {n}")).await;
        for peer in [&mut basil, &mut listener] {
            peer.hears(&format!(r#"{{"username":"alice","message":"line {n}"}}"#))
                .await;
        }
    }
    let read = books(&chat).await;
    stand(&read, &[("owed", 32), ("written", 31), ("own", 1)]);
    stand(&read, &[("gapped", 0), ("gone", 0), ("replays_asked", 0)]);

    let metrics = chat.metrics().await;
    assert_eq!(metrics.value("chatd_owed_messages_total", &[]), 32.0);
    assert_eq!(metrics.value("chatd_own_messages_total", &[]), 1.0);
    assert_eq!(metrics.value("chatd_deliveries_total", &[]), 31.0);
    assert_eq!(metrics.value("chatd_pending_messages", &[]), 0.0);
}

#[tokio::test]
async fn what_somebody_asks_for_stands_in_an_account_of_its_own() {
    let chat = Daemon::start(Config::forgetful().limit("recent_messages", 10)).await;
    let mut alice = chat.full("alice").await;
    let epoch = alice.join("den").await["epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    for n in 0..30 {
        alice.publish("den", &format!("line {n}")).await;
    }
    let mut bob = chat.full("bob").await;
    bob.join_since("den", &epoch, 25).await;
    for _ in 26..=30 {
        bob.hears_type("message").await;
    }
    let read = books(&chat).await;
    stand(&read, &[("owed", 30), ("written", 30)]);
    stand(&read, &[("replays_asked", 5), ("replays_written", 5)]);

    let mut carol = chat.full("carol").await;
    carol.join_since("den", &epoch, 0).await;
    let gap = carol.hears_type("gap").await["count"].as_u64().unwrap();
    for _ in gap..30 {
        carol.hears_type("message").await;
    }
    let read = books(&chat).await;
    stand(&read, &[("owed", 30), ("written", 30), ("gapped", 0)]);
    stand(
        &read,
        &[
            ("replays_asked", 35),
            ("replays_written", 35 - gap),
            ("replays_gapped", gap),
        ],
    );
}

#[tokio::test]
async fn what_a_slow_reader_misses_is_gapped_or_goes_with_it() {
    const FLOOD: u64 = 1_500;
    let config = Config::roomy()
        .limit("socket_buffer", "16KiB")
        .limit("lag_bytes", "32KiB")
        .limit("write_stall", "1h")
        .limit("ping_interval", "1h");
    let chat = Daemon::start(config).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut slow = Peer::connect_narrow(chat.chat()).await;
    slow.hello("slow").await;
    slow.join("den").await;
    let mut deaf = Peer::connect_narrow(chat.chat()).await;
    deaf.hello("deaf").await;
    deaf.join("den").await;

    let text = "x".repeat(500);
    for _ in 0..FLOOD {
        alice.publish("den", &text).await;
    }
    deaf.reset();
    let (mut last, mut gapped) = (0, 0);
    while last < FLOOD {
        let object = slow.object().await;
        match object["type"].as_str().unwrap() {
            "message" => last = object["seq"].as_u64().unwrap(),
            "gap" => {
                last = object["to"].as_u64().unwrap();
                gapped += object["count"].as_u64().unwrap();
            }
            _ => {}
        }
    }
    assert!(gapped > 0);
    let read = until("the deaf one has gone", async || {
        let read = books(&chat).await;
        (read["gone"] != 0).then_some(read)
    })
    .await;
    stand(&read, &[("owed", 3 * FLOOD), ("own", 0), ("pending", 0)]);
    assert!(read["gapped"].as_u64().unwrap() >= gapped, "{read:#}");
}

#[tokio::test]
async fn the_last_log_line_of_a_drained_daemon_is_about_its_books() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    alice.publish("den", "hi").await;
    chat.signal(rustix::process::Signal::TERM);
    alice.hears_bye("server_shutdown").await;
    assert_eq!(chat.exit().await.code(), Some(0));
    let line = chat.logs(&["books.closed"]).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "info", "{line}");
    assert_eq!((&line["owed"], &line["written"]), (&json!(1), &json!(1)));
}

/// Books that balance whatever happens are no books.
#[cfg(feature = "test-faults")]
#[tokio::test]
async fn a_message_that_is_written_twice_unbalances_the_books() {
    let fault = [("CHATD_FAULT", "catch_up_twice")];
    let chat = Daemon::start_with(Config::shipped(), &fault).await;
    let mut alice = chat.full("alice").await;
    let epoch = alice.join("den").await["epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    alice.publish("den", "hi").await;
    let mut bob = chat.full("bob").await;
    bob.join_since("den", &epoch, 0).await;
    for _ in 0..2 {
        bob.hears_message("den", "alice", "hi").await;
    }
    let told = until("the books are quiet", async || {
        let told = chat.ctl(&["--format", "json", "books"]).await;
        told.stdout.contains(r#""quiet": true"#).then_some(told)
    })
    .await;
    told.failed_with(1);
}
