//! Five places, one word: whatever ends a session, refuses a line or leaves numbers out stands in what
//! the client reads, in the metric, in the log, in what the daemon remembers, and in `chatctl`.
//!
//! The lists are the daemon's own: a new word is provoked here, or this fails.

use std::collections::BTreeSet;

use chatd::close::{self, CloseReason, Refusal};
use chatd::event::GapReason;
use chatd::fault::{self, ErrorCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Config, Daemon, Peer, until};

/// What only a build with test faults can be made to do: sockets that break in odd ways, a fault of
/// the daemon's own, a log that takes nothing.
const NEEDS_FAULTS: [&str; 4] = [
    "read_error",
    "write_error",
    "internal_error",
    "store_unavailable",
];

/// What only a daemon that keeps a history says: the siege finds it.
const NEEDS_STORE: fault::Detail = fault::Detail::MaxRooms;

/// A daemon and what its clients were told.
struct Stage {
    chat: Daemon,
    byes: BTreeSet<String>,
    errors: BTreeSet<String>,
    gaps: BTreeSet<String>,
}

impl Stage {
    async fn open() -> Self {
        let config = Config::roomy()
            .set("log.level", "debug")
            // What is not in memory is gone: a gap is soon due.
            .set("history.durability", "none")
            .limit("socket_buffer", "8KiB")
            .limit("outbox", "40KiB");
        Self {
            chat: Daemon::start_with(config, &[("CHATD_FAULT", "fault_by_name")]).await,
            byes: BTreeSet::new(),
            errors: BTreeSet::new(),
            gaps: BTreeSet::new(),
        }
    }

    async fn set(&self, key: &str, value: &str) {
        let key = format!("limits.{key}");
        self.chat
            .ask("config.set", json!({"key": key, "value": value}))
            .await;
    }

    async fn unset(&self, key: &str) {
        self.chat
            .ask("config.set", json!({"key": format!("limits.{key}")}))
            .await;
    }

    /// Reads a connection to its end and remembers every code in it.
    async fn hear_out(&mut self, peer: &mut Peer) {
        for line in peer.hears_out().await {
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        let Ok(object) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let code = object["code"].as_str().unwrap_or_default().to_owned();
        match object["type"].as_str() {
            Some("bye") => drop(self.byes.insert(code)),
            Some("error") => drop(self.errors.insert(code)),
            Some("gap") => {
                let reason = object["reason"].as_str().unwrap().to_owned();
                self.gaps.insert(reason);
            }
            _ => {}
        }
    }

    /// Says a line and remembers with which code it is refused.
    async fn is_refused(&mut self, peer: &mut Peer, line: &[u8], code: &str) {
        peer.send(&[line, b"\n"].concat()).await;
        let error = loop {
            let object = peer.object().await;
            if object["type"] == "error" {
                break object;
            }
        };
        assert_eq!(error["code"], code, "{}", String::from_utf8_lossy(line));
        self.errors.insert(code.to_owned());
    }

    /// The words of an ending or a refusal stand in metric, log, ring and `chatctl`.
    async fn stands(
        &self,
        [metric, event, list, name, shown]: [&str; 5],
        [reason, detail]: [&str; 2],
    ) {
        let mut labels = vec![format!("reason=\"{reason}\"")];
        let mut words = vec![format!("\"{event}\""), format!("\"reason\":\"{reason}\"")];
        let mut query = json!({"reason": reason});
        let mut arguments = vec!["--format", "json"];
        arguments.extend(shown.split(' '));
        arguments.extend(["--reason", reason]);
        if !detail.is_empty() {
            labels.push(format!("detail=\"{detail}\""));
            words.push(format!("\"detail\":\"{detail}\""));
            query["detail"] = json!(detail);
            arguments.extend(["--detail", detail]);
        }
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let counted = self.chat.metrics().await.sum(metric, &labels);
        assert!(counted >= 1.0, "{metric} {labels:?}");
        self.chat.logs(&words).await;
        let remembered = self.chat.ask(list, query).await;
        assert!(
            !remembered[name].as_array().unwrap().is_empty(),
            "{list} {reason} {detail}"
        );
        let listed = self.chat.ctl(&arguments).await.json();
        let rows = listed.as_array().unwrap();
        assert!(!rows.is_empty(), "{arguments:?}");
        assert!(rows.iter().all(|row| row["reason"] == reason), "{listed}");
    }

    async fn ending_stands(&self, words: [&str; 2]) {
        let places = [
            "chatd_connections_closed_total",
            "client.closed",
            "clients.closed",
            "closed",
            "list-closed",
        ];
        self.stands(places, words).await;
    }

    async fn rejection_stands(&self, words: [&str; 2]) {
        let places = [
            "chatd_messages_rejected_total",
            "line.rejected",
            "errors.list",
            "errors",
            "errors",
        ];
        self.stands(places, words).await;
    }

    async fn refusal_stands(&self, words: [&str; 2]) {
        let places = [
            "chatd_connections_refused_total",
            "connection.refused",
            "clients.refused",
            "refused",
            "list-closed --refused",
        ];
        self.stands(places, words).await;
    }

    /// A listener takes new limits after its next connection, which the one after that has seen.
    async fn door_takes_new_limits(&self) {
        for name in ["first", "second"] {
            drop(self.chat.full(name).await);
        }
    }

    /// Somebody full with a small window, in the parlour.
    async fn narrow(&self, name: &str) -> Peer {
        let mut peer = Peer::connect_narrow(self.chat.chat()).await;
        peer.hello(name).await;
        peer.join("parlour").await;
        peer
    }

    /// Talks in the parlour until so many sessions have ended for this.
    async fn talk_until_closed(&self, detail: &str) {
        let mut talker = self
            .chat
            .full_in("parlour", &format!("talker {detail}").replace('_', ""))
            .await;
        let text = "x".repeat(3000);
        let label = format!("detail=\"{detail}\"");
        until(detail, async || {
            for _ in 0..20 {
                talker.publish("parlour", &text).await;
            }
            let closed = self.chat.metrics().await;
            (closed.sum("chatd_connections_closed_total", &[&label]) > 0.0).then_some(())
        })
        .await;
    }

    // --- endings

    async fn clients_end_themselves(&mut self) {
        let mut quitter = self.chat.full("quitter").await;
        quitter.request("quit", json!({})).await;
        self.hear_out(&mut quitter).await;
        let mut closer = self.chat.full("closer").await;
        closer.stop_talking().await;
        self.hear_out(&mut closer).await;
        self.chat.full("resetter").await.reset();
    }

    async fn clocks_end_sessions(&mut self) {
        self.set("hello_timeout", "500ms").await;
        let mut dripping = self.chat.stranger().await;
        dripping.send(b"{").await;
        self.hear_out(&mut dripping).await;
        self.unset("hello_timeout").await;

        self.set("line_timeout", "500ms").await;
        let mut half = self.chat.full("half").await;
        half.send(b"{").await;
        self.hear_out(&mut half).await;
        self.unset("line_timeout").await;

        self.set("idle_timeout", "500ms").await;
        let mut idle = self.chat.full("idle").await;
        self.hear_out(&mut idle).await;
        self.unset("idle_timeout").await;

        self.set("ping_interval", "500ms").await;
        self.set("ping_timeout", "500ms").await;
        let mut dead = self.chat.full("dead").await;
        self.hear_out(&mut dead).await;
        self.unset("ping_interval").await;
        self.unset("ping_timeout").await;
    }

    async fn slow_ones_are_sent_away(&mut self) {
        self.set("write_stall", "1s").await;
        let mut stalled = self.narrow("stalled").await;
        self.talk_until_closed("write_stall").await;
        self.unset("write_stall").await;
        // What is left in its socket may end in the middle of a line: the bye is best effort.
        while let Some(line) = stalled.line_with_any_patience().await {
            self.note(&line);
        }

        self.set("lag_bytes", "64KiB").await;
        self.set("on_lag", "disconnect").await;
        let mut late = self.narrow("late").await;
        self.talk_until_closed("lag").await;
        while let Some(line) = late.line_with_any_patience().await {
            self.note(&line);
        }
        self.unset("on_lag").await;
        self.unset("lag_bytes").await;

        // The kernel holds all of it, so that the lane sees nobody wait; but nothing is acknowledged.
        self.set("socket_buffer", "1MiB").await;
        self.set("write_stall", "1s").await;
        self.door_takes_new_limits().await;
        let mut numb = Peer::connect_with(self.chat.chat(), 4096).await;
        numb.hello("numb").await;
        numb.join("cellar").await;
        let mut talker = self.chat.full_in("cellar", "troglodyte").await;
        for _ in 0..60 {
            talker.publish("cellar", &"x".repeat(3000)).await;
        }
        self.chat
            .counts(
                "chatd_connections_closed_total",
                &["detail=\"unacknowledged\""],
                1.0,
            )
            .await;
        self.unset("write_stall").await;
        self.unset("socket_buffer").await;
        self.door_takes_new_limits().await;
    }

    async fn operators_end_sessions(&mut self) {
        let mut kicked = self.chat.full("kicked").await;
        self.chat.ctl(&["kick", "kicked"]).await;
        self.hear_out(&mut kicked).await;

        let mut first = self.chat.stranger().await;
        let welcome = first.hello("twice").await;
        let mut second = self.chat.stranger().await;
        let resume = json!({"resume": welcome["resume"], "username": "twice", "caps": []});
        second.hello_with(resume).await;
        self.hear_out(&mut first).await;

        let mut mallory = self.chat.full("mallory").await;
        self.chat.ctl(&["ban", "mallory"]).await;
        self.hear_out(&mut mallory).await;
        let mut again = self.chat.stranger().await;
        let hello = br#"{"type":"hello","version":1,"username":"mallory"}"#;
        self.is_refused(&mut again, hello, "banned").await;

        let mut neighbour = self.chat.full("neighbour").await;
        self.chat.ctl(&["ban", "127.0.0.1"]).await;
        self.hear_out(&mut neighbour).await;
        let mut late = self.chat.stranger().await;
        self.hear_out(&mut late).await;
        self.chat.ctl(&["unban", "127.0.0.1"]).await;
    }

    async fn strangers_are_shown_the_door(&mut self) {
        let openings: [&[u8]; 9] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 7687\r\n",
            b"NICK alice\r\n",
            b"EHLO example.org\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"caf\xc0\xaf\n",
            b"hi\0there\n",
        ];
        for opening in openings {
            let mut stranger = self.chat.stranger().await;
            stranger.send(opening).await;
            self.hear_out(&mut stranger).await;
        }
        let mut hasty = self.chat.stranger().await;
        hasty.say(r#"{"type":"join","room":"den"}"#).await;
        self.hear_out(&mut hasty).await;
        let mut endless = self.chat.stranger().await;
        endless.send(&b"x".repeat(5000)).await;
        self.hear_out(&mut endless).await;
        let mut careless = self.chat.full("careless").await;
        careless.send(&b"{\n".repeat(10)).await;
        self.hear_out(&mut careless).await;
    }

    async fn the_house_is_full(&mut self) {
        self.set("listeners", "1").await;
        self.set("hello_timeout", "500ms").await;
        let _first = self.chat.listener().await;
        until("one listens", async || {
            (self.chat.ask("status", json!({})).await["listeners"] == 1).then_some(())
        })
        .await;
        let mut second = self.chat.stranger().await;
        self.hear_out(&mut second).await;
        self.unset("listeners").await;
        self.unset("hello_timeout").await;

        for (key, value) in [
            ("clients", "1"),
            ("clients_per_address", "1"),
            ("connect_rate", "1/3600s"),
        ] {
            self.set(key, value).await;
            // The first may still be let in.
            let _held = self.chat.stranger().await;
            let mut refused = self.chat.stranger().await;
            self.hear_out(&mut refused).await;
            self.unset(key).await;
        }
        self.chat.ctl(&["pause"]).await;
        let mut late = self.chat.stranger().await;
        self.hear_out(&mut late).await;
        self.chat.ctl(&["resume"]).await;
    }

    async fn one_floods(&mut self) {
        self.set("request_rate", "1/3600s").await;
        let mut flooder = self.chat.full("flooder").await;
        flooder.send(&b"{\"type\":\"rooms\"}\n".repeat(300)).await;
        self.hear_out(&mut flooder).await;
        self.unset("request_rate").await;
    }

    // --- refused lines

    async fn lines_are_refused(&mut self) {
        let mut alice = self.chat.full_in("lobby", "alice").await;
        let message =
            |text: &[u8]| [&br#"{"type":"message","message":""#[..], text, br#""}"#].concat();
        let deep = format!(
            r#"{{"type":"ping","x":{}1{}}}"#,
            "[".repeat(16),
            "]".repeat(16)
        );
        let rows: Vec<(&str, Vec<u8>)> = vec![
            ("bad_json", b"{'type':'ping'}".to_vec()),
            ("bad_json", br#"{"type":"pi"#.to_vec()),
            ("bad_json", b"null".to_vec()),
            ("bad_json", br#"{"type":"ping"} x"#.to_vec()),
            ("bad_json", br#"{"type":"ping","type":"quit"}"#.to_vec()),
            ("bad_json", deep.into_bytes()),
            ("bad_json", message(br"\ud800")),
            ("bad_json", message(b"a\tb")),
            ("bad_json", br#"{"type":"ping","x":1e400}"#.to_vec()),
            ("bad_json", b"{\"type\":\r\"ping\"}".to_vec()),
            ("bad_json", b"\xef\xbb\xbf{\"type\":\"ping\"}".to_vec()),
            ("bad_utf8", message(b"\x80")),
            ("line_too_long", b"x".repeat(16 * 1024 + 1)),
            ("message_too_long", message(&b"x".repeat(4001))),
            ("message_too_long", message(&b"\x7f".repeat(2800))),
            ("empty_message", message(b"")),
            ("unknown_type", br#"{"type":"dance"}"#.to_vec()),
            ("missing_field", br#"{"type":"message"}"#.to_vec()),
            (
                "bad_field",
                br#"{"type":"message","message":["x"]}"#.to_vec(),
            ),
            (
                "bad_field",
                format!(
                    r#"{{"type":"topic","room":"lobby","topic":"{}"}}"#,
                    "x".repeat(501)
                )
                .into(),
            ),
            (
                "nick_invalid",
                br#"{"type":"nick","username":"a\u0000b"}"#.to_vec(),
            ),
            (
                "nick_reserved",
                br#"{"type":"nick","username":"admin"}"#.to_vec(),
            ),
            (
                "no_such_nick",
                br#"{"type":"message","to":"nobody","message":"x"}"#.to_vec(),
            ),
            ("room_invalid", br#"{"type":"join","room":"a/b"}"#.to_vec()),
            (
                "no_such_room",
                br#"{"type":"part","room":"nowhere"}"#.to_vec(),
            ),
        ];
        for (code, line) in rows {
            self.is_refused(&mut alice, &line, code).await;
            // A good line: the faults are not ten in a row.
            alice.say(r#"{"type":"ping"}"#).await;
            alice.hears_until("pong").await;
        }
        let mut bob = self.chat.full_in("den", "bob").await;
        self.is_refused(
            &mut bob,
            br#"{"type":"nick","username":"alice"}"#,
            "nick_in_use",
        )
        .await;
        self.is_refused(
            &mut bob,
            br#"{"type":"message","room":"lobby","message":"x"}"#,
            "not_in_room",
        )
        .await;
        let _basil = self.chat.basic("basil").await;
        self.is_refused(
            &mut bob,
            br#"{"type":"message","to":"basil","message":"x"}"#,
            "cannot_receive",
        )
        .await;
        for limit in ["rooms_per_client", "rooms"] {
            self.set(limit, "1").await;
            let join = br#"{"type":"join","room":"another"}"#;
            self.is_refused(&mut bob, join, "too_many_rooms").await;
            self.unset(limit).await;
        }
        let elsewhere = br#"{"type":"history","room":"den","epoch":"elsewhere"}"#;
        self.is_refused(&mut bob, elsewhere, "history_expired")
            .await;
        let mut tex = self.chat.text("tex").await;
        tex.say("one\rtwo").await;
        assert!(tex.line().await.starts_with("! "));

        let mut winded = self.chat.full("winded").await;
        winded.send(&b"x".repeat((1 << 20) + (64 << 10))).await;
        winded.send(b"\n").await;
        winded.hears_error("line_too_long").await;

        let mut deaf = Peer::connect_narrow(self.chat.chat()).await;
        deaf.hello("deaf").await;
        let busy = until("the recipient is busy", async || {
            let fields = json!({"to": "deaf", "message": "x".repeat(3000)});
            bob.request("message", fields).await;
            let answer = bob.object().await;
            (answer["type"] == "error").then_some(answer)
        })
        .await;
        self.note(&busy.to_string());
    }

    // --- gaps

    async fn numbers_are_left_out(&mut self) {
        self.set("recent_messages", "50").await;
        let mut author = self.chat.full_in("attic", "author").await;
        for n in 0..200 {
            author.publish("attic", &format!("{n}")).await;
        }
        let rooms = self.chat.ask("rooms.get", json!({"room": "attic"})).await;
        let epoch = rooms["epoch"].as_str().unwrap();
        let mut back = self.chat.full("back").await;
        back.join_since("attic", epoch, 1).await;
        self.note(&back.hears_type("gap").await.to_string());
        let mut lost = self.chat.full("lost").await;
        lost.join_since("attic", "elsewhere", 1).await;
        self.note(&lost.hears_type("gap").await.to_string());
        self.unset("recent_messages").await;
        // Whoever asks for the words of these clients later finds them among the closed.
        drop((back, lost));

        self.set("lag_bytes", "64KiB").await;
        let mut late = self.narrow("snail").await;
        let mut talker = self.chat.full_in("parlour", "chatterbox").await;
        let label = "reason=\"slow_consumer\"";
        let text = "x".repeat(3000);
        until("a gap is due", async || {
            for _ in 0..20 {
                talker.publish("parlour", &text).await;
            }
            let row = self.chat.row_of(&late, |_| true).await;
            (row["lag_msgs"].as_u64() > Some(100)).then_some(())
        })
        .await;
        loop {
            let line = late.line().await;
            if line.contains("\"gap\"") {
                self.note(&line);
                break;
            }
        }
        assert!(self.chat.metrics().await.sum("chatd_gaps_total", &[label]) >= 1.0);
        self.unset("lag_bytes").await;
    }

    /// A session that has a name of its own for what happens to it.
    async fn faults_are_met(&mut self) {
        for name in ["reader", "writer", "stumbler"] {
            let mut unlucky = self.chat.full(name).await;
            unlucky.say(r#"{"type":"ping"}"#).await;
            self.hear_out(&mut unlucky).await;
        }
        let mut unlucky = self.chat.full_in("den", "unstored").await;
        let line = br#"{"type":"message","room":"den","message":"x"}"#;
        self.is_refused(&mut unlucky, line, "store_unavailable")
            .await;
    }

    /// What only a daemon that drains says; it goes on until its deadline.
    async fn it_drains(&mut self) -> Peer {
        let (stuck, mut slow) = (self.narrow("stuck").await, self.narrow("slow").await);
        let mut talker = self.chat.full_in("parlour", "last talker").await;
        let text = "x".repeat(3000);
        until("somebody is stuck", async || {
            for _ in 0..20 {
                talker.publish("parlour", &text).await;
            }
            let row = self.chat.row_of(&stuck, |_| true).await;
            // More than all buffers on the way hold: it stays stuck.
            (row["lag_msgs"].as_u64() > Some(200)).then_some(())
        })
        .await;
        self.chat.signal(Signal::TERM);
        self.chat.logs(&["daemon.draining"]).await;
        // It has not heard everything yet, so it is still there to be answered.
        slow.say(r#"{"type":"message","room":"parlour","message":"x"}"#)
            .await;
        self.hear_out(&mut slow).await;
        let mut late = self.chat.stranger().await;
        self.hear_out(&mut late).await;
        drop(talker);
        stuck
    }
}

#[tokio::test]
async fn every_reason_stands_in_all_five_places() {
    let _alone = crate::harness::alone().await;
    let mut stage = Stage::open().await;
    stage
        .chat
        .ask(
            "config.set",
            json!({"key": "shutdown.deadline", "value": "300s"}),
        )
        .await;
    // First: it fills what is remembered of refused lines.
    stage.one_floods().await;
    stage.clients_end_themselves().await;
    stage.clocks_end_sessions().await;
    stage.operators_end_sessions().await;
    stage.strangers_are_shown_the_door().await;
    stage.the_house_is_full().await;
    stage.lines_are_refused().await;
    stage.numbers_are_left_out().await;
    stage.slow_ones_are_sent_away().await;
    let has_faults = cfg!(feature = "test-faults");
    if has_faults {
        stage.faults_are_met().await;
    }
    let _stuck = stage.it_drains().await;
    let is_due = |word: &str| has_faults || !NEEDS_FAULTS.contains(&word);

    let mut seen = 0;
    for reason in CloseReason::ALL
        .iter()
        .filter(|reason| is_due(reason.as_str()))
    {
        let word = reason.as_str();
        let is_told = stage.byes.contains(word);
        assert_eq!(
            is_told,
            reason.is_announced(),
            "{word} in a bye: {:?}",
            stage.byes
        );
        if *reason == CloseReason::TooManyConnections {
            // Nobody with a session is told so: it is a refusal.
            stage.refusal_stands([word, ""]).await;
        } else {
            stage.ending_stands([word, ""]).await;
        }
        seen += 1;
    }
    for detail in close::Detail::ALL {
        stage
            .ending_stands([detail.reason().as_str(), detail.as_str()])
            .await;
        seen += 1;
    }
    for refusal in Refusal::ALL {
        let [reason, detail] = refusal.words();
        assert!(
            stage.byes.contains(reason),
            "{reason} in a bye: {:?}",
            stage.byes
        );
        match refusal {
            // It was let in first and is counted among the endings.
            Refusal::Listeners => stage.ending_stands([reason, detail]).await,
            _ => stage.refusal_stands([reason, detail]).await,
        }
        seen += 1;
    }
    for code in ErrorCode::ALL.iter().filter(|code| is_due(code.as_str())) {
        let word = code.as_str();
        assert!(
            stage.errors.contains(word),
            "{word} in an error: {:?}",
            stage.errors
        );
        stage.rejection_stands([word, ""]).await;
        seen += 1;
    }
    let all = fault::Detail::ALL.iter();
    for detail in all.filter(|detail| **detail != NEEDS_STORE) {
        stage
            .rejection_stands([detail.code().as_str(), detail.as_str()])
            .await;
        seen += 1;
    }
    for reason in GapReason::ALL {
        let word = reason.as_str();
        assert!(
            stage.gaps.contains(word),
            "{word} in a gap: {:?}",
            stage.gaps
        );
        let label = format!("reason=\"{word}\"");
        assert!(
            stage
                .chat
                .metrics()
                .await
                .sum("chatd_gaps_total", &[&label])
                >= 1.0,
            "{word}"
        );
        stage
            .chat
            .logs(&["\"client.gap\"", &format!("\"reason\":\"{word}\"")])
            .await;
        let listed = stage
            .chat
            .ctl(&["--format", "json", "list-closed", "--limit", "1000"])
            .await
            .json();
        let has_it = |row: &Value| row["gap_reason"] == word;
        assert!(
            listed.as_array().unwrap().iter().any(has_it),
            "{word} in list-closed"
        );
        seen += 1;
    }
    assert!(seen > 80, "only {seen} words");
    assert!(stage.chat.is_running(), "all of it while it runs");
}
