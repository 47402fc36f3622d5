//! A person with netcat or telnet.

use crate::harness::{Config, Daemon, Peer};

impl Peer {
    /// Reads on until a line has all of these words.
    pub(crate) async fn hears_words(&mut self, words: &[&str]) -> String {
        loop {
            let line = self.line().await;
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn people_talk_in_plain_lines() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.text("alice").await;
    let mut bob = chat.text("bob").await;
    alice.hears_words(&["* ", "bob"]).await;
    alice.say("hi").await;
    // The news that alice came, which bob may know already, may still be on its way.
    bob.hears_words(&["<alice> hi"]).await;
    bob.say("//shrug").await;
    alice.hears("<bob> /shrug").await;
    bob.say("/quit").await;
    let goodbye = bob.hears_out().await;
    assert!(goodbye.len() <= 1, "{goodbye:?}");
    let left = alice.line().await;
    assert!(left.starts_with("* bob "), "{left}");
}

#[tokio::test]
async fn a_person_in_several_rooms_sees_which_one() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.text("alice").await;
    alice.say("/join games").await;
    alice.hears_words(&["games"]).await;
    let mut bob = chat.full("bob").await;
    bob.join("lobby").await;
    bob.join("games").await;
    // Nothing is promised about the order between rooms.
    let mut news = [
        alice.hears_words(&["* bob joined"]).await,
        alice.hears_words(&["* bob joined"]).await,
    ];
    news.sort();
    assert!(
        news[0].contains("games") && news[1].contains("lobby"),
        "{news:?}"
    );
    bob.publish("lobby", "one").await;
    bob.publish("games", "two").await;
    alice.hears("[lobby] <bob> one").await;
    alice.hears("[games] <bob> two").await;
    alice.say("into the room joined last").await;
    bob.hears_message("games", "alice", "into the room joined last")
        .await;

    alice.say("/part games").await;
    alice.hears_words(&["games"]).await;
    bob.publish("games", "three").await;
    bob.publish("lobby", "four").await;
    alice.hears("<bob> four").await;
}

#[tokio::test]
async fn a_person_writes_to_one_other() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.text("alice").await;
    let mut bob = chat.full("bob").await;
    alice.say("/msg bob psst").await;
    let message = bob.hears_type("message").await;
    assert_eq!(message["to"], "bob", "{message}");
    assert_eq!(message["username"], "alice", "{message}");
    assert_eq!(message["message"], "psst", "{message}");
    assert!(
        message.get("room").is_none() && message.get("seq").is_none(),
        "{message}"
    );

    alice.say("/msg nobody psst").await;
    let error = alice.hears_words(&["!"]).await;
    assert!(error.starts_with("! "), "{error}");
}

#[tokio::test]
async fn a_person_is_told_what_is_wrong() {
    let chat = Daemon::start(Config::shipped()).await;
    let _bob = chat.full("bob").await;
    let mut alice = chat.text("alice").await;
    for wrong in [
        "/nick bob",
        "/nick admin",
        "/nick a@b",
        "/frobnicate",
        "/join a,b",
        "/msg",
    ] {
        alice.say(wrong).await;
        let answer = alice.line().await;
        assert!(answer.starts_with("! "), "{wrong}: {answer}");
    }
    alice.say("/help").await;
    alice.hears_words(&["/nick"]).await;
}

#[tokio::test]
async fn control_characters_of_others_are_shown_escaped() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.text("alice").await;
    let mut mallory = chat.full_in("lobby", "mallory").await;
    alice.hears("* mallory joined lobby").await;
    let evil = "\u{1b}]0;owned\u{7} \r\n<bob> forged \u{202e}dlrow \u{9b}2J \u{2066}x";
    mallory.publish("lobby", evil).await;
    let line = alice.line().await;
    assert!(line.starts_with("<mallory> "), "{line:?}");
    assert!(line.contains("forged"), "one message is one line: {line:?}");
    let bad = |c: char| c.is_control() || "\u{202e}\u{2066}\u{2028}".contains(c);
    assert!(!line.chars().any(bad), "{line:?}");
}

#[tokio::test]
async fn telnet_commands_are_taken_out_and_the_timing_mark_is_answered() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut alice = chat.text("alice").await;
    // IAC IP, IAC DO TIMING-MARK, IAC WILL NAWS, IAC SB NAWS 0 80 0 24 IAC SE, inside a line.
    alice
        .send(b"hel\xff\xf4\xff\xfd\x06\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0lo\r\n")
        .await;
    bob.hears(r#"{"username":"alice","message":"hello"}"#).await;
    assert_eq!(
        alice.bytes(3).await,
        b"\xff\xfb\x06",
        "IAC WILL TIMING-MARK"
    );
}

#[tokio::test]
async fn a_script_says_its_name_its_line_and_goodbye() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut bob = chat.listener().await;
    let mut script = chat.stranger().await;
    script.send(b"/nick ci\ndeploy done\n").await;
    script.stop_talking().await;
    script.hears_out().await;
    bob.hears(r#"{"username":"ci","message":"deploy done"}"#)
        .await;
}
