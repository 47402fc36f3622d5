//! Sessions over streams in memory, with a clock that jumps: who speaks, who hears what.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

use super::{ARRIVALS, Arrival, Peer, Start, run};
use crate::close::Refusal;
use crate::hub::Hub;
use crate::limits::{Limits, OnLag, Rate};
use crate::name::RoomName;
use crate::phase::Phase;

/// One lane and the way into it.
struct House {
    hub: Arc<Hub>,
    door: mpsc::Sender<Arrival>,
}

/// One end of a connection.
struct Guest {
    stream: BufReader<DuplexStream>,
}

/// Runs a play on one thread.
fn play<F: Future<Output = ()>>(limits: Limits, scene: impl FnOnce(House) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    on_stage(&runtime, limits, scene);
}

fn on_stage<F: Future<Output = ()>>(
    runtime: &Runtime,
    limits: Limits,
    scene: impl FnOnce(House) -> F,
) {
    LocalSet::new().block_on(runtime, async {
        let lobby = RoomName::new("lobby").unwrap();
        let hub = Hub::new("test", limits, lobby, || 1_700_000_000_000);
        hub.open_default_room().unwrap();
        let (door, arrivals) = mpsc::channel(ARRIVALS);
        let start = Start {
            hub: hub.clone(),
            mailbox: Arc::default(),
            number: 0,
            handouts: hub.log.subscribe(1).remove(0),
            arrivals,
        };
        tokio::task::spawn_local(run(start));
        hub.set_phase(Phase::Ready);
        scene(House { hub, door }).await;
    });
}

impl House {
    async fn guest(&self) -> Guest {
        self.guest_with(64 * 1024).await
    }

    /// A guest whose connection holds so many bytes that were not read.
    async fn guest_with(&self, buffer: usize) -> Guest {
        let place = self.hub.admit("127.0.0.1".parse().unwrap());
        self.bring(place, buffer).await
    }

    async fn bring(&self, place: Result<crate::hub::Permit, Refusal>, buffer: usize) -> Guest {
        let (here, there) = tokio::io::duplex(buffer);
        let addr = "127.0.0.1:9".parse().unwrap();
        self.door
            .send(Arrival {
                peer: Peer::Memory(there),
                addr,
                place,
            })
            .await
            .unwrap();
        Guest {
            stream: BufReader::new(here),
        }
    }

    async fn full(&self, name: &str) -> Guest {
        let mut guest = self.guest().await;
        let hello = format!(r#"{{"type":"hello","version":1,"username":"{name}","caps":[]}}"#);
        guest.says(&hello).await;
        guest.hears("welcome").await;
        guest
    }

    async fn full_in(&self, name: &str, room: &str) -> Guest {
        let mut guest = self.full(name).await;
        guest
            .says(&format!(r#"{{"type":"join","room":"{room}"}}"#))
            .await;
        guest.hears("joined").await;
        guest
    }
}

impl Guest {
    async fn says(&mut self, line: &str) {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(Duration::from_secs(3600), self.stream.read_line(&mut line)).await;
        assert_ne!(
            read.expect("a line within an hour").unwrap(),
            0,
            "the end came instead"
        );
        assert!(line.ends_with("\r\n"), "a torn line: {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    /// The next line must be an object of this type.
    async fn hears(&mut self, kind: &str) -> serde_json::Value {
        let line = self.line().await;
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["type"], kind, "{line}");
        value
    }

    async fn ends(&mut self) {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "", "nothing comes after the last line");
    }
}

fn message(text: &str) -> String {
    format!(r#"{{"type":"message","room":"den","message":"{text}"}}"#)
}

#[test]
fn two_people_hear_each_other_and_themselves() {
    play(Limits::default(), async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let mut bob = house.full_in("bob", "den").await;
        alice.says(&message("hi")).await;
        assert_eq!(alice.hears("ack").await["seq"], 1);
        for guest in [&mut alice, &mut bob] {
            let heard = guest.hears("message").await;
            assert_eq!(
                (&heard["seq"], &heard["username"]),
                (&1.into(), &"alice".into())
            );
        }
    });
}

#[test]
fn a_session_over_its_rate_is_slowed_down_and_loses_nothing() {
    let rate = Rate {
        count: 10,
        per: Duration::from_secs(1),
    };
    let limits = Limits {
        message_rate: Some(rate),
        message_burst: 5,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let begun = Instant::now();
        for n in 0..25 {
            alice.says(&message(&n.to_string())).await;
        }
        let mut acked = 0;
        while acked < 25 {
            let line = alice.line().await;
            acked += usize::from(line.contains(r#""type":"ack""#));
            assert!(!line.contains("error"), "{line}");
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(1_900), "{took:?}");
        assert!(took <= Duration::from_millis(2_200), "{took:?}");
    });
}

#[test]
fn who_does_not_read_is_told_what_it_missed_and_nothing_is_torn() {
    let limits = Limits {
        recent_messages: 20,
        message_rate: None,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let mut slow = house.guest_with(300).await;
        slow.says(r#"{"type":"hello","version":1,"caps":[]}"#).await;
        slow.hears("welcome").await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        slow.hears("joined").await;
        for n in 0..100 {
            alice.says(&message(&format!("{n}"))).await;
            alice.hears("ack").await;
            alice.hears("message").await;
        }
        let (mut next, mut gaps) = (1, 0);
        while next <= 100 {
            let line = slow.line().await;
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            if value["type"] == "gap" {
                assert_eq!(
                    (&value["from"], &value["reason"]),
                    (&next.into(), &"slow_consumer".into())
                );
                let to = value["to"].as_u64().unwrap();
                assert_eq!(value["count"], to + 1 - next);
                (next, gaps) = (to + 1, gaps + 1);
            } else {
                assert_eq!(value["seq"], next, "{line}");
                next += 1;
            }
        }
        assert!(gaps >= 1, "the fault happened");
        alice.says(&message("last")).await;
        assert_eq!(slow.hears("message").await["seq"], 101, "live again");
    });
}

#[test]
fn who_does_not_read_is_closed_where_the_operator_wants_that() {
    let limits = Limits {
        recent_messages: 20,
        message_rate: None,
        on_lag: OnLag::Disconnect,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let mut slow = house.guest_with(300).await;
        slow.says(r#"{"type":"hello","version":1,"caps":[]}"#).await;
        slow.hears("welcome").await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        slow.hears("joined").await;
        for _ in 0..100 {
            alice.says(&message("x")).await;
            alice.hears("ack").await;
            alice.hears("message").await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let bye = loop {
            let line = slow.line().await;
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            if value["type"] != "message" {
                break value;
            }
        };
        assert_eq!(
            (&bye["type"], &bye["code"]),
            (&"bye".into(), &"slow_consumer".into())
        );
        slow.ends().await;
    });
}

#[test]
fn a_slice_that_is_taken_away_ends_with_its_line() {
    // So few bytes are kept that every held slice is taken away at once.
    let limits = Limits {
        buffer_bytes: 1,
        message_rate: None,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let mut slow = house.guest_with(100).await;
        slow.says(r#"{"type":"hello","version":1,"caps":[]}"#).await;
        slow.hears("welcome").await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        slow.hears("joined").await;
        for n in 0..30 {
            alice.says(&message(&n.to_string())).await;
        }
        for seq in 1..=30 {
            assert_eq!(slow.hears("message").await["seq"], seq);
        }
        let taken: u64 = house
            .hub
            .meters()
            .iter()
            .map(|m| m.slices_taken.get())
            .sum();
        assert!(taken >= 1, "the fault happened");
    });
}

#[test]
fn a_kicked_reader_finishes_its_line_and_reads_why() {
    play(
        Limits {
            message_rate: None,
            ..Limits::default()
        },
        async |house: House| {
            let mut alice = house.full_in("alice", "den").await;
            let mut slow = house.guest_with(100).await;
            slow.says(r#"{"type":"hello","version":1,"username":"slow","caps":[]}"#)
                .await;
            slow.hears("welcome").await;
            slow.says(r#"{"type":"join","room":"den"}"#).await;
            slow.hears("joined").await;
            for n in 0..10 {
                alice.says(&message(&n.to_string())).await;
                alice.hears("ack").await;
                alice.hears("message").await;
            }
            let card = house.hub.by_nick("slow").remove(0);
            card.close(crate::close::CloseReason::Kicked, Some("out".into()));
            let bye = loop {
                let line = slow.line().await;
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                if value["type"] == "bye" {
                    break value;
                }
            };
            assert_eq!(
                (&bye["code"], &bye["text"]),
                (&"kicked".into(), &"out".into())
            );
            slow.ends().await;
        },
    );
}

#[test]
fn a_silent_full_client_is_pinged_and_then_closed_and_its_name_is_free() {
    let limits = Limits::default();
    let (interval, patience) = (limits.ping_interval, limits.ping_timeout);
    play(limits, async move |house: House| {
        let mut alice = house.full("alice").await;
        let begun = Instant::now();
        alice.hears("ping").await;
        assert!(begun.elapsed() >= interval);
        alice.says(r#"{"type":"pong"}"#).await;
        let begun = Instant::now();
        alice.hears("ping").await;
        assert_eq!(alice.hears("bye").await["code"], "ping_timeout");
        let took = begun.elapsed();
        assert!(
            took >= interval + patience && took < interval + patience * 2,
            "{took:?}"
        );
        alice.ends().await;
        house.full("alice").await;
    });
}

#[test]
fn half_a_hello_runs_out_of_time_and_silence_does_not() {
    play(Limits::default(), async |house: House| {
        let mut half = house.guest().await;
        let mut silent = house.guest().await;
        half.stream.write_all(b"{\"type\":").await.unwrap();
        assert_eq!(half.hears("bye").await["code"], "hello_timeout");
        tokio::time::sleep(Duration::from_secs(3_000)).await;
        let mut alice = house.guest().await;
        alice
            .says(r#"{"username":"alice","message":"still there?"}"#)
            .await;
        assert_eq!(
            silent.line().await,
            r#"{"username":"alice","message":"still there?"}"#
        );
    });
}

#[test]
fn a_drain_lets_everyone_hear_the_log_and_then_says_bye() {
    play(
        Limits {
            message_rate: None,
            ..Limits::default()
        },
        async |house: House| {
            let mut alice = house.full_in("alice", "den").await;
            let mut bob = house.full_in("bob", "den").await;
            for n in 0..50 {
                alice.says(&message(&n.to_string())).await;
                alice.hears("ack").await;
                alice.hears("message").await;
            }
            house.hub.set_phase(Phase::Draining);
            for seq in 1..=50 {
                assert_eq!(bob.hears("message").await["seq"], seq);
            }
            for guest in [&mut alice, &mut bob] {
                let bye = guest.hears("bye").await;
                assert_eq!(bye["code"], "server_shutdown");
                assert!(
                    bye["retry_after_ms"]
                        .as_u64()
                        .is_some_and(|ms| (1_000..10_000).contains(&ms))
                );
                guest.ends().await;
            }
            drop((alice, bob));
            house.hub.empty().await;
        },
    );
}

#[test]
fn who_is_refused_reads_one_line_that_every_client_understands() {
    play(Limits::default(), async |house: House| {
        let mut late = house.bring(Err(Refusal::ServerFull), 1024).await;
        let bye = late.hears("bye").await;
        assert_eq!(
            (&bye["code"], &bye["username"]),
            (&"server_full".into(), &"chatd".into())
        );
        late.ends().await;
        assert_eq!(house.hub.sessions(), 0);
    });
}

#[test]
fn a_retry_on_another_connection_is_the_same_message() {
    play(Limits::default(), async |house: House| {
        let mut first = house.guest().await;
        first
            .says(r#"{"type":"hello","version":1,"username":"alice","caps":[]}"#)
            .await;
        let resume = first.hears("welcome").await["resume"]
            .as_str()
            .unwrap()
            .to_owned();
        first.says(r#"{"type":"join","room":"den"}"#).await;
        first.hears("joined").await;
        first
            .says(r#"{"type":"message","room":"den","message":"once","cid":"c"}"#)
            .await;
        let ack = first.hears("ack").await;
        let mut again = house.guest().await;
        again
            .says(&format!(
                r#"{{"type":"hello","version":1,"resume":"{resume}","caps":[]}}"#
            ))
            .await;
        assert_eq!(again.hears("welcome").await["username"], "alice");
        first.hears("message").await;
        assert_eq!(first.hears("bye").await["code"], "replaced");
        again.says(r#"{"type":"join","room":"den"}"#).await;
        assert_eq!(again.hears("joined").await["seq"], 1);
        again
            .says(r#"{"type":"message","room":"den","message":"twice","cid":"c"}"#)
            .await;
        let retried = again.hears("ack").await;
        assert_eq!(
            (&retried["seq"], &retried["duplicate"]),
            (&ack["seq"], &true.into())
        );
        again.says(r#"{"type":"ping"}"#).await;
        again.hears("pong").await;
    });
}

#[test]
fn a_hello_that_fails_takes_nothing() {
    play(Limits::default(), async |house: House| {
        let _bob = house.full("bob").await;
        let mut alice = house.guest().await;
        alice
            .says(r#"{"type":"hello","version":1,"username":"alice","caps":[]}"#)
            .await;
        let resume = alice.hears("welcome").await["resume"]
            .as_str()
            .unwrap()
            .to_owned();
        let before = house.hub.gauges().identities;
        let mut again = house.guest().await;
        let hello =
            format!(r#"{{"type":"hello","version":1,"resume":"{resume}","username":"bob"}}"#);
        for _ in 0..3 {
            again.says(&hello).await;
            assert_eq!(again.hears("error").await["code"], "nick_in_use");
        }
        assert_eq!(house.hub.gauges().identities, before);
        alice.says(r#"{"type":"ping"}"#).await;
        alice.hears("pong").await;
        again
            .says(&format!(
                r#"{{"type":"hello","version":1,"resume":"{resume}"}}"#
            ))
            .await;
        assert_eq!(again.hears("welcome").await["username"], "alice");
        assert_eq!(alice.hears("bye").await["code"], "replaced");
    });
}

mod edges;
mod history;
mod stopped;

/// What an idle client takes is measured by the benchmark; here is what that rests on.
#[test]
fn an_idle_session_fits_into_the_memory_that_it_is_given() {
    // The runtime's task with this future in it fits into 128 bytes.
    assert!(size_of::<super::task::Task>() <= 16);
    // With its reference counts it fits into the allocator's step of 224 bytes; the next has 256.
    assert!(size_of::<crate::hub::Card>() <= 208);
    assert!(size_of::<super::seat::Seat>() <= 624);
}
