//! Who is banned, and how they try to come back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Companion, Config, Ctl, Daemon, program, until};
use crate::pair::Pair;

/// What `chatctl list-bans` lists.
async fn bans(chat: &Daemon) -> Vec<Value> {
    let listed = chat.ctl(&["--format", "json", "list-bans"]).await.json();
    listed.as_array().unwrap().clone()
}

async fn must(chat: &Daemon, arguments: &[&str]) -> Ctl {
    let run = chat.ctl(arguments).await;
    assert_eq!(run.code, 0, "{run:?}");
    run
}

#[tokio::test]
async fn a_banned_name_ends_its_sessions_and_cannot_be_had_again() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut mallory = chat.full_in("lobby", "mallory").await;
    let ban = must(&chat, &["ban", "mallory", "--reason", "spam"]).await;
    assert!(ban.stderr.is_empty(), "{ban:?}");
    let bye = mallory.hears_bye("banned").await;
    assert_eq!(bye["reconnect"], false, "{bye}");
    assert!(bye["text"].as_str().unwrap().contains("spam"), "{bye}");
    let closed = &chat.ask("clients.closed", json!({ "limit": 1 })).await["closed"][0];
    assert_eq!(
        (&closed["reason"], &closed["detail"]),
        (&json!("banned"), &json!("nick")),
        "{closed}"
    );

    // In every dialect, at the door and by a rename.
    let mut full = chat.stranger().await;
    for evader in ["mallory", "MALLORY", "Mallory"] {
        full.request("hello", json!({ "username": evader })).await;
        full.hears_error("banned").await;
    }
    full.hello("saint").await;
    full.request("nick", json!({ "username": "mallory" })).await;
    full.hears_error("banned").await;
    let mut basic = chat.listener().await;
    basic.says("mallory", "me again").await;
    assert!(basic.hears_notice().await.contains("banned"));
    let mut basic = chat.basic("saint2").await;
    basic.says("Mallory", "me again").await;
    assert!(basic.hears_notice().await.contains("banned"));
    let mut text = chat.text("saint3").await;
    text.say("/nick mallory").await;
    assert!(text.line().await.contains("banned"));
    chat.counts("chatd_messages_rejected_total", &["\"banned\""], 7.0)
        .await;

    let row = &bans(&chat).await[0];
    assert_eq!(
        (&row["kind"], &row["whom"], &row["reason"], &row["refused"]),
        (&json!("nick"), &json!("mallory"), &json!("spam"), &json!(7)),
        "{row}"
    );
    assert!(row["by"].as_str().unwrap().contains("uid="), "{row}");
    assert_eq!(row["until"], Value::Null, "{row}");

    must(&chat, &["unban", "MALLORY"]).await;
    full.ask("nick", json!({ "username": "mallory" }), "nick")
        .await;
    chat.ctl(&["unban", "mallory"]).await.failed_with(5);
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn a_look_alike_is_the_same_person() {
    let chat = Daemon::start(Config::roomy()).await;
    must(&chat, &["ban", "oxo"]).await;
    let mut evader = chat.stranger().await;
    for name in ["oxo", "OXO", "охо"] {
        evader.request("hello", json!({ "username": name })).await;
        evader.hears_error("banned").await;
    }
    // Mixed scripts are no name at all.
    evader.request("hello", json!({ "username": "oхo" })).await;
    evader.hears_error("nick_invalid").await;
}

#[tokio::test]
async fn the_secret_of_a_banned_person_opens_no_door() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut mallory = chat.stranger().await;
    let welcome = mallory.hello_with(json!({ "username": "mallory" })).await;
    let secret = welcome["resume"].as_str().unwrap().to_owned();
    must(&chat, &["ban", "mallory"]).await;
    mallory.hears_bye("banned").await;
    let mut back = chat.stranger().await;
    for name in [json!("mallory"), json!("saint"), Value::Null] {
        back.request("hello", json!({ "username": name, "resume": secret }))
            .await;
        back.hears_error("banned").await;
    }
    // Without the secret they are a stranger.
    back.hello("saint").await;
    // Also while the session lives: a second connection takes nothing over.
    let mut other = chat.stranger().await;
    let welcome = other.hello_with(json!({ "username": "carol" })).await;
    must(&chat, &["ban", "carol"]).await;
    let mut second = chat.stranger().await;
    second
        .request(
            "hello",
            json!({ "username": "dave", "resume": welcome["resume"] }),
        )
        .await;
    second.hears_error("banned").await;
}

#[tokio::test]
async fn a_banned_address_is_refused_at_the_door_in_words_that_everybody_can_read() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full("alice").await;
    let silent = chat.listener().await;
    let dry = must(&chat, &["ban", "127.0.0.0/8", "--dry-run"]).await;
    assert!(dry.stderr.contains("own machine"), "{dry:?}");
    let row = chat.row_of(&silent, |_| true).await;
    assert_eq!(row["dialect"], "none", "nobody was closed: {row}");
    assert_eq!(bans(&chat).await, [Value::Null; 0]);

    // An IPv4 address in IPv6 clothes is an IPv4 address.
    let ban = must(&chat, &["ban", "::ffff:127.0.0.1", "--for", "1h"]).await;
    assert!(ban.stderr.contains("own machine"), "{ban:?}");
    alice.hears_bye("banned").await;
    let mut silent = silent;
    assert!(silent.hears_notice().await.contains("banned"));
    silent.ends().await;
    let mut late = chat.stranger().await;
    let bye = late.hears_bye("banned").await;
    assert_eq!(bye["username"], "chatd", "{bye}");
    assert_eq!(bye["reconnect"], false, "{bye}");
    chat.counts(
        "chatd_connections_refused_total",
        &["\"banned\"", "\"address\""],
        1.0,
    )
    .await;
    chat.counts("chatd_connections_closed_total", &["\"banned\""], 2.0)
        .await;
    let row = &bans(&chat).await[0];
    assert_eq!(row["whom"], "127.0.0.1/32", "{row}");
    let left = row["left_seconds"].as_f64().unwrap();
    assert!(left > 3500.0 && left <= 3600.0, "{row}");

    // `chat-client` says so, and does not come back by itself.
    let mut person = Companion::start(
        std::process::Command::new(program("chat-client"))
            .arg("send")
            .arg("--server")
            .arg(chat.chat().to_string())
            .arg("hello"),
    );
    assert_eq!(person.exit().await.code(), Some(4));

    must(&chat, &["unban", "127.0.0.1"]).await;
    chat.full("alice").await.hears_nothing_else().await;
}

#[tokio::test]
async fn an_operator_far_away_is_warned_of_a_ban_of_themselves() {
    let chat = Daemon::start(Config::shipped()).await;
    let warnings = async |params: Value| {
        let report = chat.ask("bans.add", params).await;
        report["warnings"].to_string()
    };
    let warned =
        warnings(json!({"addr": "192.0.2.0/24", "from": "192.0.2.7", "dry_run": true})).await;
    assert!(warned.contains("yourself"), "{warned}");
    let warned =
        warnings(json!({"addr": "192.0.2.0/24", "from": "198.51.100.7", "dry_run": true})).await;
    assert_eq!(warned, "[]");
    let warned = warnings(json!({"addr": "2001:db8::7", "dry_run": true})).await;
    assert!(warned.contains("2001:db8::/64"), "{warned}");
    let warned = warnings(json!({"addr": "::/0", "dry_run": true})).await;
    assert!(warned.contains("own machine"), "{warned}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let chat = Daemon::start(Config::shipped().limit("bans", 2)).await;
    for whom in ["", "guest-7", "admin", "a@b", "10.0.0.0/33", "17"] {
        chat.ctl(&["ban", whom]).await.failed_with(2);
    }
    chat.ctl(&["ban", "a", "--for", "0s"]).await.failed_with(2);
    chat.ctl(&["ban", "a", "--reason", &"x".repeat(501)])
        .await
        .failed_with(2);
    must(&chat, &["ban", "a"]).await;
    must(&chat, &["ban", "10.0.0.1", "--nick"]).await;
    must(&chat, &["ban", "A", "--reason", "said better"]).await;
    let full = chat.ctl(&["ban", "c"]).await;
    full.failed_with(7);
    assert!(full.stderr.contains("limits.bans"), "{full:?}");
    let kinds: Vec<_> = bans(&chat)
        .await
        .iter()
        .map(|row| row["kind"].clone())
        .collect();
    assert_eq!(kinds, ["nick", "nick"]);
    let metrics = chat.metrics().await;
    assert_eq!(metrics.value("chatd_bans", &[]), 2.0);
    assert_eq!(metrics.value("chatd_bans_limit", &[]), 2.0);
}

#[tokio::test]
async fn bans_outlive_the_daemon_and_end_when_their_time_is_over() {
    let mut chat = Daemon::start(Config::shipped()).await;
    must(&chat, &["ban", "mallory", "--reason", "spam"]).await;
    must(&chat, &["ban", "2001:db8:1:2::9", "--for", "7d"]).await;
    must(&chat, &["ban", "brief", "--for", "2s"]).await;
    let before = bans(&chat).await;
    assert_eq!(before.len(), 3);
    let mode = fs::metadata(chat.dir().join("bans.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // Not told to end: what was said is on disk.
    chat.signal(Signal::KILL);
    chat.exit().await;
    chat.start_again().await;
    let after = bans(&chat).await;
    for row in &before[..2] {
        let same = |other: &&Value| other["whom"] == row["whom"];
        let again = after
            .iter()
            .find(same)
            .unwrap_or_else(|| panic!("{row} in {after:?}"));
        for key in ["kind", "reason", "by", "since", "until"] {
            assert_eq!(again[key], row[key], "{key}: {again}");
        }
    }
    assert_eq!(after[1]["whom"], "2001:db8:1:2::/64");
    until("its time is over", async || {
        (bans(&chat).await.len() == 2).then_some(())
    })
    .await;
    let mut peer = chat.stranger().await;
    peer.hello("brief").await;
    let mut mallory = chat.stranger().await;
    mallory
        .request("hello", json!({ "username": "mallory" }))
        .await;
    mallory.hears_error("banned").await;
}

#[tokio::test]
async fn a_ban_that_cannot_be_kept_is_in_force_and_everybody_is_told() {
    let chat = Daemon::start(Config::shipped()).await;
    // A folder in its way: root too cannot rename a file over it.
    let file = chat.dir().join("bans.json");
    fs::create_dir(&file).unwrap();
    fs::write(file.join("full"), "").unwrap();
    let ban = chat.ctl(&["ban", "mallory"]).await;
    ban.failed_with(1);
    assert!(ban.stderr.contains("bans.json"), "{ban:?}");
    let mut mallory = chat.stranger().await;
    mallory
        .request("hello", json!({ "username": "mallory" }))
        .await;
    mallory.hears_error("banned").await;
    assert_eq!(chat.metrics().await.value("chatd_bans_saved", &[]), 0.0);
    let health = chat.ask("health", json!({})).await;
    assert_eq!(health["level"], "critical", "{health}");
    chat.logs(&["bans.lost"]).await;

    fs::remove_dir_all(&file).unwrap();
    chat.counts("chatd_bans_saved", &[], 1.0).await;
    assert!(fs::read_to_string(&file).unwrap().contains("mallory"));
}

#[tokio::test]
async fn a_file_of_bans_that_cannot_be_read_is_no_open_door() {
    let mut chat = Daemon::start(Config::shipped()).await;
    must(&chat, &["ban", "mallory"]).await;
    chat.signal(Signal::TERM);
    chat.exit().await;
    let file = chat.dir().join("bans.json");
    let text = fs::read(&file).unwrap();
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let refused = std::process::Command::new(program("chatd"))
        .arg("--config")
        .arg(chat.config_file())
        .env("STATE_DIRECTORY", chat.dir())
        .env("RUNTIME_DIRECTORY", chat.dir())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("bans.json"), "{why}");
    fs::write(&file, &text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    chat.start_again().await;
    assert_eq!(bans(&chat).await.len(), 1);
}

#[tokio::test]
async fn whoever_comes_while_a_ban_is_said_does_not_slip_through() {
    let chat = Daemon::start(Config::roomy()).await;
    let evade = async |n: usize| {
        let name = format!("evader{n}");
        let mut evader = chat.stranger().await;
        let request = json!({ "type": "hello", "version": 1, "username": name });
        let order = chat.ask("bans.add", json!({ "nick": name }));
        let (_, ()) = tokio::join!(order, evader.say_json(request));
        // Refused, or let in and shown out again: never left in.
        let first = evader.object().await;
        if first["type"] == "welcome" {
            evader.hears_bye("banned").await;
        } else {
            assert_eq!(first["code"], "banned", "{first}");
        }
        first["type"] == "welcome"
    };
    // The admin door has few chairs.
    let mut let_in = 0;
    for round in 0..3 {
        let evaders = (0..8).map(|n| evade(8 * round + n));
        let_in += join_all(evaders)
            .await
            .into_iter()
            .filter(|was| *was)
            .count();
    }
    let rows = chat.clients().await;
    let is_evader = |row: &&Value| row["username"].to_string().contains("evader");
    assert_eq!(rows.iter().find(is_evader), None);
    println!("{let_in} of 24 were let in and shown out again");
}
