//! Somebody who was shown out and has more than one coat: addresses of a namespace of its own.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Config, Daemon, Peer, until};
use crate::on_stage;
use crate::stage::succeeds;

/// The daemon's own addresses, and those that people come from.
const ADDRESSES: &[&str] = &[
    "192.0.2.1/32",
    "198.51.100.7/32",
    "198.51.100.8/32",
    "2001:db8::1/128",
    "2001:db8:1:2::1/128",
    "2001:db8:1:2::2/128",
    "2001:db8:1:2:ffff:ffff:ffff:ffff/128",
    "2001:db8:1:3::1/128",
];
const V4: &str = "192.0.2.1";
const MAPPED: &str = "::ffff:192.0.2.1";
const V6: &str = "2001:db8::1";

async fn town(config: Config) -> Daemon {
    for address in ADDRESSES {
        succeeds(Command::new("ip").args(["addr", "add", address, "dev", "lo"]));
    }
    let config = config
        .set("server.listen", vec!["0.0.0.0:7687", "[::]:7687"])
        .set("server.allow_plaintext", true);
    Daemon::start(config).await
}

async fn comes(source: &str, server: &str) -> Peer {
    let server: IpAddr = server.parse().unwrap();
    Peer::connect_from(SocketAddr::new(server, 7687), source).await
}

async fn is_refused(source: &str, server: &str) {
    let bye = comes(source, server).await.hears_bye("banned").await;
    assert_eq!(bye["username"], "chatd", "{source}: {bye}");
    assert_eq!(bye["reconnect"], false, "{source}: {bye}");
}

async fn must(chat: &Daemon, arguments: &[&str]) {
    let run = chat.ctl(arguments).await;
    assert_eq!(run.code, 0, "{run:?}");
}

/// By name first: no other spelling, no rename, no old secret. Then by address: no neighbour in
/// the same /64, no IPv4 in other clothes. Then after a restart.
pub(crate) fn finds_every_way_back_shut() {
    on_stage(async {
        let mut chat = town(Config::roomy()).await;
        let mut witness = comes("198.51.100.8", V4).await;
        witness.hello("witness").await;
        let mut oxo = comes("2001:db8:1:2::1", V6).await;
        let welcome = oxo.hello_with(json!({ "username": "oxo" })).await;
        must(&chat, &["ban", "oxo", "--reason", "spam"]).await;
        oxo.hears_bye("banned").await;

        let mut back = comes("2001:db8:1:2::1", V6).await;
        for name in ["oxo", "OXO", "охо"] {
            back.request("hello", json!({ "username": name })).await;
            back.hears_error("banned").await;
        }
        let secret = json!({ "username": "saint", "resume": welcome["resume"] });
        back.request("hello", secret).await;
        back.hears_error("banned").await;
        back.hello("saint").await;
        back.request("nick", json!({ "username": "Oxo" })).await;
        back.hears_error("banned").await;

        // The saint looks suspiciously alike. So does everybody of that household.
        let mut at_home = comes("2001:db8:1:2::2", V6).await;
        at_home.hello("sinner").await;
        must(&chat, &["ban", "2001:db8:1:2::1", "--for", "1h"]).await;
        back.hears_bye("banned").await;
        at_home.hears_bye("banned").await;
        must(&chat, &["ban", "198.51.100.7"]).await;
        let shut = async || {
            for source in [
                "2001:db8:1:2::1",
                "2001:db8:1:2::2",
                "2001:db8:1:2:ffff:ffff:ffff:ffff",
            ] {
                is_refused(source, V6).await;
            }
            is_refused("198.51.100.7", V4).await;
            is_refused("::ffff:198.51.100.7", MAPPED).await;
            comes("2001:db8:1:3::1", V6).await.hello("neighbour").await;
            let mut neighbour = comes("::ffff:198.51.100.8", MAPPED).await;
            neighbour.hello("neighbour4").await;
        };
        shut().await;
        let labels = ["reason=\"banned\"", "detail=\"address\""];
        chat.counts("chatd_connections_refused_total", &labels, 5.0)
            .await;
        witness.hears_nothing_else().await;

        chat.signal(Signal::KILL);
        chat.exit().await;
        chat.start_again().await;
        shut().await;
    });
}

/// Places and new connections are counted by subscriber, whatever the coat.
pub(crate) fn has_no_more_places_for_more_addresses() {
    on_stage(async {
        let config = Config::shipped()
            .limit("clients_per_address", 2)
            .limit("connect_rate", "6/1h");
        let chat = town(config).await;
        let told = async |mut peer: Peer| {
            peer.hears_bye("too_many_connections").await;
        };
        let mut first = comes("2001:db8:1:2::1", V6).await;
        first.hello("first").await;
        let mut second = comes("2001:db8:1:2::2", V6).await;
        second.hello("second").await;
        told(comes("2001:db8:1:2:ffff:ffff:ffff:ffff", V6).await).await;
        let mut plain = comes("198.51.100.7", V4).await;
        plain.hello("plain").await;
        let mut mapped = comes("::ffff:198.51.100.7", MAPPED).await;
        mapped.hello("mapped").await;
        told(comes("198.51.100.7", V4).await).await;
        told(comes("::ffff:198.51.100.7", MAPPED).await).await;
        chat.counts(
            "chatd_connections_refused_total",
            &["detail=\"clients_per_address\""],
            3.0,
        )
        .await;
        let mut neighbour = comes("2001:db8:1:3::1", V6).await;
        neighbour.hello("neighbour").await;
        // Coming and going is counted by the same measure.
        drop((first, second));
        until("they come too often", async || {
            drop(comes("2001:db8:1:2::1", V6).await);
            drop(comes("2001:db8:1:2::2", V6).await);
            let refused = chat.metrics().await.sum(
                "chatd_connections_refused_total",
                &["detail=\"connect_rate\""],
            );
            (refused > 0.0).then_some(())
        })
        .await;
        neighbour.hears_nothing_else().await;
    });
}
