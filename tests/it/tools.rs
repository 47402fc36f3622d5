//! Plays with programs that are not ours. They need those programs installed, so they run only
//! when asked for: `cargo it tools -- --ignored` (a missing program is a failure, not a skip).

use std::path::Path;
use std::process::Command;

use crate::harness::{Companion, Config, Daemon, program};

/// The two-field client of `tests/simplest_client.py`.
fn simplest(chat: &Daemon, username: &str) -> Companion {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simplest_client.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .arg("127.0.0.1")
        .arg(chat.chat().port().to_string())
        .arg(username);
    Companion::start(&mut python)
}

#[tokio::test]
#[ignore = "needs python3"]
async fn the_simplest_client_talks_with_every_other_kind() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bot = chat.stranger().await;
    bot.hello_with(serde_json::json!({ "username": "bot", "join": true }))
        .await;
    bot.hears_until("joined").await;
    let mut person = chat.text("person").await;
    bot.hears_until("presence").await;
    let mut piped = Companion::start(
        Command::new(program("chat-client"))
            .arg(chat.chat().to_string())
            .arg("piped"),
    );
    bot.hears_until("presence").await;

    let mut simple = simplest(&chat, "simple");
    simple.tell("hello world");
    bot.hears_until("presence").await;
    bot.hears_message("lobby", "simple", "hello world").await;
    person.hears_words(&["<simple> hello world"]).await;
    piped.prints_words(&["simple", "hello world"]).await;

    bot.request("message", serde_json::json!({ "message": "from the bot" }))
        .await;
    assert_eq!(simple.prints().await, "bot: from the bot");
    person.say("from a person").await;
    assert_eq!(simple.prints().await, "person: from a person");
    piped.tell("from a pipe");
    assert_eq!(simple.prints().await, "piped: from a pipe");
    bot.request("nick", serde_json::json!({ "username": "robot" }))
        .await;
    bot.request("message", serde_json::json!({ "message": "renamed" }))
        .await;
    assert_eq!(simple.prints().await, "robot: renamed");
    assert_eq!(chat.ctl(&["broadcast", "tea at four"]).await.code, 0);
    assert_eq!(simple.prints().await, "chatd: tea at four");

    simple.tell("goodbye");
    person.hears_words(&["<simple> goodbye"]).await;
    simple.close();
    assert!(simple.exit().await.success());
    assert_eq!(simple.printed().len(), 5, "{:?}", simple.printed());
}

#[tokio::test]
#[ignore = "needs python3"]
async fn the_simplest_client_is_kicked_and_understands() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut witness = chat.full_in("lobby", "witness").await;
    let mut simple = simplest(&chat, "simple");
    simple.tell("hello");
    witness.hears_message("lobby", "simple", "hello").await;
    assert_eq!(
        chat.ctl(&["kick", "simple", "--reason", "too loud"])
            .await
            .code,
        0
    );
    let farewell = simple.prints().await;
    assert!(
        farewell.starts_with("chatd: ") && farewell.contains("too loud"),
        "{farewell}"
    );
    simple.close();
    simple.exit().await;
}
