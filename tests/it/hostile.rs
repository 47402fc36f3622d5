//! Text that was written to be obeyed: by a terminal, by a reader's eye, by whoever reads the log.

use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer};

/// The corpus, of which each entry is one text.
fn corpus() -> Vec<String> {
    let text = |line: &str| {
        let entry: Value = serde_json::from_str(line).unwrap();
        entry["text"].as_str().unwrap().to_owned()
    };
    let corpus = include_str!("../corpus/hostile.jsonl").lines();
    let texts: Vec<String> = corpus.map(text).collect();
    assert!(texts.len() >= 300);
    texts
}

/// What a terminal obeys, or what makes one line two, or shows letters in another order.
fn is_raw(c: char) -> bool {
    c.is_control()
        || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}".contains(c)
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_harmless(line: &str, what: &str) {
    assert!(!line.contains(is_raw), "{what:?} became {line:?}");
}

fn chatty() -> Config {
    Config::roomy().set("log.level", "debug")
}

/// Every record of the log is one line, which a program can read, and harmless.
fn is_in_order(log: &str) {
    assert!(!log.is_empty());
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(record["time"].is_string(), "{line}");
        is_harmless(line, "a record");
    }
}

#[tokio::test]
async fn what_is_said_arrives_as_it_is_and_is_shown_as_one_harmless_line() {
    let chat = Daemon::start(chatty()).await;
    let mut reader = chat.text("reader").await;
    let mut friend = chat.full_in("lobby", "friend").await;
    let mut listener = chat.listener().await;
    let mut mallory = chat.full_in("lobby", "mallory").await;
    for name in ["friend", "mallory"] {
        reader.hears(&format!("* {name} joined lobby")).await;
    }
    for text in corpus() {
        mallory.publish("lobby", &text).await;
        friend.hears_message("lobby", "mallory", &text).await;
        let said = listener.object().await;
        assert_eq!(said, json!({ "username": "mallory", "message": text }));
        let line = reader.line().await;
        assert!(line.starts_with("<mallory> "), "{text:?} became {line:?}");
        is_harmless(&line, &text);

        mallory
            .ask("message", json!({ "to": "reader", "message": text }), "ack")
            .await;
        let line = reader.line().await;
        assert!(line.starts_with("-mallory- "), "{text:?} became {line:?}");
        is_harmless(&line, &text);
    }
    let told = chat.ctl(&["broadcast", "\u{1b}[2J\u{202e}tea"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let notice = reader.line().await;
    assert!(notice.ends_with("tea"), "{notice:?}");
    is_harmless(&notice, "a broadcast");
    is_in_order(&chat.stderr());
}

#[tokio::test]
async fn what_is_no_name_is_refused_and_what_is_one_is_harmless() {
    let chat = Daemon::start(chatty().limit("bad_lines", 100_000)).await;
    let mut person = chat.text("person").await;
    let mut basic = chat.basic("basic").await;
    let (mut names, mut refused) = (0, 0);
    for text in corpus() {
        let mut peer = chat.stranger().await;
        peer.request("hello", json!({ "username": text, "caps": [] }))
            .await;
        // What a silent listener hears until then has no type.
        let answer = loop {
            let object = peer.object().await;
            if object.get("type").is_some() {
                break object;
            }
        };
        match answer["type"].as_str() {
            Some("welcome") => {
                assert_eq!(answer["username"], text, "a name is never changed");
                is_harmless(&text, "a name");
                names += 1;
            }
            _ => {
                let code = answer["code"].as_str().unwrap();
                assert!(code.starts_with("nick_"), "{text:?}: {answer}");
                peer.hello(&format!("peer{refused}")).await;
                refused += 1;
            }
        }
        for (kind, field) in [("join", "room"), ("message", "to"), ("nick", "username")] {
            let mut fields = json!({ "message": "x" });
            fields[field] = json!(text);
            peer.request(kind, fields).await;
        }
        peer.request("ping", json!({})).await;
        for object in peer.hears_until("pong").await {
            // An error may show the client its own words again.
            for field in ["room", "to", "username"] {
                let name = object[field].as_str().unwrap_or_default();
                assert!(
                    object["type"] == "error" || !name.contains(is_raw),
                    "{object}"
                );
            }
        }
        if !text.contains(['\n', '\r']) {
            // Others who come and go are told to the person too.
            person.say(&format!("/nick {text}")).await;
            person.say("/help").await;
            loop {
                let line = person.line().await;
                is_harmless(&line, &text);
                if line.contains("/quit") {
                    break;
                }
            }
        }
        basic
            .say_json(json!({ "username": text, "message": "x" }))
            .await;
    }
    assert!(
        names > 20 && refused > 300,
        "{names} names, {refused} refused"
    );
    is_in_order(&chat.stderr());
}

/// What `chatctl` prints for the eyes of an operator and for programs.
async fn prints_harmlessly(chat: &Daemon, command: &[&str], rows: usize) {
    for format in ["table", "json", "ndjson", "csv"] {
        let arguments = [&["--format", format], command].concat();
        let printed = chat.ctl(&arguments).await;
        assert_eq!(printed.code, 0, "{printed:?}");
        let lines = printed.stdout.lines().count();
        assert!(
            (rows..rows + 10).contains(&lines),
            "{lines} lines: {command:?}"
        );
        for line in printed.stdout.lines() {
            is_harmless(line, "a row");
        }
    }
}

#[tokio::test]
async fn the_operator_sees_what_a_client_calls_itself_and_why_it_went() {
    const AT_ONCE: usize = 100;
    let chat = Daemon::start(chatty()).await;
    let mut reader = chat.text("reader").await;
    for (part, texts) in corpus().chunks(AT_ONCE).enumerate() {
        let mut people: Vec<Peer> = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let name = format!("p{part}x{n}");
            let mut peer = chat.stranger().await;
            let client = if text.len() <= 64 { text } else { "long" };
            peer.hello_with(json!({ "username": name, "caps": [], "client": client }))
                .await;
            peer.join("lobby").await;
            reader.hears(&format!("* {name} joined lobby")).await;
            people.push(peer);
        }
        prints_harmlessly(&chat, &["list-clients"], people.len()).await;
        for (n, (text, mut peer)) in texts.iter().zip(people).enumerate() {
            peer.request("quit", json!({ "reason": text })).await;
            let line = reader.line().await;
            let begin = format!("* p{part}x{n} quit");
            assert!(line.starts_with(&begin), "{text:?} became {line:?}");
            is_harmless(&line, text);
        }
        prints_harmlessly(&chat, &["list-closed", "--limit", "50"], 50).await;
    }
    is_in_order(&chat.stderr());
}
