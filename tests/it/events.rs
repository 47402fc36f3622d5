//! A table: every event of the server × everybody who speaks no full dialect.
//!
//! After each event everybody must hear the curtain line next, so an empty cell is an assertion too.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer, until};

/// What one cell of the table holds.
enum Hears {
    /// Nothing at all.
    Nothing,
    /// Exactly this line.
    Line(&'static str),
    /// One line from the server itself, in the dialect of the cell, with these words in it.
    Notice(&'static [&'static str]),
    /// A notice, and the end of the connection.
    Farewell(&'static [&'static str]),
}

use Hears::{Farewell, Line, Nothing, Notice};

/// How somebody on the stage is spoken to.
#[derive(Clone, Copy)]
enum Voice {
    /// In two fields and nothing else.
    Basic,
    /// In lines for a person.
    Text,
    /// In two fields; the farewell may have more, as nobody knows yet which JSON client it is.
    Unknown,
}

/// One of each dialect in the lobby, and alice, who speaks the full one.
struct Stage {
    chat: Daemon,
    alice: Peer,
    basic: Peer,
    text: Peer,
    silent: Peer,
}

impl Stage {
    async fn open(config: Config) -> Self {
        let chat = Daemon::start(config).await;
        let basic = chat.basic("basil").await;
        let text = chat.text("tex").await;
        let silent = chat.listener().await;
        let alice = chat.full_in("lobby", "alice").await;
        let mut stage = Self {
            chat,
            alice,
            basic,
            text,
            silent,
        };
        stage.alice.publish("lobby", "overture").await;
        stage.basic.hears_words(&["overture"]).await;
        stage.text.hears_words(&["overture"]).await;
        stage.silent.hears_words(&["overture"]).await;
        stage
    }

    /// Checks one row: basic, text, silent listener.
    async fn row(&mut self, row: [Hears; 3]) {
        let lasting = row
            .iter()
            .filter(|cell| !matches!(cell, Farewell(_)))
            .count();
        if lasting > 0 {
            self.alice.publish("lobby", "curtain").await;
        }
        let everybody = [
            (&mut self.basic, Voice::Basic),
            (&mut self.text, Voice::Text),
            (&mut self.silent, Voice::Unknown),
        ];
        let curtain = r#"{"username":"alice","message":"curtain"}"#;
        let curtains = [curtain, "<alice> curtain", curtain];
        for (((peer, voice), hears), curtain) in everybody.into_iter().zip(row).zip(curtains) {
            match hears {
                Nothing => peer.hears(curtain).await,
                Line(line) => peer.hears_all(&[line, curtain]).await,
                Notice(words) => {
                    peer.hears_from_the_server(voice, words).await;
                    peer.hears(curtain).await;
                }
                Farewell(words) => {
                    peer.hears_from_the_server(voice, words).await;
                    peer.ends().await;
                }
            }
        }
    }
}

impl Peer {
    async fn hears_from_the_server(&mut self, voice: Voice, words: &[&str]) {
        let line = self.line().await;
        let said = match voice {
            Voice::Text if line.starts_with("! ") || line.starts_with("* ") => line,
            Voice::Text => panic!("no notice: {line}"),
            Voice::Unknown if line.contains(r#""type":"bye""#) => readable_by_both(&line),
            Voice::Basic | Voice::Unknown => two_fields(&line),
        };
        assert!(!said.starts_with('<'), "said by somebody else: {said}");
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{words:?} not in {said:?}"
        );
    }

    /// The one line that a refused connection hears, whatever it has said, and the end.
    async fn is_refused(&mut self, code: &str) {
        let refusal = self.object().await;
        assert_eq!(refusal["type"], "bye", "{refusal}");
        assert_eq!(refusal["code"], code, "{refusal}");
        assert_eq!(refusal["username"], "chatd", "{refusal}");
        assert!(
            refusal["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{refusal}"
        );
        self.ends().await;
    }
}

#[tokio::test]
async fn public_message() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage.alice.publish("lobby", "hi \"you\"").await;
    let two_fields = r#"{"username":"alice","message":"hi \"you\""}"#;
    stage
        .row([
            Line(two_fields),
            Line("<alice> hi \"you\""),
            Line(two_fields),
        ])
        .await;
}

#[tokio::test]
async fn message_in_another_room() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage.alice.join("den").await;
    stage.alice.publish("den", "among us").await;
    stage.row([Nothing, Nothing, Nothing]).await;
}

#[tokio::test]
async fn own_message() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage.basic.says("basil", "mine").await;
    stage.alice.hears_message("lobby", "basil", "mine").await;
    let heard = r#"{"username":"basil","message":"mine"}"#;
    stage
        .row([Nothing, Line("<basil> mine"), Line(heard)])
        .await;

    stage.text.say("mine too").await;
    stage.alice.hears_message("lobby", "tex", "mine too").await;
    let heard = r#"{"username":"tex","message":"mine too"}"#;
    stage.row([Line(heard), Nothing, Line(heard)]).await;
}

#[tokio::test]
async fn private_message() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage
        .alice
        .request("message", json!({ "to": "tex", "message": "psst" }))
        .await;
    stage.alice.hears_type("ack").await;
    stage
        .alice
        .request("message", json!({ "to": "basil", "message": "psst" }))
        .await;
    stage.alice.hears_error("cannot_receive").await;
    let whispered = stage.text.line().await;
    assert!(
        whispered.contains("alice") && whispered.contains("psst"),
        "{whispered}"
    );
    assert!(
        !whispered.starts_with("<alice> "),
        "not to be taken for public: {whispered}"
    );
    stage.row([Nothing, Nothing, Nothing]).await;
}

#[tokio::test]
async fn gap() {
    const SAID: u64 = 4000;
    let config = Config::roomy()
        .limit("socket_buffer", "8KiB")
        .limit("lag_bytes", "64KiB")
        .limit("write_stall", "300s");
    let chat = Daemon::start(config).await;
    let narrow = async || Peer::connect_narrow(chat.chat()).await;
    let (mut basic, mut text, mut silent) = (narrow().await, narrow().await, narrow().await);
    basic.says("basil", "here").await;
    text.say("/nick tex").await;
    for (peer, dialect) in [(&basic, "basic"), (&text, "text"), (&silent, "none")] {
        chat.row_of(peer, |row| row["dialect"] == dialect).await;
    }

    until("what basil said is in the log", async || {
        (chat.lobby_head().await == 1).then_some(())
    })
    .await;

    let mut alice = chat.full_in("lobby", "alice").await;
    let padding = "x".repeat(400);
    for n in 1..=SAID {
        alice.publish("lobby", &format!("{n} {padding}")).await;
    }
    for (peer, is_text) in [(&mut basic, false), (&mut text, true), (&mut silent, false)] {
        let (mut heard, mut skipped, mut gaps, mut last) = (0, 0, 0, 0);
        while last < SAID {
            let line = peer.line().await;
            let said = if is_text {
                line.clone()
            } else {
                two_fields(&line)
            };
            if let Some(text) = said.strip_prefix("<alice> ") {
                last = text.split(' ').next().unwrap().parse().unwrap();
                heard += 1;
                assert_eq!(
                    heard + skipped,
                    last,
                    "each number once or skipped: {line:.80}"
                );
            } else if said.contains("skipped") {
                let number = said.split(' ').find_map(|word| word.parse::<u64>().ok());
                skipped += number.unwrap_or_else(|| panic!("how many? {line}"));
                gaps += 1;
            } else {
                assert!(
                    heard == 0 && gaps == 0,
                    "something else in between: {line:.80}"
                );
            }
        }
        assert_eq!(heard + skipped, SAID);
        assert!(gaps >= 1, "nobody fell behind");
    }
}

/// The text of a line that a client of either JSON dialect can read.
fn readable_by_both(line: &str) -> String {
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["username"], "chatd", "{line}");
    assert_eq!(object["message"], object["text"], "{line}");
    object["message"].as_str().unwrap().to_owned()
}

/// A two-field line as a person would read it; notices have no `<name>`.
fn two_fields(line: &str) -> String {
    let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    assert_eq!(object.len(), 2, "{line}");
    let (name, text) = (
        object["username"].as_str().unwrap(),
        object["message"].as_str().unwrap(),
    );
    assert_eq!(
        line,
        format!(
            r#"{{"username":{},"message":{}}}"#,
            json!(name),
            json!(text)
        )
    );
    if name == "chatd" {
        text.to_owned()
    } else {
        format!("<{name}> {text}")
    }
}

#[tokio::test]
async fn bye_by_kick() {
    let mut stage = Stage::open(Config::shipped()).await;
    for peer in [&stage.text, &stage.basic, &stage.silent] {
        let row = stage.chat.row_of(peer, |_| true).await;
        let kick = json!({ "filter": { "id": row["id"] }, "reason": "too loud" });
        stage.chat.ask("clients.kick", kick).await;
    }
    let told = || Farewell(&["too loud"]);
    stage.row([told(), told(), told()]).await;
}

#[tokio::test]
async fn broadcast_by_the_operator() {
    let mut stage = Stage::open(Config::shipped()).await;
    assert_eq!(stage.chat.ctl(&["broadcast", "tea at four"]).await.code, 0);
    let notice = stage.alice.hears_type("notice").await;
    assert_eq!(notice["text"], "tea at four", "{notice}");
    let tea = || Notice(&["tea at four"]);
    stage.row([tea(), tea(), tea()]).await;
}

#[tokio::test]
async fn rename_collision() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage.basic.says("alice", "I am alice").await;
    stage.text.say("/nick alice").await;
    stage.silent.says("alice", "no, I am").await;
    let told = ["chatd_messages_rejected_total", "nick_in_use"];
    stage.chat.counts(told[0], &[told[1]], 3.0).await;
    let refused = || Notice(&["in use"]);
    stage.row([refused(), refused(), refused()]).await;
}

#[tokio::test]
async fn presence() {
    let mut stage = Stage::open(Config::shipped()).await;
    let mut bob = stage.chat.full_in("lobby", "bob").await;
    stage
        .row([Nothing, Line("* bob joined lobby"), Nothing])
        .await;
    bob.request("nick", json!({ "username": "rob" })).await;
    bob.hears_until("nick").await;
    stage.row([Nothing, Notice(&["bob", "rob"]), Nothing]).await;
}

#[tokio::test]
async fn ping() {
    let config = Config::shipped()
        .limit("ping_interval", "1s")
        .limit("ping_timeout", "60s");
    let mut stage = Stage::open(config).await;
    for _ in 0..3 {
        stage.alice.hears_type("ping").await;
        stage.alice.request("pong", json!({})).await;
    }
    stage.row([Nothing, Nothing, Nothing]).await;
}

#[tokio::test]
async fn drain() {
    let mut stage = Stage::open(Config::shipped()).await;
    stage.chat.signal(Signal::TERM);
    let bye = stage.alice.hears_bye("server_shutdown").await;
    assert_eq!(bye["reconnect"], true, "{bye}");
    assert!(bye["retry_after_ms"].is_u64(), "{bye}");
    stage
        .row([Farewell(&[]), Farewell(&[]), Farewell(&[])])
        .await;
    assert_eq!(stage.chat.exit().await.code(), Some(0));
}

#[tokio::test]
async fn refusal_before_the_first_line() {
    let chat = Daemon::start(Config::shipped().limit("clients", 2).limit("listeners", 2)).await;
    let (mut one, _two) = (chat.listener().await, chat.listener().await);
    let (mut basic, mut text) = (chat.stranger().await, chat.stranger().await);
    let mut silent = chat.stranger().await;
    basic
        .send_if_open(b"{\"username\":\"alice\",\"message\":\"hi\"}\n")
        .await;
    text.send_if_open(b"/nick alice\n").await;
    for peer in [&mut basic, &mut text, &mut silent] {
        peer.is_refused("server_full").await;
    }
    chat.counts("chatd_connections_refused_total", &["server_full"], 3.0)
        .await;
    one.says("one", "still talking").await;
    chat.row_of(&one, |row| row["username"] == "one").await;
}
