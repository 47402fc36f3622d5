//! Plays with programs that are not ours. They need those programs installed, so they run only
//! when asked for: `cargo it tools -- --ignored` (a missing program is a failure, not a skip).

use std::path::Path;
use std::process::Command;

use crate::harness::{Companion, Config, Daemon, program, within};

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

/// Runs a shell line to its end; `$PORT` is where people talk.
async fn shell(chat: &Daemon, line: &'static str) -> std::process::Output {
    let port = chat.chat().port().to_string();
    let run = tokio::task::spawn_blocking(move || {
        Command::new("sh")
            .args(["-c", line])
            .env("PORT", port)
            .output()
            .unwrap()
    });
    within("the shell line ends", run).await.unwrap()
}

#[tokio::test]
#[ignore = "needs netcat-openbsd"]
async fn a_script_with_netcat_says_its_line_and_ends() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut witness = chat.listener().await;
    let line = r"printf '/nick ci\ndeploy done\n' | nc -N 127.0.0.1 $PORT";
    let output = shell(&chat, line).await;
    assert!(output.status.success(), "{output:?}");
    witness
        .hears(r#"{"username":"ci","message":"deploy done"}"#)
        .await;
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_is_an_intruder_and_is_not_heard() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut witness = chat.listener().await;
    let line =
        r#"curl -sS -m 10 -d '{"username":"mallory","message":"hi"}' http://127.0.0.1:$PORT/"#;
    let output = shell(&chat, line).await;
    assert!(
        !output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    chat.counts("chatd_connections_closed_total", &["protocol_error"], 1.0)
        .await;
    let mut alice = chat.full_in("lobby", "alice").await;
    alice.publish("lobby", "nobody else here").await;
    witness
        .hears(r#"{"username":"alice","message":"nobody else here"}"#)
        .await;
}

#[tokio::test]
#[ignore = "needs telnet"]
async fn control_c_in_telnet_does_not_freeze_the_terminal() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("lobby", "alice").await;
    let command = format!("telnet 127.0.0.1 {}", chat.chat().port());
    let mut telnet = rexpect::spawn(&command, Some(20_000)).unwrap();
    telnet.exp_string("Escape character").unwrap();
    telnet.send_line("/nick tess").unwrap();
    telnet.exp_string("you are now tess").unwrap();
    telnet.send_line("hello from telnet").unwrap();
    alice
        .hears_message("lobby", "tess", "hello from telnet")
        .await;

    telnet.send("half a li").unwrap();
    telnet.send_control('c').unwrap();
    alice.publish("lobby", "can you see me?").await;
    telnet.exp_string("can you see me?").unwrap();
    telnet.send_line("").unwrap();
    telnet.send_line("/quit").unwrap();
    telnet.exp_eof().unwrap();
}
