//! Interleavings at the edges: closings, retakings, slices, floods, and hellos that fail.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::event::{Change, Presence, SessionId};
use crate::hub::Claim;
use crate::log::{Draft, Slot};
use crate::mail::{Begun, RetryKey, RetryTarget, Ticket};
use crate::name::Nick;

fn quiet() -> Limits {
    Limits {
        message_rate: None,
        ..Limits::default()
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

async fn hello(house: &House, buffer: usize, name: &str, caps: &str) -> (Guest, String) {
    let mut guest = house.guest_with(buffer).await;
    guest
        .says(&format!(
            r#"{{"type":"hello","version":1,"username":"{name}","caps":{caps}}}"#
        ))
        .await;
    let resume = guest.hears("welcome").await["resume"]
        .as_str()
        .unwrap()
        .to_owned();
    (guest, resume)
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[test]
fn a_line_without_an_end_leaves_others_their_turns() {
    const ENDLESS: usize = 32 << 20;
    let limits = Limits {
        bad_lines: 1000,
        ..Limits::default()
    };
    play(limits, |house| async move {
        let mut alice = house.full("alice").await;
        let mut mallory = house.guest_with(ENDLESS).await;
        mallory
            .says(r#"{"type":"hello","version":1,"username":"mallory","caps":[]}"#)
            .await;
        mallory.hears("welcome").await;
        let endless = vec![b'x'; ENDLESS];
        mallory.stream.write_all(&endless).await.unwrap();
        alice.says(r#"{"type":"ping"}"#).await;
        alice.hears("pong").await;
        let cards = house.hub.cards();
        let read: u64 = cards.iter().map(|card| card.in_bytes.get()).sum();
        assert!(read < ENDLESS as u64, "{read} bytes were read in one turn");
    });
}

#[test]
fn a_thousand_lines_at_once_leave_others_their_turns() {
    let limits = Limits {
        unacked: 10_000,
        ..quiet()
    };
    play(limits, async |house: House| {
        let mut mallory = house.full_in("mallory", "den").await;
        let mut alice = house.full_in("alice", "den").await;
        mallory.says(&vec![message("x"); 1_000].join("\n")).await;
        alice.says(&message("and I?")).await;
        let ack = loop {
            let line = json(&alice.line().await);
            if line["type"] == "ack" {
                break line;
            }
        };
        // A turn of mallory's, and another if hers comes first again.
        assert!(ack["seq"].as_u64() <= Some(65), "{ack}");
    });
}

#[test]
fn a_failed_hello_leaves_no_identity_behind() {
    play(quiet(), async |house: House| {
        let _alice = house.full("alice").await;
        for _ in 0..3 {
            let mut late = house.guest().await;
            for _ in 0..5 {
                late.says(r#"{"type":"hello","version":1,"username":"alice"}"#)
                    .await;
                late.hears("error").await;
            }
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(house.hub.sessions(), 1);
        // One of alice's, and at most one resting for each of the three that went.
        let left = house.hub.gauges().identities;
        assert!(left <= 4, "{left} identities, and most of them for ever");
    });
}

#[test]
fn a_failed_hello_does_not_take_an_identity_over() {
    play(quiet(), async |house: House| {
        let (mut first, resume) = hello(&house, 65536, "alice", "[]").await;
        let _bob = house.full("bob").await;
        let mut again = house.guest().await;
        again
            .says(&format!(
                r#"{{"type":"hello","version":1,"username":"bob","resume":"{resume}"}}"#
            ))
            .await;
        again.hears("error").await;
        again
            .says(&format!(
                r#"{{"type":"hello","version":1,"resume":"{resume}"}}"#
            ))
            .await;
        assert_eq!(again.hears("welcome").await["username"], "alice");
        assert_eq!(first.hears("bye").await["code"], "replaced");
    });
}

#[test]
fn a_line_timeout_counts_from_its_own_line() {
    play(quiet(), async |house: House| {
        let mut alice = house.full("alice").await;
        alice.stream.write_all(b"{\"type\":").await.unwrap();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(4)).await;
            alice
                .stream
                .write_all(b"\"ping\"}\n{\"type\":")
                .await
                .unwrap();
            alice.hears("pong").await;
        }
    });
}

#[test]
fn a_lane_that_lost_presence_gives_rosters_anew_at_once() {
    play(quiet(), async |house: House| {
        let mut bob = house.guest().await;
        bob.says(r#"{"type":"hello","version":1,"username":"bob"}"#)
            .await;
        bob.hears("welcome").await;
        bob.says(r#"{"type":"join","room":"den"}"#).await;
        bob.hears("joined").await;
        let den = house.hub.find_room("den").unwrap();
        let far = house
            .hub
            .enter_room(&RoomName::new("far").unwrap())
            .unwrap();
        far.add_lane(0);
        // The first is for bob, and is lost behind those of a room that this lane does not know.
        for n in 0..5000 {
            house.hub.announce(
                if n == 0 { &den } else { &far },
                Presence {
                    author: SessionId(99),
                    nick: Nick::new("carol").unwrap(),
                    change: Change::Join,
                },
            );
        }
        let begun = Instant::now();
        loop {
            let line = json(&bob.line().await);
            if line["type"] == "names" {
                assert_eq!(line["reset"], true);
                break;
            }
        }
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn presence_in_a_slice_that_is_taken_away_is_made_good() {
    let limits = Limits {
        buffer_bytes: 1,
        ..quiet()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let (mut slow, _) = hello(&house, 60, "slow", r#"["presence"]"#).await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        slow.hears("joined").await;
        // Its own coming, which it is not told, passed while it was blocked.
        slow.hears("names").await;
        settle().await;
        // One turn: a message that does not fit, and a change of the roster.
        alice
            .says(&format!(
                "{}\n{{\"type\":\"nick\",\"username\":\"anna\"}}",
                message("hi")
            ))
            .await;
        alice.hears("ack").await;
        settle().await;
        assert_eq!(slow.hears("message").await["seq"], 1);
        settle().await;
        slow.says(r#"{"type":"ping"}"#).await;
        let line = json(&slow.line().await);
        assert_ne!(
            line["type"], "pong",
            "neither the presence nor a names with reset came"
        );
    });
}

#[test]
fn a_flood_from_another_thread_does_not_starve_the_sessions() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let hub = Hub::new("test", quiet(), RoomName::new("lobby").unwrap(), || {
            1_700_000_000_000
        });
        hub.open_default_room().unwrap();
        let (door, arrivals) = mpsc::channel(ARRIVALS);
        tokio::task::spawn_local(run(Start {
            hub: hub.clone(),
            mailbox: Arc::default(),
            number: 0,
            handouts: hub.log.subscribe(1).remove(0),
            arrivals,
        }));
        let house = House {
            hub: hub.clone(),
            door,
        };
        let _listener = house.guest().await;
        let mut text = house.guest().await;
        text.says("/nick bob").await;
        let (mut alice, _) = hello(&house, 65536, "alice", r#"["presence"]"#).await;
        alice.says(r#"{"type":"join","room":"lobby"}"#).await;
        alice.hears("joined").await;
        let room = hub.find_room("lobby").unwrap();
        let flood = std::thread::spawn({
            let (hub, room) = (hub.clone(), room.clone());
            move || {
                let begun = Instant::now();
                let words = "\u{e9}\"".repeat(1300);
                while begun.elapsed() < Duration::from_secs(3) {
                    let draft = Draft::new(SessionId(99), Nick::guest(99), words.as_str().into());
                    let slot: Slot = hub.log.try_slot().unwrap();
                    let ticket = Ticket {
                        lane: Arc::default(),
                        session: SessionId(99),
                        number: 0,
                        retry: None,
                    };
                    let _ = hub.log.append(slot, &room, draft, ticket);
                }
            }
        });
        while room.head() < 500 {
            std::hint::spin_loop();
        }
        let begun = Instant::now();
        // The scene itself is a task of this thread: is it ever polled again?
        let mut longest = Duration::ZERO;
        while !flood.is_finished() {
            let before = Instant::now();
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(before.elapsed());
        }
        flood.join().unwrap();
        // On a machine with other work, too: who is starved runs once, after the flood.
        assert!(
            longest < begun.elapsed() / 2,
            "nobody else ran for {longest:?} of {:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn the_last_of_two_look_alikes_sets_the_name_free() {
    let hub = Hub::new("test", quiet(), RoomName::new("lobby").unwrap(), || 0);
    let here = Claim::Shared("10.0.0.1".parse().unwrap());
    let (plain, dotless) = (
        Nick::new("alice").unwrap(),
        Nick::new("al\u{131}ce").unwrap(),
    );
    hub.claim(&plain, None, SessionId(1), here).unwrap();
    hub.claim(&dotless, None, SessionId(2), here).unwrap();
    hub.release(&plain, SessionId(1));
    hub.release(&dotless, SessionId(2));
    assert_eq!(hub.claim(&plain, None, SessionId(3), Claim::Alone), Ok(()));
}

#[test]
fn who_parts_and_joins_again_hears_nothing_from_before() {
    play(quiet(), async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let (mut slow, _) = hello(&house, 60, "slow", "[]").await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        slow.hears("joined").await;
        // One turn, so that one slice holds all of them.
        let all: Vec<String> = (0..10).map(|n| message(&n.to_string())).collect();
        alice.says(&all.join("\n")).await;
        settle().await;
        slow.says(r#"{"type":"part","room":"den"}"#).await;
        slow.says(r#"{"type":"join","room":"den"}"#).await;
        settle().await;
        house.hub.set_limits(Limits {
            buffer_bytes: 1,
            ..quiet()
        });
        settle().await;
        let joined = loop {
            let line = json(&slow.line().await);
            if line["type"] == "joined" {
                break line["seq"].as_u64().unwrap();
            }
        };
        slow.says(r#"{"type":"ping"}"#).await;
        let line = json(&slow.line().await);
        assert_eq!(
            line["type"], "pong",
            "joined at {joined}, and then came {line}"
        );
    });
}

#[test]
fn no_line_is_longer_than_promised() {
    play(quiet(), async |house: House| {
        let mut alice = house.full("alice").await;
        let room = "\u{7f}".repeat(16_000);
        alice
            .says(&format!(
                r#"{{"type":"message","room":"{room}","message":"x"}}"#
            ))
            .await;
        let line = alice.line().await;
        assert!(line.len() <= 16 * 1024 + 1024, "{} bytes", line.len());
    });
}

static MISTAKE: AtomicBool = AtomicBool::new(false);

#[test]
fn a_panic_ends_its_own_session_only() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let clock = || {
            assert!(!MISTAKE.swap(false, Ordering::Relaxed), "a mistake of ours");
            0
        };
        let hub = Hub::new("test", quiet(), RoomName::new("lobby").unwrap(), clock);
        hub.open_default_room().unwrap();
        let (door, arrivals) = mpsc::channel(ARRIVALS);
        tokio::task::spawn_local(run(Start {
            hub: hub.clone(),
            mailbox: Arc::default(),
            number: 0,
            handouts: hub.log.subscribe(1).remove(0),
            arrivals,
        }));
        let house = House { hub, door };
        let mut alice = house.full_in("alice", "den").await;
        let mut bob = house.full_in("bob", "den").await;
        MISTAKE.store(true, Ordering::Relaxed);
        alice.says(&message("boom")).await;
        settle().await;
        bob.says(r#"{"type":"ping"}"#).await;
        bob.hears("pong").await;
    });
}

#[test]
fn what_was_asked_for_at_join_is_no_lag() {
    let limits = Limits {
        lag_age: Some(Duration::from_secs(5)),
        ..quiet()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        for n in 0..100 {
            alice.says(&message(&n.to_string())).await;
            alice.hears("ack").await;
            alice.hears("message").await;
        }
        let (mut late, _) = hello(&house, 300, "late", "[]").await;
        late.says(r#"{"type":"join","room":"other"}"#).await;
        late.hears("joined").await;
        let epoch = house.hub.find_room("den").unwrap().epoch.clone();
        late.says(&format!(
            r#"{{"type":"join","room":"den","since":{{"epoch":"{epoch}","seq":0}}}}"#
        ))
        .await;
        late.hears("joined").await;
        for seq in 1..=150 {
            // Ten seconds for what it asked for, while the talk goes on.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if seq > 50 && seq <= 100 {
                alice.says(&message("more")).await;
                alice.hears("ack").await;
                alice.hears("message").await;
            }
            let line = json(&late.line().await);
            assert_eq!(
                (&line["type"], &line["seq"]),
                (&"message".into(), &seq.into()),
                "{line}"
            );
        }
    });
}

#[test]
fn presence_reaches_everyone_of_a_room_that_is_served_in_slices() {
    let limits = Limits {
        clients_per_address: None,
        connect_rate: None,
        ..quiet()
    };
    play(limits, async |house: House| {
        let mut first = house.guest().await; // at the front, and goes while the turn is under way
        let mut crowd = Vec::new();
        for _ in 0..300 {
            crowd.push(house.guest().await);
        }
        settle().await;
        let (mut bob, _) = hello(&house, 65536, "bob", r#"["presence"]"#).await;
        bob.says(r#"{"type":"join","room":"lobby"}"#).await;
        bob.hears("joined").await;
        let room = house.hub.find_room("lobby").unwrap();
        house.hub.announce(
            &room,
            Presence {
                author: SessionId(9999),
                nick: Nick::new("carol").unwrap(),
                change: Change::Join,
            },
        );
        // Between the first slice and the second the first member leaves: the last, bob, takes its place.
        first.says("/nick zed").await;
        let heard = timeout(Duration::from_secs(5), async {
            loop {
                let line = bob.line().await;
                if line.contains("carol") || line.contains("\"reset\":true") {
                    break;
                }
            }
        })
        .await;
        assert!(heard.is_ok(), "bob never heard of carol");
    });
}

#[test]
fn a_shutdown_does_not_wait_for_who_does_not_close() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let hub = Hub::new("test", quiet(), RoomName::new("lobby").unwrap(), || 0);
        hub.open_default_room().unwrap();
        let (door, arrivals) = mpsc::channel(ARRIVALS);
        let lane = tokio::task::spawn_local(run(Start {
            hub: hub.clone(),
            mailbox: Arc::default(),
            number: 0,
            handouts: hub.log.subscribe(1).remove(0),
            arrivals,
        }));
        let house = House { hub, door };
        let _alice = house.full("alice").await;
        house.hub.set_phase(Phase::Stopped);
        // `server::LAST_WORDS`
        let ended = timeout(Duration::from_secs(1), lane).await;
        assert!(
            ended.is_ok(),
            "the lane lingers as long as the daemon waits for it"
        );
    });
}

#[test]
fn a_private_message_that_arrived_is_acked_again_when_its_reader_is_gone() {
    play(quiet(), async |house: House| {
        let mut alice = house.full("alice").await;
        let mut bob = house.full("bob").await;
        let word = r#"{"type":"message","to":"bob","message":"psst","cid":"c"}"#;
        alice.says(word).await;
        bob.hears("message").await;
        alice.hears("ack").await;
        drop(bob);
        settle().await;
        alice.says(word).await;
        assert_eq!(alice.hears("ack").await["duplicate"], true);
    });
}

#[test]
fn messages_that_are_refused_cost_as_much_as_others() {
    let limits = Limits {
        message_rate: Some(Rate {
            count: 10,
            per: Duration::from_secs(1),
        }),
        message_burst: 5,
        ..Limits::default()
    };
    play(limits, async |house: House| {
        let mut alice = house.full("alice").await;
        let begun = Instant::now();
        for _ in 0..500 {
            alice.says(&message("x")).await;
            alice.hears("error").await;
        }
        assert!(
            begun.elapsed() > Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    });
}

/// Reads on until everything that was said in the den has come, in order.
async fn hears_all_of_the_den(guest: &mut Guest, count: u64) {
    let mut heard = 0;
    while heard < count {
        let line = json(&guest.line().await);
        if line["type"] == "message" && line["room"] == "den" {
            heard += 1;
            assert_eq!(line["seq"], heard, "{line}");
        }
    }
}

#[test]
fn who_is_behind_in_one_room_and_speaks_in_another_reads_on() {
    // Nobody's coming is announced: that alone would wake who is behind.
    let limits = Limits {
        presence_members: 1,
        ..quiet()
    };
    play(limits, async |house: House| {
        let mut alice = house.full_in("alice", "den").await;
        let den = house.hub.find_room("den").unwrap();
        for n in 0..200 {
            alice.says(&message(&n.to_string())).await;
            alice.hears("ack").await;
            alice.hears("message").await;
        }
        let mut bob = house.full_in("bob", "attic").await;
        // One read: bob is behind in the den from its first line on, and waits in the attic for
        // nothing but his own words.
        let epoch = den.epoch.as_str();
        bob.says(&format!(
            r#"{{"type":"join","room":"den","since":{{"epoch":"{epoch}","seq":0}}}}
{{"type":"message","room":"attic","message":"here I am"}}"#
        ))
        .await;
        let begun = Instant::now();
        hears_all_of_the_den(&mut bob, 200).await;
        // Not only when the next ping is due.
        assert!(begun.elapsed() < Duration::from_secs(1));
    });
}

/// The same person twice, on two lanes: the first try is noted and not in the log yet. On a busy
/// machine the second connection overtakes the first one there.
#[test]
fn what_follows_a_retry_does_not_overtake_its_first_try() {
    play(quiet(), |house| async move {
        let hub = house.hub.clone();
        let elsewhere = SessionId(1_000);
        let identity = hub.identify(elsewhere, None).unwrap();
        let nick = Nick::new("alice").unwrap();
        let mut again = house.guest().await;
        again
            .says(&format!(
                r#"{{"type":"hello","version":1,"username":"alice","resume":"{}","caps":[]}}"#,
                identity.secret
            ))
            .await;
        again.hears("welcome").await;
        again.says(r#"{"type":"join","room":"den"}"#).await;
        again.hears("joined").await;
        let room = hub.enter_room(&RoomName::new("den").unwrap()).unwrap();
        let key = RetryKey {
            identity: identity.id,
            target: RetryTarget::Room(room.id),
            cid: "one".into(),
        };
        let ticket = Ticket {
            lane: Arc::default(),
            session: elsewhere,
            number: 0,
            retry: None,
        };
        let bounds = (Duration::from_secs(60), 100);
        let Begun::New(first) = hub.retries.begin(key, ticket, bounds) else {
            panic!("it was said before");
        };
        for cid in ["one", "two"] {
            again
                .says(&format!(
                    r#"{{"type":"message","room":"den","message":"{cid}","cid":"{cid}"}}"#
                ))
                .await;
        }
        settle().await;
        assert_eq!(room.head(), 0, "the second waits for the first");

        let mut draft = Draft::new(elsewhere, nick, "one".into());
        draft.cid = Some("one".into());
        let slot = hub.log.try_slot().unwrap();
        hub.log.append(slot, &room, draft, first);
        let mut acks = Vec::new();
        let mut texts = Vec::new();
        while acks.len() + texts.len() < 4 {
            let object = json(&again.line().await);
            match object["type"].as_str() {
                Some("ack") => acks.push(object["seq"].as_u64()),
                Some("message") => texts.push(object["message"].clone()),
                _ => panic!("{object}"),
            }
        }
        assert_eq!(acks, [Some(1), Some(2)]);
        assert_eq!(texts, ["one", "two"]);
    });
}
