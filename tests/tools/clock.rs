//! The clock on the wall jumps, and time goes on: libfaketime with a file that changes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::canary::Canary;
use crate::harness::{Config, Daemon, Peer, Staging, until};
use crate::on_stage;

/// Where Debian puts the library of `faketime`.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map_while(Result::ok);
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries
        .into_iter()
        .find(|path| path.exists())
        .expect("the library of faketime")
}

async fn under_a_clock(file: &Path) -> Daemon {
    let preload = format!("export LD_PRELOAD={}", library().display());
    let staging = Staging::default().after(&preload).environment(&[
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ]);
    let config = Config::roomy()
        .limit("ping_interval", "5s")
        .limit("ping_timeout", "5s")
        .limit("idle_timeout", "60s");
    Daemon::start_staged(config, staging).await
}

fn year(message: &Value) -> i32 {
    message["time"].as_str().unwrap()[..4].parse().unwrap()
}

async fn says(peer: &mut Peer, cid: &str) -> Value {
    let fields = json!({ "room": "den", "message": "tick", "cid": cid });
    peer.request("message", fields).await;
    loop {
        let object = peer.object().await;
        if object["type"] == "ping" {
            peer.say(r#"{"type":"pong"}"#).await;
        } else if object["type"] == "ack" {
            return object;
        }
    }
}

/// A day and ten years, both ways: numbers go on, stamps follow the clock, no patience ends, and what
/// is remembered for ten minutes is.
pub(crate) fn jumps_and_time_goes_on() {
    on_stage(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let set = |offset: &str| {
            let next = folder.path().join("next");
            fs::write(&next, offset).unwrap();
            fs::rename(next, &file).unwrap();
        };
        set("+0");
        let chat = under_a_clock(&file).await;
        let mut canary = Canary::arrive(&chat).await;
        let mut alice = chat.full_in("den", "alice").await;
        assert_eq!(chat.ctl(&["ban", "brief", "--for", "30d"]).await.code, 0);
        let bans = async || chat.ask("bans.list", json!({})).await["total"].clone();
        let first = says(&mut alice, "first").await;
        let (now, mut seq) = (year(&first), first["seq"].as_u64().unwrap());
        for (n, (offset, years)) in [
            ("+1d", 0),
            ("-1d", 0),
            ("+3652d", 10),
            ("-3652d", -10),
            ("+0", 0),
        ]
        .into_iter()
        .enumerate()
        {
            set(offset);
            until("the clock has jumped", async || {
                let ack = says(&mut alice, &format!("{n}-{seq}")).await;
                seq += 1;
                assert_eq!(ack["seq"], seq, "{ack}");
                let off = year(&ack) - now - years;
                (off.abs() <= i32::from(years == 0)).then_some(())
            })
            .await;
            let again = says(&mut alice, "first").await;
            assert_eq!(
                (&again["duplicate"], &again["seq"]),
                (&json!(true), &first["seq"])
            );
            canary.hears_calmly().await;
            let status = chat.ctl(&["--format", "json", "status"]).await.json();
            let uptime = status["uptime_seconds"].as_f64().unwrap();
            assert!((0.0..600.0).contains(&uptime), "{offset}: {status}");
            for row in chat.clients().await {
                let age = row["age_seconds"].as_f64().unwrap();
                assert!((0.0..600.0).contains(&age), "{offset}: {row}");
            }
            // What is over is over, also when the clock goes back.
            let there = i32::from(n < 2);
            until("bans end by the clock on the wall", async || {
                let counted = chat.metrics().await.sum("chatd_bans", &[]);
                (bans().await == there && counted == f64::from(there)).then_some(())
            })
            .await;
            println!("{offset}: year {}, {there} bans", now + years);
        }
        let closed = chat.metrics().await;
        assert_eq!(closed.sum("chatd_connections_closed_total", &[]), 0.0);
        canary.flies_off().await;
    });
}
