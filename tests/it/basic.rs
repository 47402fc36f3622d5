//! The two-field client.

use serde_json::json;

use crate::harness::{Config, Daemon, Peer};

impl Peer {
    /// Says something in the two-field dialect.
    pub(crate) async fn says(&mut self, username: &str, text: &str) {
        self.say_json(json!({ "username": username, "message": text }))
            .await;
    }

    /// The next line is a notice in the two-field dialect; its text.
    pub(crate) async fn hears_notice(&mut self) -> String {
        let line = self.line().await;
        let text = line.strip_prefix(r#"{"username":"chatd","message":""#);
        let text = text.and_then(|text| text.strip_suffix("\"}"));
        text.unwrap_or_else(|| panic!("no notice: {line}"))
            .to_owned()
    }
}

#[tokio::test]
async fn two_people_with_two_fields_talk() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.listener().await;
    let mut bob = chat.listener().await;

    alice.says("alice", "hi").await;
    bob.hears(r#"{"username":"alice","message":"hi"}"#).await;
    bob.says("bob", "hello alice").await;
    alice
        .hears(r#"{"username":"bob","message":"hello alice"}"#)
        .await;
}

#[tokio::test]
async fn further_fields_are_ignored_and_not_relayed() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut alice = chat.listener().await;
    alice
        .say(r#"{"room":"x","message":"hi","time":[1,{"a":null}],"username":"alice","seq":7}"#)
        .await;
    bob.hears(r#"{"username":"alice","message":"hi"}"#).await;
}

#[tokio::test]
async fn text_arrives_as_it_was_said() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut alice = chat.listener().await;
    let texts = [
        "plain",
        " spaces at both ends ",
        "quote \" backslash \\ slash /",
        "tab\tnewline\nreturn\r escape\u{1b}[2J bell\u{7} null\u{0} c1\u{9b}",
        "umlaut äöü, snow ☃, flag 🇩🇪, family 👨‍👩‍👧",
        "right\u{202e}to left",
        "line\u{2028}separator",
    ];
    for text in texts {
        alice.says("alice", text).await;
        let line = bob.line().await;
        assert!(
            !line.chars().any(|c| c.is_ascii_control()),
            "raw control character: {line:?}"
        );
        let heard: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(heard, json!({ "username": "alice", "message": text }));
        assert!(
            line.starts_with(r#"{"username":"alice","message":""#),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_new_username_is_a_rename() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut alice = chat.listener().await;
    alice.says("alice", "one").await;
    alice.says("alicia", "two").await;
    bob.hears(r#"{"username":"alice","message":"one"}"#).await;
    bob.hears(r#"{"username":"alicia","message":"two"}"#).await;
    chat.row_of(&alice, |row| row["username"] == "alicia").await;

    let mut carol = chat.full("alice").await;
    carol.hears_nothing_else().await;
}

#[tokio::test]
async fn two_windows_of_one_person_share_a_name() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut left = chat.listener().await;
    let mut right = chat.listener().await;
    left.says("alice", "from the left").await;
    right
        .hears(r#"{"username":"alice","message":"from the left"}"#)
        .await;
    right.says("alice", "from the right").await;
    left.hears(r#"{"username":"alice","message":"from the right"}"#)
        .await;
    bob.hears(r#"{"username":"alice","message":"from the left"}"#)
        .await;
    bob.hears(r#"{"username":"alice","message":"from the right"}"#)
        .await;
}

#[tokio::test]
async fn a_message_under_a_name_that_cannot_be_had_is_not_relayed() {
    for (name, why) in [
        ("alice", "a full client holds it"),
        ("ALICE", "the same in capitals"),
        ("chatd", "reserved"),
        ("guest-7", "reserved"),
        ("a/b", "not a name"),
        ("12345", "digits alone"),
        ("al\u{0456}ce", "mixed scripts"),
    ] {
        let chat = Daemon::start(Config::shipped()).await;
        let mut bob = chat.listener().await;
        let mut alice = chat.full_in("lobby", "alice").await;
        let mut mallory = chat.listener().await;
        mallory.says(name, "it is me").await;
        let notice = mallory.hears_notice().await;
        assert!(!notice.is_empty(), "{why}");
        alice.publish("lobby", "the real one").await;
        bob.hears(r#"{"username":"alice","message":"the real one"}"#)
            .await;
    }
}

#[tokio::test]
async fn errors_are_said_at_most_once_a_second() {
    let chat = Daemon::start(Config::shipped().limit("bad_lines", 1000)).await;
    let mut alice = chat.basic("alice").await;
    let mut bob = chat.full_in("lobby", "bob").await;
    for _ in 0..100 {
        alice.say("this is no JSON").await;
    }
    alice.says("alice", "done").await;
    bob.hears_message("lobby", "alice", "done").await;
    bob.publish("lobby", "seen").await;
    let mut notices = 0;
    loop {
        let line = alice.line().await;
        if line == r#"{"username":"bob","message":"seen"}"# {
            break;
        }
        assert!(
            line.starts_with(r#"{"username":"chatd","message":""#),
            "{line}"
        );
        notices += 1;
    }
    assert!(
        (1..=10).contains(&notices),
        "{notices} notices for 100 faults within a moment"
    );
    chat.counts("chatd_messages_rejected_total", &["bad_json"], 100.0)
        .await;
}

#[tokio::test]
async fn an_empty_text_or_name_is_an_error_in_two_fields() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.basic("alice").await;
    let mut bob = chat.full_in("lobby", "bob").await;
    alice.says("alice", "").await;
    alice.hears_notice().await;
    alice.says("alice", "still here").await;
    bob.hears_message("lobby", "alice", "still here").await;
    bob.publish("lobby", "good").await;
    alice.hears(r#"{"username":"bob","message":"good"}"#).await;
}

#[tokio::test]
async fn a_script_that_half_closes_is_heard_to_the_end() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut script = chat.stranger().await;
    script
        .send(b"{\"username\":\"ci\",\"message\":\"one\"}\n{\"username\":\"ci\",\"message\":\"two\"}\n{\"username\":\"ci\",\"message\":\"torn")
        .await;
    script.stop_talking().await;
    bob.hears(r#"{"username":"ci","message":"one"}"#).await;
    bob.hears(r#"{"username":"ci","message":"two"}"#).await;
    for line in script.hears_out().await {
        assert!(
            line.starts_with(r#"{"username":"chatd","message":""#),
            "{line}"
        );
    }
    let mut alice = chat.full_in("lobby", "alice").await;
    alice.publish("lobby", "after").await;
    bob.hears(r#"{"username":"alice","message":"after"}"#).await;
}
