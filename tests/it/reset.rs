//! Who breaks off in the middle of anything: nobody minds, and the name is free.

use crate::harness::{Config, Daemon, Peer, until};
use crate::pair::Pair;

/// What somebody does, step by step, until the connection is reset. The last step is never the
/// end of what could be said.
struct Life {
    dialect: &'static str,
    steps: &'static [&'static str],
}

const LIVES: &[Life] = &[
    Life {
        dialect: "full",
        steps: &[
            "{",
            "\"type\":\"hello\",\"version\":1,",
            "\"username\":\"ghost\"}\n",
            "{\"type\":\"join\",\"room\":\"lobby\"}\n",
            "{\"type\":\"message\",\"room\":\"lobby\",",
            "\"message\":\"boo\",\"cid\":\"1\"}\n",
            "{\"type\":\"message\",\"to\":\"carol\",\"message\":\"psst\"}\n",
            "{\"type\":\"names\",\"room\":\"lobby\"}\n",
            "{\"type\":\"nick\",\"username\":\"shade\"}\n",
            "{\"type\":\"nick\",\"username\":\"ghost\"}\n{\"type\":\"rooms\"}\n",
            "{\"type\":\"part\",\"room\":\"lobby\"}\n",
            "{\"type\":\"ping\"",
            "}\n{\n",
            "{\"type\":\"quit\"}\n",
        ],
    },
    Life {
        dialect: "basic",
        steps: &[
            "{\"username\":\"ghost\",",
            "\"message\":\"boo\"}\n",
            "{\"username\":\"shade\",\"message\":\"boo\"}\n",
            "{\"username\":\"ghost\",\"message\":\"boo\"}\n{\n",
            "{\"username\":",
            "\"ghost\"}\n",
        ],
    },
    Life {
        dialect: "text",
        steps: &[
            "\n",
            "/nick ",
            "ghost\n",
            "boo",
            "\n/join den\n",
            "/names\n/rooms\n",
            "/msg carol psst\n",
            "/nick shade\n/nick ghost\n",
            "/part\n",
            "/help\n",
            "/quit\n",
        ],
    },
    Life {
        dialect: "foreign",
        steps: &["GET / ", "HTTP/1.1\r\n", "Host: x\r\n\r\n"],
    },
];

/// Somebody who did the first steps and heard what came of each, or did them all in one breath.
async fn lives(chat: &Daemon, steps: &[&str], in_one_breath: bool) -> Peer {
    let mut peer = chat.stranger().await;
    if in_one_breath {
        peer.send_if_open(steps.concat().as_bytes()).await;
        return peer;
    }
    let row = |row: &serde_json::Value| row["in_bytes"].as_u64();
    let mut said = 0;
    for step in steps {
        peer.send_if_open(step.as_bytes()).await;
        said += step.len() as u64;
        let address = peer.address().to_string();
        until("the step was read, or the end came", async || {
            let rows = chat.clients().await;
            match rows.iter().find(|row| row["addr"] == address.as_str()) {
                Some(found) => (row(found) >= Some(said)).then_some(()),
                None => Some(()),
            }
        })
        .await;
    }
    peer
}

#[tokio::test]
async fn a_reset_at_any_step_of_any_dialect_frees_the_name_and_harms_nobody() {
    let chat = Daemon::start(Config::roomy().limit("hello_timeout", "300s")).await;
    let mut pair = Pair::arrive(&chat).await;
    let _carol = chat.full("carol").await;
    let mut resets = 0.0;
    for life in LIVES {
        for count in 0..=life.steps.len() {
            for in_one_breath in [false, true] {
                let what = format!("{} after {count} steps", life.dialect);
                lives(&chat, &life.steps[..count], in_one_breath)
                    .await
                    .reset();
                resets += 1.0;
                let gone = async |closed: f64| {
                    chat.counts("chatd_connections_closed_total", &[], closed)
                        .await;
                };
                gone(2.0 * resets - 1.0).await;
                let mut heir = chat.full("ghost").await;
                heir.say(r#"{"type":"quit"}"#).await;
                heir.hears_out().await;
                gone(2.0 * resets).await;
                assert!(chat.is_running(), "{what}");
            }
        }
        pair.goes_on_talking().await;
    }
    assert!(!chat.stderr().contains("panic"), "{}", chat.stderr());
    let metrics = chat.metrics().await;
    let closed = |reason: &str| {
        metrics.sum(
            "chatd_connections_closed_total",
            &[&format!("reason=\"{reason}\"")],
        )
    };
    assert_eq!(closed("internal_error"), 0.0);
    assert!(closed("peer_reset") > resets / 2.0, "{metrics:?}");
}
