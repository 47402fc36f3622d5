//! Pages of history and topics, over streams in memory.

use serde_json::{Value, json};

use super::{Guest, House, message, play};
use crate::limits::Limits;

impl House {
    /// Somebody in the den who has said so many messages and heard them.
    async fn talker(&self, count: u64) -> Guest {
        let mut alice = self.full_in("alice", "den").await;
        for n in 1..=count {
            alice.says(&message(&format!("m{n}"))).await;
            alice.hears_twice(n).await;
        }
        alice
    }
}

impl Guest {
    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn hello_in_den(&mut self, name: &str) {
        self.says(&format!(
            r#"{{"type":"hello","version":1,"username":"{name}","caps":[]}}"#
        ))
        .await;
        self.hears("welcome").await;
        self.says(r#"{"type":"join","room":"den"}"#).await;
        self.hears("joined").await;
    }

    /// The own message and its ack, in either order.
    async fn hears_twice(&mut self, seq: u64) {
        for _ in 0..2 {
            let line = self.json().await;
            assert_eq!(line["seq"], seq, "{line}");
        }
    }

    /// Asks for a page: the gap before it, the numbers in it, and its end.
    async fn page(&mut self, mut fields: Value) -> (Option<Value>, Vec<u64>, Value) {
        fields["type"] = json!("history");
        fields["room"] = json!("den");
        fields["label"] = json!("p");
        self.says(&fields.to_string()).await;
        let (mut gap, mut numbers) = (None, Vec::new());
        loop {
            let line = self.json().await;
            assert_eq!(line["label"], "p", "{line}");
            match line["type"].as_str() {
                Some("gap") => gap = Some(line),
                Some("message") => numbers.push(line["seq"].as_u64().unwrap()),
                _ => return (gap, numbers, line),
            }
        }
    }
}

#[test]
fn pages_go_forward_and_back_without_a_hole() {
    play(Limits::default(), async |house: House| {
        let mut alice = house.talker(7).await;
        for (asked, numbers, more) in [
            (json!({}), vec![1, 2, 3, 4, 5, 6, 7], false),
            (json!({ "limit": 2 }), vec![6, 7], true),
            (json!({ "before": 6, "limit": 2 }), vec![4, 5], true),
            (json!({ "before": 3 }), vec![1, 2], false),
            (json!({ "after": 0, "limit": 3 }), vec![1, 2, 3], true),
            (json!({ "after": 5 }), vec![6, 7], false),
        ] {
            let (gap, heard, end) = alice.page(asked.clone()).await;
            assert_eq!((gap, heard), (None, numbers.clone()), "{asked}");
            assert_eq!(end["first"], json!(numbers.first()), "{asked} {end}");
            assert_eq!(end["last"], json!(numbers.last()), "{asked} {end}");
            assert_eq!(end["more"], more, "{asked} {end}");
        }
        for (asked, first) in [(json!({ "after": 7 }), 8), (json!({ "before": 0 }), 1)] {
            let (_, heard, end) = alice.page(asked.clone()).await;
            assert_eq!(heard, Vec::<u64>::new(), "{asked}");
            assert_eq!(end["first"], first, "{asked} {end}");
            assert_eq!(end["last"], first - 1, "{asked} {end}");
        }
    });
}

#[test]
fn what_was_removed_is_one_gap_and_another_epoch_is_told_what_there_is() {
    let limits = Limits {
        recent_messages: 3,
        history_page: 2,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.talker(10).await;
        let (gap, heard, end) = alice.page(json!({ "after": 2, "limit": 50 })).await;
        let gap = gap.expect("3 to 7 are gone");
        assert_eq!((&gap["from"], &gap["to"]), (&json!(3), &json!(7)), "{gap}");
        assert_eq!(gap["reason"], "history_expired", "{gap}");
        assert_eq!(heard, [8, 9], "limits.history_page is less than asked");
        assert_eq!(end["more"], true, "{end}");
        let (gap, heard, end) = alice.page(json!({ "before": 5 })).await;
        assert_eq!((gap, heard.len()), (None, 0));
        assert_eq!(
            (&end["first"], &end["last"]),
            (&json!(8), &json!(7)),
            "{end}"
        );
        let (_, _, error) = alice.page(json!({ "epoch": "another" })).await;
        assert_eq!(error["code"], "history_expired", "{error}");
        assert_eq!(error["first"], 8, "{error}");
        let (_, heard, _) = alice.page(json!({ "epoch": error["epoch"] })).await;
        assert_eq!(heard, [9, 10]);
    });
}

#[test]
fn who_does_not_read_a_page_costs_a_piece_of_it_and_is_asked_nothing_else_meanwhile() {
    let limits = Limits {
        message_rate: None,
        message_burst: 10_000,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let long = "x".repeat(3000);
        for n in 1..=100 {
            alice.says(&message(&long)).await;
            alice.hears_twice(n).await;
        }
        // A connection that holds 8 KiB of the 300 KiB that it asks for.
        let mut bob = house.guest_with(8 * 1024).await;
        bob.hello_in_den("bob").await;
        bob.says(r#"{"type":"history","room":"den","label":"p"}"#)
            .await;
        bob.says(r#"{"type":"ping","token":"after it"}"#).await;
        // What is said meanwhile comes between the lines of the page.
        alice.says(&message("live")).await;
        alice.hears_twice(101).await;
        let (mut past, mut live_at) = (Vec::new(), None);
        let end = loop {
            let line = bob.json().await;
            match (line["type"].as_str(), line["label"].as_str()) {
                (Some("message"), Some("p")) => past.push(line["seq"].as_u64().unwrap()),
                (Some("message"), None) => live_at = Some(past.len()),
                _ => break line,
            }
        };
        assert_eq!(past, (1..=100).collect::<Vec<_>>());
        assert_eq!(end["type"], "history", "{end}");
        assert!(live_at.is_some_and(|at| at < 100), "{live_at:?}");
        assert_eq!(bob.json().await["token"], "after it");
    });
}

#[test]
fn what_is_removed_while_a_page_is_told_ends_it() {
    let limits = Limits {
        recent_messages: 60,
        message_rate: None,
        message_burst: 10_000,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let long = "x".repeat(3000);
        for n in 1..=60 {
            alice.says(&message(&long)).await;
            alice.hears_twice(n).await;
        }
        let mut bob = house.guest_with(4 * 1024).await;
        bob.hello_in_den("bob").await;
        bob.says(r#"{"type":"history","room":"den","after":0,"label":"p"}"#)
            .await;
        bob.json().await;
        for n in 61..=120 {
            alice.says(&message("and on")).await;
            alice.hears_twice(n).await;
        }
        let mut last = 1;
        let end = loop {
            let line = bob.json().await;
            match (line["type"].as_str(), line["label"].as_str()) {
                (Some("message"), Some("p")) => {
                    assert_eq!(line["seq"], last + 1, "{line}");
                    last += 1;
                }
                (Some("history"), _) => break line,
                _ => {}
            }
        };
        assert!(last < 60, "{last}");
        assert_eq!((&end["last"], &end["more"]), (&json!(last), &json!(true)));
    });
}

#[test]
fn a_topic_is_heard_by_others_in_its_place_and_by_who_comes_later() {
    play(Limits::default(), async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let mut bob = house.full_in("bob", "den").await;
        let ask = r#"{"type":"topic","room":"den","label":"t"}"#;
        alice.says(ask).await;
        let none = alice.json().await;
        assert_eq!((&none["topic"], &none["label"]), (&json!(""), &json!("t")));
        assert!(none.get("time").is_none(), "{none}");
        alice
            .says(r#"{"type":"topic","room":"den","topic":"tea","label":"u"}"#)
            .await;
        let set = alice.json().await;
        assert_eq!((&set["topic"], &set["label"]), (&json!("tea"), &json!("u")));
        let heard = bob.json().await;
        assert_eq!(heard["type"], "topic", "{heard}");
        assert_eq!(heard["username"], "alice", "{heard}");
        assert!(heard.get("label").is_none(), "{heard}");
        let mut carol = house.full("carol").await;
        carol.says(r#"{"type":"join","room":"den"}"#).await;
        assert_eq!(carol.hears("joined").await["topic"], "tea");
        for topic in ["x".repeat(501), "two\\nlines".to_owned()] {
            alice
                .says(&format!(
                    r#"{{"type":"topic","room":"den","topic":"{topic}"}}"#
                ))
                .await;
            assert_eq!(alice.json().await["code"], "bad_field");
        }
    });
}

#[test]
fn a_person_reads_the_past_with_its_times() {
    play(Limits::default(), async |house: House| {
        let mut alice = house.talker(3).await;
        let mut dave = house.guest().await;
        dave.says("/nick dave").await;
        dave.says("/join den").await;
        dave.says("/topic tea at five").await;
        dave.says("/history 2").await;
        dave.says("/history none").await;
        for heard in [
            "* you are now dave",
            "* you joined den (2 people)",
            "* den is about: tea at five (set by dave)",
            "2023-11-14 22:13 <alice> m2",
            "2023-11-14 22:13 <alice> m3",
            "* those were 2 messages of den, in UTC",
            "! `N` must be a number from 1: /history [N]",
        ] {
            assert_eq!(dave.line().await, heard);
        }
        assert_eq!(alice.json().await["topic"], "tea at five");
    });
}

#[test]
fn no_line_of_a_page_is_longer_than_promised() {
    let limits = Limits::default();
    let most = limits.line + 1024;
    play(limits, async |house: House| {
        let (nick, room) = ("\u{20000}".repeat(32), "\u{20001}".repeat(64));
        let mut alice = house.full(&nick).await;
        let join = format!(r#"{{"type":"join","room":"{room}"}}"#);
        alice.says(&join).await;
        alice.hears("joined").await;
        let (text, cid) = ("\u{7f}".repeat(2730), "\u{7f}".repeat(64));
        let say = json!({ "type": "message", "room": room, "message": text, "cid": cid });
        alice.says(&say.to_string()).await;
        alice.hears_twice(1).await;
        let label = "\u{7f}".repeat(20);
        let page = json!({ "type": "history", "room": room, "label": label });
        alice.says(&page.to_string()).await;
        let line = alice.line().await;
        assert!((most - 200..=most).contains(&line.len()), "{}", line.len());
        alice.hears("history").await;
        let page = json!({ "type": "history", "room": room, "label": "\u{7f}".repeat(21) });
        alice.says(&page.to_string()).await;
        assert_eq!(alice.json().await["code"], "bad_field");
    });
}
