//! The operator's hand on the daemon.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixListener};

use crate::harness::{Config, Ctl, Daemon, Peer, until, within};

const ROW_KEYS: &str = "id username addr dialect rooms connected_at age_seconds idle_seconds in_msgs \
                        out_msgs in_bytes out_bytes lag_msgs lag_seconds state client";

#[tokio::test]
async fn every_client_is_listed_with_everything_about_it() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.stranger().await;
    alice
        .hello_with(json!({ "username": "alice", "caps": [], "client": "play/1" }))
        .await;
    alice.join("den").await;
    alice.publish("den", "hi").await;
    let basic = chat.basic("basil").await;
    let silent = chat.listener().await;
    let text = chat.text("tex").await;

    let rows = chat.listed().await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    let expected: BTreeSet<&str> = ROW_KEYS.split_whitespace().collect();
    for row in &rows {
        let keys: BTreeSet<&str> = row
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert!(
            keys.is_superset(&expected),
            "missing {:?}",
            expected.difference(&keys)
        );
        assert_eq!(
            row["state"],
            if row["dialect"] == "none" {
                "new"
            } else {
                "live"
            },
            "{row}"
        );
    }
    let row = chat.row_of(&alice, |_| true).await;
    assert_eq!(row["username"], "alice", "{row}");
    assert_eq!(row["dialect"], "full", "{row}");
    assert_eq!(row["client"], "play/1", "{row}");
    assert!(row["rooms"].to_string().contains("den"), "{row}");
    assert_eq!(row["in_msgs"], 1, "{row}");
    assert!(
        row["out_bytes"].as_u64().is_some_and(|bytes| bytes > 100),
        "{row}"
    );
    assert_eq!(chat.row_of(&basic, |_| true).await["dialect"], "basic");
    assert_eq!(chat.row_of(&text, |_| true).await["dialect"], "text");
    assert_eq!(chat.row_of(&silent, |_| true).await["dialect"], "none");
}

#[tokio::test]
async fn kick_by_nick_and_by_id() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let mut bob = chat.full_in("lobby", "bob").await;
    let mut carol = chat.full_in("lobby", "carol").await;

    let kick = chat.ctl(&["kick", "alice", "--reason", "too loud"]).await;
    assert_eq!(kick.code, 0, "{kick:?}");
    let bye = alice.hears_bye("kicked").await;
    assert_eq!(bye["reconnect"], false, "{bye}");
    assert!(bye["text"].as_str().unwrap().contains("too loud"), "{bye}");

    let id = chat.row_of(&bob, |_| true).await["id"].to_string();
    let kick = chat.ctl(&["kick", id.trim_matches('"')]).await;
    assert_eq!(kick.code, 0, "{kick:?}");
    bob.hears_bye("kicked").await;

    carol.publish("lobby", "alone at last").await;
    chat.counts("chatd_connections_closed_total", &["kicked"], 2.0)
        .await;
    // Counted when it is decided, listed until the last byte is gone.
    until("only carol is listed", async || {
        (chat.listed().await.len() == 1).then_some(())
    })
    .await;
    let mut alice = chat.full("alice").await;
    alice.hears_nothing_else().await;
}

#[tokio::test]
async fn kicking_nobody_is_exit_5() {
    let chat = Daemon::start(Config::shipped()).await;
    chat.ctl(&["kick", "nobody"]).await.failed_with(5);
    chat.ctl(&["kick", "99999"]).await.failed_with(5);
}

#[tokio::test]
async fn what_cannot_be_reached_is_exit_3_and_what_breaks_off_is_exit_1() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let ask = async || Ctl::run(["--socket", socket.to_str().unwrap(), "status"]).await;

    ask().await.failed_with(3);
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "a socket file without a listener");
    ask().await.failed_with(3);

    fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let cut = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new()).await.unwrap();
        stream
            .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"resu")
            .await
            .unwrap();
    };
    let ((), run) = tokio::join!(cut, ask());
    run.failed_with(1);

    Ctl::run([
        "--addr",
        "127.0.0.1:1",
        "--token-file",
        "/dev/null",
        "status",
    ])
    .await
    .failed_with(3);
}

#[tokio::test]
async fn the_tcp_door_opens_to_the_token_only() {
    let chat = Daemon::start(Config::shipped()).await;
    let admin = chat.admin().to_string();
    let token = chat.token_file();
    assert_eq!(
        fs::metadata(&token).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let run = Ctl::run([
        "--addr",
        &admin,
        "--token-file",
        token.to_str().unwrap(),
        "status",
    ])
    .await;
    assert_eq!(run.code, 0, "{run:?}");

    let wrong = chat.dir().join("wrong.token");
    fs::write(&wrong, "0".repeat(64)).unwrap();
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o600)).unwrap();
    let run = Ctl::run([
        "--addr",
        &admin,
        "--token-file",
        wrong.to_str().unwrap(),
        "status",
    ])
    .await;
    run.failed_with(4);
    let secret = fs::read_to_string(&token).unwrap();
    assert!(
        !format!("{run:?}{}", chat.stderr()).contains(secret.trim()),
        "the secret leaked"
    );
}

#[tokio::test]
async fn the_tcp_door_is_closed_to_strangers() {
    let chat = Daemon::start(Config::shipped()).await;
    let openings: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"auth\",\"params\":{\"token\":\"x\"}}\n",
        b"\x16\x03\x01",
    ];
    for opening in openings {
        let mut intruder = TcpStream::connect(chat.admin()).await.unwrap();
        let _ = intruder.write_all(opening).await;
        let mut reader = BufReader::new(intruder);
        let mut answer = String::new();
        while within("the door closes", reader.read_line(&mut answer))
            .await
            .is_ok_and(|n| n > 0)
        {}
        assert!(!answer.contains("\"result\""), "{answer}");
    }
    let mut silent = TcpStream::connect(chat.admin()).await.unwrap();
    let mut nothing = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut nothing);
    let _ = within("silence is cut off within 2 s", read).await;
    assert_eq!(nothing, b"" as &[u8]);
}

#[tokio::test]
async fn fifty_who_guess_the_token_at_once_get_five_guesses_a_second() {
    const EACH: usize = 20;
    let chat = Daemon::start(Config::shipped()).await;
    let secret = fs::read_to_string(chat.token_file()).unwrap();
    let secret = secret.trim();
    let guesses = [
        String::new(),
        secret[..63].to_owned(),
        format!("{secret}0"),
        format!(
            "{}{}",
            &secret[..63],
            if secret.ends_with('0') { '1' } else { '0' }
        ),
        "x".repeat(1 << 20),
    ];
    let begun = tokio::time::Instant::now();
    let mut guessers = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (admin, guess) = (chat.admin(), guesses[n % guesses.len()].clone());
        guessers.spawn(async move {
            let mut judged = 0;
            for _ in 0..EACH {
                let mut stream = TcpStream::connect(admin).await.unwrap();
                let auth = serde_json::json!({
                    "jsonrpc": "2.0", "id": 1, "method": "auth", "params": { "token": guess },
                });
                let _ = stream.write_all(format!("{auth}\n").as_bytes()).await;
                let mut answer = String::new();
                let _ = BufReader::new(stream).read_line(&mut answer).await;
                assert!(!answer.contains("\"result\""), "{answer}");
                judged += usize::from(answer.contains("this is not the token"));
            }
            judged
        });
    }
    let judged: usize = within("all have guessed", guessers.join_all())
        .await
        .iter()
        .sum();
    let seconds = begun.elapsed().as_secs_f64();
    assert!(judged >= 1, "nobody was heard at all");
    assert!(
        judged as f64 <= 5.0 + 5.0 * (seconds + 1.0),
        "{judged} in {seconds} s"
    );
    // Who is known by the kernel needs no token, and has not noticed.
    assert_eq!(chat.ctl(&["status"]).await.code, 0);
    let log = chat.stderr();
    assert!(
        log.contains("admin.denied") && !log.contains(secret),
        "{log}"
    );
}

#[tokio::test]
async fn status_health_rooms_and_version_answer() {
    let chat = Daemon::start(Config::shipped()).await;
    let _alice = chat.full_in("den", "alice").await;
    let status = chat.ctl(&["--format", "json", "status"]).await.json();
    assert_eq!(status["phase"], "ready", "{status}");
    assert_eq!(chat.ctl(&["health"]).await.code, 0);
    assert!(
        chat.ctl(&["version"])
            .await
            .stdout
            .contains(env!("CARGO_PKG_VERSION"))
    );
    let rooms = chat.ctl(&["--format", "json", "list-rooms"]).await.json();
    let names: Vec<_> = rooms
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["room"].clone())
        .collect();
    assert!(
        names.contains(&json!("den")) && names.contains(&json!("lobby")),
        "{rooms}"
    );
    let shown = chat.ctl(&["show-client", "alice"]).await;
    assert!(
        shown.code == 0 && shown.stdout.contains("alice"),
        "{shown:?}"
    );
    let config = chat.ctl(&["show-config"]).await;
    assert!(
        config.code == 0 && config.stdout.contains("presence_members"),
        "{config:?}"
    );
}

#[tokio::test]
async fn the_closed_are_remembered_with_their_reason() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice: Peer = chat.full("alice").await;
    alice.request("quit", json!({})).await;
    alice.hears_out().await;
    chat.counts("chatd_connections_closed_total", &["client_quit"], 1.0)
        .await;
    let closed = chat.ctl(&["--format", "json", "list-closed"]).await.json();
    let rows = closed.as_array().unwrap();
    assert!(
        rows.iter()
            .any(|row| row["username"] == "alice" && row["reason"] == "client_quit"),
        "{closed}"
    );
}

#[tokio::test]
async fn a_broadcast_reaches_everyone() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full("bob").await;
    assert_eq!(chat.ctl(&["broadcast", "to all"]).await.code, 0);
    assert_eq!(alice.hears_type("notice").await["text"], "to all");
    assert_eq!(bob.hears_type("notice").await["text"], "to all");
}
