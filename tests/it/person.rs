//! `chat-client` against the real daemon: on a pipe, and as one command.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::{Companion, Config, Daemon, Peer, program, within};

fn client(chat: &Daemon) -> Command {
    let mut command = Command::new(program("chat-client"));
    command
        .env_remove("CHATD_USERNAME")
        .env("CHATD_SERVER", chat.chat().to_string());
    command
}

async fn run(mut command: Command) -> Output {
    command.stdin(std::process::Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    within("chat-client ends", run).await.unwrap()
}

/// Somebody in the lobby who hears presence too.
async fn watcher(chat: &Daemon) -> Peer {
    let mut peer = chat.stranger().await;
    peer.hello_with(json!({ "username": "watcher", "join": true }))
        .await;
    peer.hears_type("joined").await;
    peer
}

#[tokio::test]
async fn lines_in_lines_out_and_every_line_is_acknowledged_before_it_ends() {
    const LINES: usize = 300;
    let chat = Daemon::start(Config::shipped()).await;
    let mut watcher = watcher(&chat).await;
    let mut piped = Companion::start(client(&chat).arg(chat.chat().to_string()).arg("piped"));
    watcher.hears_until("presence").await;
    for n in 0..LINES {
        piped.tell(&format!("line {n}"));
    }
    piped.close();
    for n in 0..LINES {
        watcher
            .hears_message("lobby", "piped", &format!("line {n}"))
            .await;
    }
    assert!(piped.exit().await.success());
}

#[tokio::test]
async fn what_others_say_is_printed() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut watcher = watcher(&chat).await;
    let mut piped = Companion::start(client(&chat).arg(chat.chat().to_string()).arg("piped"));
    watcher.hears_until("presence").await;
    watcher.publish("lobby", "over here \u{1b}[2J").await;
    let line = piped.prints_words(&["watcher", "over here"]).await;
    assert!(!line.contains('\u{1b}'), "{line:?}");

    let mut json = Companion::start(
        client(&chat)
            .args(["--json"])
            .arg(chat.chat().to_string())
            .arg("bot"),
    );
    watcher.hears_until("presence").await;
    watcher.publish("lobby", "for machines").await;
    let line = json.prints_words(&["for machines"]).await;
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["username"], "watcher", "{object}");
}

#[tokio::test]
async fn one_command_says_one_thing() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut watcher = watcher(&chat).await;
    let mut send = client(&chat);
    send.args(["send", "--username", "ci", "deploy done"]);
    let output = run(send).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heard = watcher.hears_until("message").await;
    assert_eq!(
        heard[heard.len() - 1]["message"],
        "deploy done",
        "{heard:?}"
    );

    let mut whisper = client(&chat);
    whisper.args(["send", "--username", "ci", "--to", "watcher", "psst"]);
    assert_eq!(run(whisper).await.status.code(), Some(0));
    let heard = watcher.hears_until("message").await;
    assert_eq!(heard[heard.len() - 1]["to"], "watcher", "{heard:?}");

    let mut nobody = client(&chat);
    nobody.args(["send", "--username", "ci", "--to", "nobody", "psst"]);
    assert_ne!(run(nobody).await.status.code(), Some(0));
}

#[tokio::test]
async fn each_ending_has_its_exit_status() {
    let chat = Daemon::start(Config::shipped()).await;
    let _watcher = watcher(&chat).await;
    let mut taken = client(&chat);
    taken.args(["send", "--username", "watcher", "hi"]);
    let output = run(taken).await;
    assert_eq!(
        output.status.code(),
        Some(4),
        "the nick is in use: {output:?}"
    );

    let mut nowhere = client(&chat);
    nowhere.args(["send", "--server", "127.0.0.1:1", "--username", "ci", "hi"]);
    let output = run(nowhere).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(!output.stderr.is_empty(), "a sentence");

    let mut usage = client(&chat);
    usage.arg("--frobnicate");
    assert_eq!(run(usage).await.status.code(), Some(2));
}

#[tokio::test]
async fn the_two_field_client_of_a_person_talks_too() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut watcher = watcher(&chat).await;
    let mut basic = Companion::start(
        client(&chat)
            .arg("--basic")
            .arg(chat.chat().to_string())
            .arg("basil"),
    );
    basic.tell("hello");
    watcher.hears_until("presence").await;
    watcher.hears_message("lobby", "basil", "hello").await;
    watcher.publish("lobby", "hello basil").await;
    basic.prints_words(&["watcher", "hello basil"]).await;
    basic.close();
    basic.exit().await;
}
