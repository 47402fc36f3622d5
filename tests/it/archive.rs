//! History on the operator's table: exported, imported, pruned, copied, searched; and whoever is killed
//! in the middle leaves the old or the new.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Config, Daemon, Relay, program, until};

fn kept() -> Config {
    Config::roomy().set("history.durability", "process")
}

/// An exported room of so many messages, as `chatctl` would have written it.
fn export_file(folder: &Path, messages: u64) -> PathBuf {
    let path = folder.join(format!("{messages}.jsonl"));
    let mut text = format!(
        "{}\n",
        json!({"chatd_export": 1, "room": "old", "epoch": "e", "first": 1, "last": messages, "topic": null})
    );
    for seq in 1..=messages {
        let time = "2026-01-02T03:04:05.678Z";
        let line = json!({"seq": seq, "time": time, "username": "ann", "message": format!("word{seq} common")});
        text += &format!("{line}\n");
    }
    let sum: String = Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    text += &format!(
        "{}\n",
        json!({"end": true, "messages": messages, "sha256": sum})
    );
    fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `chatctl` at work, and somebody who holds its next answer.
fn at_work(relay: &Relay, arguments: &[&str]) -> Child {
    Command::new(program("chatctl"))
        .arg("--socket")
        .arg(relay.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The store's file, past the daemon.
struct Store(Connection);

impl Store {
    fn of(chat: &Daemon) -> Self {
        let path = chat.dir().join("history.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).unwrap();
        connection
            .set_db_config(
                rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                true,
            )
            .unwrap();
        connection.pragma_update(None, "query_only", true).unwrap();
        Self(connection)
    }

    fn count(&self, sql: &str) -> u64 {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Messages that belong to no room, or lie below its first number.
    fn leavings(&self) -> u64 {
        self.count(
            "SELECT count(*) FROM messages LEFT JOIN rooms ON rooms.id = messages.id >> 40 \
             WHERE rooms.id IS NULL OR messages.id & 0xffffffffff < rooms.first",
        )
    }
}

impl Daemon {
    async fn rooms_on_record(&self, room: &str) -> Value {
        let shown = self
            .ctl(&[
                "history", "show", room, "--limit", "1000", "--format", "json",
            ])
            .await;
        shown.json()
    }
}

#[tokio::test]
async fn an_exported_room_comes_back_with_its_numbers_under_another_name() {
    let mut chat = Daemon::start(kept()).await;
    let mut alice = chat.full_in("den", "alice").await;
    for n in 1..=20 {
        alice.publish("den", &format!("m{n}")).await;
    }
    alice
        .ask("topic", json!({"room": "den", "topic": "tea"}), "topic")
        .await;
    let before = chat.rooms_on_record("den").await;
    let file = chat.dir().join("den.jsonl");
    let exported = chat.ctl(&["history", "export", "den", text(&file)]).await;
    assert_eq!(exported.code, 0, "{exported:?}");
    chat.ctl(&["history", "import", text(&file)])
        .await
        .failed_with(7);
    let imported = chat
        .ctl(&[
            "--format",
            "json",
            "history",
            "import",
            text(&file),
            "--room",
            "cave",
        ])
        .await
        .json();
    assert_eq!(imported["messages"], 20, "{imported}");
    chat.ctl(&["history", "import", text(&file), "--room", "CAVE"])
        .await
        .failed_with(7);
    assert_eq!(chat.rooms_on_record("cave").await, before);
    let joined = alice.join("cave").await;
    assert_eq!(
        (&joined["seq"], &joined["topic"]),
        (&json!(20), &json!("tea"))
    );
    assert_ne!(joined["epoch"], alice.join("den").await["epoch"]);
    assert_eq!(alice.publish("cave", "and on").await["seq"], 21);
    chat.signal(Signal::KILL);
    chat.exit().await;
    chat.start_again().await;
    let after = chat.rooms_on_record("cave").await;
    assert_eq!(after.as_array().unwrap().len(), 21, "{after}");
}

#[tokio::test]
async fn a_file_that_is_not_whole_brings_nothing_in() {
    let chat = Daemon::start(kept()).await;
    let file = export_file(chat.dir(), 50);
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for spoiled in [
        lines[..50].join("\n") + "\n",
        whole.replace("word7 ", "word8 "),
        whole[..whole.len() - 10].to_owned(),
    ] {
        fs::write(&file, spoiled).unwrap();
        chat.ctl(&["history", "import", text(&file)])
            .await
            .failed_with(1);
    }
    chat.ctl(&["history", "show", "old"]).await.failed_with(5);
}

#[tokio::test]
async fn an_export_that_is_killed_leaves_the_old_file() {
    let mut chat = Daemon::start(kept()).await;
    let file = export_file(chat.dir(), 5000);
    assert_eq!(chat.ctl(&["history", "import", text(&file)]).await.code, 0);
    let target = chat.dir().join("export.jsonl");
    fs::write(&target, "old").unwrap();
    let export = ["history", "export", "old", text(&target)];

    let relay = Relay::holding_after(3, chat.dir(), chat.admin_socket());
    let mut killed = at_work(&relay, &export);
    relay.holds().await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    let part = chat.dir().join("export.jsonl.part");
    assert!(
        fs::metadata(&part).unwrap().len() > 0,
        "it was in the middle"
    );

    let relay = Relay::holding_after(4, chat.dir(), chat.admin_socket());
    let bereft = at_work(&relay, &export);
    relay.holds().await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    let ended = tokio::task::spawn_blocking(|| bereft.wait_with_output().unwrap());
    assert_eq!(ended.await.unwrap().status.code(), Some(1));
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    assert!(!part.exists());

    chat.start_again().await;
    assert_eq!(chat.ctl(&export).await.code, 0);
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 5002);
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_no_room() {
    let mut chat = Daemon::start(kept()).await;
    let file = export_file(chat.dir(), 5000);
    let import = ["history", "import", text(&file)];

    let relay = Relay::holding_after(4, chat.dir(), chat.admin_socket());
    let mut killed = at_work(&relay, &import);
    relay.holds().await;
    assert!(Store::of(&chat).leavings() > 0, "it was in the middle");
    let mut alice = chat.full("alice").await;
    let refused = alice.ask("join", json!({"room": "old"}), "error").await;
    assert_eq!(refused["code"], "store_unavailable", "{refused}");
    killed.kill().unwrap();
    killed.wait().unwrap();
    until("what was brought is cleared away", async || {
        (Store::of(&chat).leavings() == 0).then_some(())
    })
    .await;
    chat.ctl(&["history", "show", "old"]).await.failed_with(5);

    let relay = Relay::holding_after(5, chat.dir(), chat.admin_socket());
    let bereft = at_work(&relay, &import);
    relay.holds().await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    let ended = tokio::task::spawn_blocking(|| bereft.wait_with_output().unwrap());
    assert_eq!(ended.await.unwrap().status.code(), Some(1));
    assert!(Store::of(&chat).leavings() > 0, "it was in the middle");
    chat.start_again().await;
    chat.ctl(&["history", "show", "old"]).await.failed_with(5);
    until("what was brought is cleared away", async || {
        let store = Store::of(&chat);
        let imports = store.count("SELECT count(*) FROM imports");
        (store.leavings() == 0 && imports == 0).then_some(())
    })
    .await;
    assert_eq!(chat.ctl(&import).await.code, 0);
    assert_eq!(
        Store::of(&chat).count("SELECT count(*) FROM messages"),
        5000
    );
}

#[tokio::test]
async fn a_prune_that_is_killed_is_done_or_not_and_leaves_nothing_lying() {
    let mut chat = Daemon::start(kept()).await;
    let file = export_file(chat.dir(), 30_000);
    assert_eq!(chat.ctl(&["history", "import", text(&file)]).await.code, 0);
    let tried = chat
        .ctl(&[
            "history",
            "prune",
            "old",
            "--keep",
            "10",
            "--dry-run",
            "--format",
            "json",
        ])
        .await
        .json();
    assert_eq!(
        (&tried["messages"], &tried["first"]),
        (&json!(29_990), &json!(29_991))
    );
    let mut alice = chat.full("alice").await;
    assert_eq!(alice.join("old").await["first"], 1);
    let pruned = chat.ctl(&["history", "prune", "old", "--keep", "10"]).await;
    assert_eq!(pruned.code, 0, "{pruned:?}");
    chat.signal(Signal::KILL);
    chat.exit().await;
    assert!(Store::of(&chat).leavings() > 0, "it was in the middle");
    chat.start_again().await;
    let left = chat.rooms_on_record("old").await;
    let left = left.as_array().unwrap();
    assert_eq!((left.len(), &left[0]["seq"]), (10, &json!(29_991)));
    until("what was pruned is cleared away", async || {
        (Store::of(&chat).leavings() == 0).then_some(())
    })
    .await;
    assert_eq!(Store::of(&chat).count("SELECT count(*) FROM messages"), 10);
}

#[tokio::test]
async fn a_backup_is_whole_or_what_was_there_and_can_be_put_back() {
    let mut chat = Daemon::start(kept()).await;
    let file = export_file(chat.dir(), 20_000);
    assert_eq!(chat.ctl(&["history", "import", text(&file)]).await.code, 0);
    let target = chat.dir().join("backup.db");
    fs::write(&target, "old").unwrap();
    let backup = ["backup", text(&target)];

    let relay = Relay::holding_after(2, chat.dir(), chat.admin_socket());
    let mut killed = at_work(&relay, &backup);
    relay.holds().await;
    let part = chat.dir().join("backup.db.part");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    assert!(part.exists(), "it was in the middle");

    let relay = Relay::holding_after(3, chat.dir(), chat.admin_socket());
    let bereft = at_work(&relay, &backup);
    relay.holds().await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    let ended = tokio::task::spawn_blocking(|| bereft.wait_with_output().unwrap());
    assert_eq!(ended.await.unwrap().status.code(), Some(1));
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    assert!(!chat.dir().join("history.db-backup").exists());

    chat.start_again().await;
    let mut alice = chat.full_in("den", "alice").await;
    alice.publish("den", "before").await;
    let done = chat.ctl(&backup).await;
    assert_eq!(done.code, 0, "{done:?}");
    alice.publish("den", "after").await;
    chat.signal(Signal::TERM);
    chat.exit().await;
    // As the README says: everything that stood beside the old one goes.
    for entry in fs::read_dir(chat.dir()).unwrap() {
        let path = entry.unwrap().path();
        if text(&path).contains("history.db-") {
            fs::remove_file(path).unwrap();
        }
    }
    fs::rename(&target, chat.dir().join("history.db")).unwrap();
    chat.start_again().await;
    let old = chat.rooms_on_record("old").await;
    assert_eq!(old.as_array().unwrap().len(), 1000, "the last page of many");
    let den = chat.rooms_on_record("den").await;
    assert_eq!(den.as_array().unwrap().len(), 1, "{den}");
}

#[tokio::test]
async fn words_are_found_soon_and_also_after_a_kill() {
    let mut chat = Daemon::start(kept()).await;
    let mut alice = chat.full_in("den", "alice").await;
    alice.publish("den", "Tea at five").await;
    alice.publish("den", "no").await;
    chat.signal(Signal::KILL);
    chat.exit().await;
    chat.start_again().await;
    let search = ["--format", "json", "history", "search", "den", "tea", "fi*"];
    let found = until("the index is complete", async || {
        let found = chat.ctl(&search).await;
        let found = (found.code == 0).then(|| found.json())?;
        (found["complete_to"] == 2).then_some(found)
    })
    .await;
    assert_eq!(found["messages"][0]["seq"], 1, "{found}");
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
    chat.counts("chatd_search_lag_messages", &[], 0.0).await;
    chat.ctl(&["history", "search", "den", "!"])
        .await
        .failed_with(2);
    chat.ctl(&["history", "search", "cave", "tea"])
        .await
        .failed_with(5);
}

#[tokio::test]
async fn where_nothing_is_kept_that_is_said() {
    let chat = Daemon::start(kept().set("history.durability", "none")).await;
    let mut alice = chat.full_in("den", "alice").await;
    alice.publish("den", "hi").await;
    let shown = chat.rooms_on_record("den").await;
    assert_eq!(shown[0]["message"], "hi", "{shown}");
    let target = chat.dir().join("file");
    chat.ctl(&["backup", text(&target)]).await.failed_with(7);
    chat.ctl(&["history", "prune", "den", "--keep", "1"])
        .await
        .failed_with(7);
    chat.ctl(&["history", "search", "den", "hi"])
        .await
        .failed_with(7);
    assert!(!target.exists());
}
