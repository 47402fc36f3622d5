//! The rest of the operator's console: what happens, who did what, what was refused, and for how long
//! something is to be otherwise.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::harness::{Companion, Config, Daemon, Peer, program, until, within};

impl Daemon {
    /// A `chatctl` that goes on, its output one object a line.
    fn ctl_that_goes_on(&self, arguments: &[&str]) -> Companion {
        let mut command = Command::new(program("chatctl"));
        command.arg("--socket").arg(self.admin_socket());
        Companion::start(command.args(["--format", "ndjson"]).args(arguments))
    }

    /// Waits until somebody listens to events, so that none of a play is missed.
    async fn is_listened_to(&self) {
        until("somebody listens", async || {
            (self.ask("status", json!({})).await["event_listeners"].as_u64() > Some(0))
                .then_some(())
        })
        .await;
    }

    async fn id_of(&self, peer: &Peer) -> u64 {
        self.row_of(peer, |_| true).await["id"].as_u64().unwrap()
    }
}

async fn next(companion: &mut Companion) -> Value {
    let line = companion.prints().await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn events_are_told_as_they_happen_and_as_they_were_asked_for() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let id = chat.id_of(&alice).await;
    let mut all = chat.ctl_that_goes_on(&["events", "-f"]);
    chat.is_listened_to().await;
    let mut kicks = chat.ctl_that_goes_on(&["events", "--reason", "kicked", "--count", "1"]);
    until("two listen", async || {
        (chat.ask("status", json!({})).await["event_listeners"] == 2).then_some(())
    })
    .await;

    let mut bob = chat.full_in("den", "bob").await;
    bob.say("{\"type\":\"dance\"}").await;
    bob.hears_until("error").await;
    chat.ctl(&["kick", "alice"]).await;
    alice.hears_until("bye").await;

    let mut names = Vec::new();
    loop {
        let event = next(&mut all).await;
        names.push(event["event"].as_str().unwrap().to_owned());
        if event["event"] == "client.closed" {
            assert_eq!(event["reason"], "kicked", "{event}");
            assert_eq!(event["client"], id.to_string(), "{event}");
            assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
            break;
        }
    }
    for name in [
        "client.connected",
        "client.named",
        "room.entered",
        "line.rejected",
    ] {
        assert!(names.iter().any(|seen| seen == name), "{name}: {names:?}");
    }
    let kicked = next(&mut kicks).await;
    assert_eq!(kicked["event"], "client.closed");
    assert_eq!(kicks.exit().await.code(), Some(0), "it has seen enough");
    let text = names.join(" ");
    assert!(
        !text.contains("message"),
        "nothing is said of what people say: {text}"
    );
}

/// An operator's connection that listens and never reads.
async fn stalled_listener(chat: &Daemon) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(chat.admin_socket()).await.unwrap();
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\"}\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut stream = BufReader::with_capacity(256, stream);
    let mut answer = String::new();
    within("it listens", stream.read_line(&mut answer))
        .await
        .unwrap();
    assert!(answer.contains("\"streaming\":true"), "{answer}");
    stream
}

#[tokio::test]
async fn a_thousand_listeners_that_do_not_read_cost_nothing_and_are_told_what_they_missed() {
    const STALLED: usize = 1000;
    let _alone = crate::harness::alone().await;
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(stalled_listener(&chat).await);
    }
    let status = chat.ask("status", json!({})).await;
    assert_eq!(status["event_listeners"], STALLED, "{status}");

    // More events than any listener may be behind, and than its socket takes.
    let before = chat.resident_bytes();
    let noise = "{\"type\":\"dance\"}\n{\"type\":\"ping\"}\n".repeat(100);
    let mut slowest = Duration::ZERO;
    for _ in 0..120 {
        alice.send(noise.as_bytes()).await;
        for _ in 0..200 {
            alice.object().await;
        }
        let asked = Instant::now();
        chat.ask("status", json!({})).await;
        slowest = slowest.max(asked.elapsed());
    }
    let grown = chat.resident_bytes().saturating_sub(before);
    assert!(
        grown < 32 << 20,
        "{STALLED} stalled listeners made it grow by {grown}"
    );
    assert!(slowest < Duration::from_secs(5), "status took {slowest:?}");
    bob.publish("den", "chat goes on").await;

    // The first one reads at last.
    let mut late = stalled.swap_remove(0);
    let mut seen = 0_u64;
    let lagged = loop {
        let mut line = String::new();
        within("a line", late.read_line(&mut line)).await.unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        match object["lagged"].as_u64() {
            Some(missed) => break missed,
            None => seen += 1,
        }
    };
    assert!(lagged > 0 && seen > 0, "{lagged} {seen}");
    drop(stalled);
    drop(late);
    until("all have gone", async || {
        (chat.ask("status", json!({})).await["event_listeners"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trace_shows_headers_and_sizes_and_text_only_to_who_asks_for_it() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    let mut trace = chat.ctl_that_goes_on(&["trace", "alice", "--for", "60s", "--max", "3"]);
    chat.logs(&["client.traced"]).await;
    // The lane reads its note before what comes after it.
    chat.ctl(&["health"]).await;

    alice.publish("den", "a secret word").await;
    let said = next(&mut trace).await;
    assert_eq!(
        (&said["direction"], &said["type"]),
        (&json!("in"), &json!("message")),
        "{said}"
    );
    assert_eq!(said["room"], "den");
    let (one, other) = (next(&mut trace).await, next(&mut trace).await);
    let out = [&one, &other].map(|line| line["type"].as_str().unwrap().to_owned());
    assert!(
        out.contains(&"ack".to_owned()) && out.contains(&"message".to_owned()),
        "{out:?}"
    );
    for line in [&said, &one, &other] {
        assert!(!line.to_string().contains("secret"), "{line}");
        assert!(line["bytes"].as_u64() > Some(20), "{line}");
    }
    assert_eq!(trace.exit().await.code(), Some(0));

    let payload = ["trace", "alice", "--for", "60s", "--max", "1", "--payload"];
    let mut trace = chat.ctl_that_goes_on(&payload);
    chat.logs(&["client.traced", "true"]).await;
    chat.ctl(&["health"]).await;
    bob.hears_message("den", "alice", "a secret word").await;
    bob.publish("den", "another word").await;
    let heard = next(&mut trace).await;
    assert_eq!(heard["direction"], "out", "{heard}");
    assert!(
        heard["payload"].as_str().unwrap().contains("another word"),
        "{heard}"
    );
    let audit = chat.ctl(&["--format", "json", "audit"]).await.json();
    let row = &audit[0];
    assert_eq!(
        (&row["method"], &row["result"]),
        (&json!("clients.trace"), &json!("ok")),
        "{audit}"
    );
    assert_eq!(
        audit.as_array().unwrap().len(),
        1,
        "looking at headers changes nothing: {audit}"
    );
    chat.ctl(&["trace", "nobody"]).await.failed_with(5);
}

#[tokio::test]
async fn who_did_what_is_remembered_with_what_became_of_it() {
    let chat = Daemon::start(Config::shipped()).await;
    let _alice = chat.full("alice").await;
    chat.ctl(&["kick", "alice", "--reason", "too loud"]).await;
    chat.ctl(&["kick", "nobody"]).await.failed_with(5);
    chat.ctl(&["status"]).await;
    let audit = chat.ctl(&["--format", "json", "audit"]).await.json();
    let rows = audit.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{audit}");
    assert_eq!(
        (&rows[0]["result"], &rows[1]["result"]),
        (&json!("error"), &json!("ok"))
    );
    assert!(
        rows[1]["params"].as_str().unwrap().contains("too loud"),
        "{audit}"
    );
    assert!(rows[1]["by"].as_str().unwrap().contains("uid="), "{audit}");
    let errors = chat
        .ctl(&["audit", "--result", "error", "--columns", "method,why"])
        .await;
    assert!(errors.stdout.starts_with("method\twhy\n"), "{errors:?}");
    assert_eq!(errors.stdout.lines().count(), 2, "{errors:?}");
}

#[tokio::test]
async fn what_was_refused_is_shown_by_its_shape_and_place() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    alice
        .say("{\"type\":\"message\",\"message\":\"geheim\" oops}")
        .await;
    alice.hears_error("bad_json").await;
    alice
        .say("{\"type\":\"message\",\"message\":\"a\\u0000b")
        .await;
    alice.hears_error("bad_json").await;
    let errors = chat.ctl(&["--format", "json", "errors"]).await.json();
    let row = &errors[1];
    assert_eq!(
        (&row["reason"], &row["username"]),
        (&json!("bad_json"), &json!("alice")),
        "{errors}"
    );
    let line = "{\"type\":\"message\",\"message\":\"geheim\" oops}";
    assert_eq!(row["offset"], line.find("oops").unwrap(), "{errors}");
    assert_eq!(row["line_bytes"], line.len(), "{errors}");
    assert!(!errors.to_string().contains("geheim"), "{errors}");
    assert!(
        row["excerpt"]
            .as_str()
            .unwrap()
            .contains("\"xxxxxx\" xxxx}"),
        "{errors}"
    );
}

#[tokio::test]
async fn nobody_comes_in_while_it_is_paused_and_nobody_has_to_go() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let pause = chat.ctl(&["--format", "json", "pause"]).await.json();
    assert_eq!(
        pause,
        json!({"paused": true, "changed": true, "clients": 1})
    );
    let mut bob = chat.stranger().await;
    let refusal = bob.object().await;
    assert_eq!(
        (&refusal["type"], &refusal["code"]),
        (&json!("bye"), &json!("paused")),
        "{refusal}"
    );
    bob.ends().await;
    alice.publish("den", "still here").await;
    let refused = ["--format", "json", "list-closed", "--refused"];
    assert_eq!(chat.ctl(&refused).await.json()[0]["reason"], "paused");
    assert_eq!(chat.ask("status", json!({})).await["paused"], true);
    assert_eq!(chat.ctl(&["pause"]).await.code, 0, "already");
    assert_eq!(chat.ctl(&["resume"]).await.code, 0);
    let _bob = chat.full("bob").await;
}

#[tokio::test]
async fn more_is_logged_for_a_time_and_then_no_more() {
    let chat = Daemon::start(Config::shipped()).await;
    chat.ctl(&["set-log", "chatty"]).await.failed_with(1);
    let set = ["--format", "json", "set-log", "debug", "--for", "2s"];
    let log = chat.ctl(&set).await.json();
    assert_eq!(log["level"], "debug", "{log}");
    assert!(
        log["origin"]
            .as_str()
            .unwrap()
            .starts_with("set-config until"),
        "{log}"
    );
    let _alice = chat.full("alice").await;
    chat.logs(&["client.connected"]).await;
    chat.logs(&["config.expired", "log.level"]).await;
    let log = chat.ctl(&["--format", "json", "show-log"]).await.json();
    assert_eq!(
        (&log["level"], &log["origin"]),
        (&json!("info"), &json!("default")),
        "{log}"
    );
}

#[tokio::test]
async fn a_key_is_otherwise_for_a_time_and_shown_so() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let long = "x".repeat(101);
    let set = chat
        .ctl(&["set-config", "limits.message=100B", "--for", "3s"])
        .await;
    assert!(
        set.stdout
            .contains("applied: limits.message: 4000B -> 100B"),
        "{set:?}"
    );
    alice
        .request("message", json!({"room": "den", "message": long}))
        .await;
    alice.hears_error("message_too_long").await;
    let shown = chat.ctl(&["show-config", "limits.message"]).await;
    assert!(shown.stdout.contains("set-config until"), "{shown:?}");
    chat.logs(&["config.expired", "limits.message"]).await;
    until("the old limit holds again", async || {
        alice
            .request("message", json!({"room": "den", "message": long}))
            .await;
        (alice.object().await["type"] != "error").then_some(())
    })
    .await;
    chat.ctl(&["set-config", "limits.message=8GiB"])
        .await
        .failed_with(1);
    chat.ctl(&["set-config", "server.name=other"])
        .await
        .failed_with(7);
    chat.ctl(&["set-config", "--reset", "limits.message"])
        .await
        .failed_with(5);
    chat.ctl(&["set-config", "limits.message"])
        .await
        .failed_with(2);
}

#[tokio::test]
async fn every_list_comes_in_every_form() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut bob = chat.full_in("den", "bob").await;
    bob.say("{}").await;
    bob.hears_until("error").await;
    bob.request("quit", json!({})).await;
    bob.hears_out().await;
    drop(bob);
    until("only alice is listed", async || {
        (chat.listed().await.len() == 1).then_some(())
    })
    .await;
    alice.publish("den", "hi").await;
    chat.ctl(&["broadcast", "hello"]).await;
    for list in [
        &["list-clients"][..],
        &["list-closed"],
        &["list-rooms", "--sort", "members"],
        &["audit"],
        &["errors"],
        &["show-config"],
        &["latency"],
        &["doctor"],
        &["show-room", "den"],
        &["plan-config"],
        &["show-log"],
    ] {
        let name = list[0];
        let run = async |format| {
            let run = chat.ctl(&[&["--format", format], list].concat()).await;
            assert_eq!(run.code, 0, "{run:?}");
            run.stdout
        };
        let json: Value = serde_json::from_str(&run("json").await).unwrap();
        let is_empty = json.as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{name} found nothing");
        let lines = run("ndjson").await;
        for line in lines.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            assert!(object.is_object(), "{name}: {line}");
        }
        let csv = run("csv").await;
        assert!(
            csv.lines().count() > 1 && csv.lines().next().unwrap().contains(','),
            "{csv}"
        );
    }
    let some = [
        "--format",
        "csv",
        "list-clients",
        "--columns",
        "username,state",
        "--limit",
        "5",
    ];
    assert_eq!(chat.ctl(&some).await.stdout, "username,state\nalice,live\n");
    let none = ["--format", "json", "list-clients", "--skip", "1"];
    assert_eq!(chat.ctl(&none).await.json(), json!([]));
    chat.ctl(&["list-clients", "--columns", "beauty"])
        .await
        .failed_with(2);
    chat.ctl(&["show-room", "nowhere"]).await.failed_with(5);
}

#[tokio::test]
async fn watch_and_top_without_a_terminal_are_lines() {
    let chat = Daemon::start(Config::shipped()).await;
    let _alice = chat.full_in("den", "alice").await;
    let watch = [
        "--format",
        "csv",
        "watch",
        "--interval",
        "200ms",
        "--count",
        "3",
    ];
    let watch = chat.ctl(&watch).await;
    assert_eq!(
        (watch.code, watch.stdout.lines().count()),
        (0, 4),
        "{watch:?}"
    );
    assert!(watch.stdout.starts_with("time,phase,clients,"), "{watch:?}");
    let top = chat.ctl(&["top", "--interval", "200ms"]).await;
    assert_eq!(top.code, 0, "{top:?}");
    assert!(
        top.stdout.contains("alice") && top.stdout.contains("ready"),
        "{top:?}"
    );
    assert!(!top.stdout.contains('\u{1b}'), "{top:?}");
}

#[tokio::test]
async fn a_shell_can_complete_without_a_daemon() {
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef chatctl"),
        ("fish", "complete -c chatctl"),
    ] {
        let run = crate::harness::Ctl::run(["completion", shell]).await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(
            run.stdout.contains(word) && run.stdout.contains("list-clients"),
            "{shell}"
        );
    }
}
