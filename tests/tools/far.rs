//! Peers at the other end of a cable that is pulled out: no end of file, no reset, nothing.

use std::process::Command;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Config, Daemon, until};
use crate::on_stage;
use crate::stage::{Program, succeeds};

const HERE: &str = "10.77.0.1";

/// Another network with one cable to it.
fn lay_a_cable() {
    for command in [
        "netns add far",
        "link add near type veth peer name cable netns far",
        "addr add 10.77.0.1/24 dev near",
        "link set near up",
        "-n far addr add 10.77.0.2/24 dev cable",
        "-n far link set cable up",
    ] {
        succeeds(Command::new("ip").args(command.split(' ')));
    }
}

fn far_netcat() -> Program {
    let words = format!("netns exec far nc {HERE} 7687");
    Program::start(Command::new("ip").args(words.split(' ')))
}

async fn closed(chat: &Daemon, reason: &str, detail: &str) {
    until(
        &format!("somebody is closed: {reason} {detail}"),
        async || {
            let closed = chat
                .ask(
                    "clients.closed",
                    json!({ "reason": reason, "detail": detail, "addr": "10.77.0.0/24" }),
                )
                .await;
            (!closed["closed"][0].is_null()).then_some(())
        },
    )
    .await;
    chat.logs(&["client.closed", reason, detail]).await;
}

/// Who is pinged does not answer; who is not pinged acknowledges no bytes. Both go, each under its
/// own word, and nobody else waits.
pub(crate) fn who_is_cut_off_is_noticed_and_named() {
    on_stage(async {
        lay_a_cable();
        let config = Config::roomy()
            .set("server.listen", vec!["0.0.0.0:7687"])
            .set("server.allow_plaintext", true)
            .limit("ping_interval", "2s")
            .limit("ping_timeout", "2s")
            .limit("write_stall", "2s");
        let chat = Daemon::start(config).await;
        let mut canary = Canary::arrive(&chat).await;
        let mut full = far_netcat();
        full.says(r#"{"type":"hello","version":1,"username":"far"}"#);
        full.hears("welcome");
        let mut speaker = chat.full_in("lobby", "speaker").await;
        let mut basic = far_netcat();
        basic.says(r#"{"username":"away","message":"hello from far away"}"#);
        speaker
            .hears_message("lobby", "away", "hello from far away")
            .await;
        speaker.publish("lobby", "hello from here").await;
        basic.hears("hello from here");

        succeeds(Command::new("ip").args(["link", "set", "near", "down"]));
        speaker.publish("lobby", "can you hear me").await;
        closed(&chat, "ping_timeout", "").await;
        closed(&chat, "slow_consumer", "unacknowledged").await;
        assert!(!basic.text().contains("can you hear me"));
        until("their places are free", async || {
            (chat.clients().await.len() == 3).then_some(())
        })
        .await;
        canary.has_heard().await;
        canary.flies_off().await;
    });
}
