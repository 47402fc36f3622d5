//! Many who want one name.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::harness::{Config, Daemon, Peer, alone};

/// How somebody asks for a name.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With its hello.
    Hello,
    /// With `nick`, being somebody already.
    Rename,
    /// As a person.
    Text,
}

/// Names that are the same.
const SAME: [&str; 4] = ["cope", "COPE", "соре", "Соре"];

/// Asks for the name when all others do. Whether it has it then.
async fn claims(mut peer: Peer, way: Way, name: &'static str, start: Arc<Barrier>) -> (bool, Peer) {
    start.wait().await;
    match way {
        Way::Hello => {
            peer.request("hello", json!({ "username": name, "caps": [] }))
                .await
        }
        Way::Rename => peer.request("nick", json!({ "username": name })).await,
        Way::Text => peer.say(&format!("/nick {name}")).await,
    }
    let has_it = loop {
        let line = peer.line().await;
        if line.starts_with("! ") || line.contains(r#""code":"nick_in_use""#) {
            break false;
        }
        let mine = [
            line.contains(r#""type":"welcome""#) && line.contains(&format!("\"{name}\"")),
            line.contains(r#""type":"nick""#) && line.contains(&format!("\"{name}\"")),
            line.starts_with("* you are now "),
        ];
        if mine.contains(&true) {
            break true;
        }
    };
    (has_it, peer)
}

#[tokio::test]
async fn a_thousand_who_want_one_name_at_once_are_one_who_has_it() {
    const CLAIMS: usize = 1000;
    let _alone = alone().await;
    let config = Config::roomy().limit("listeners", CLAIMS as i64 + 100);
    let chat = Daemon::start(config).await;
    let start = Arc::new(Barrier::new(CLAIMS));
    let mut claimants = JoinSet::new();
    for n in 0..CLAIMS {
        let way = [Way::Hello, Way::Rename, Way::Text][n % 3];
        let name = SAME[n / 3 % SAME.len()];
        let mut peer = chat.stranger().await;
        match way {
            Way::Rename => drop(peer.hello(&format!("someone{n}")).await),
            Way::Text => peer.say("/nick").await,
            Way::Hello => {}
        }
        if matches!(way, Way::Text) {
            // Whoever was greeted is there.
            while !peer.line().await.starts_with("! ") {}
        }
        claimants.spawn(claims(peer, way, name, Arc::clone(&start)));
    }
    let outcomes = claimants.join_all().await;
    assert_eq!(outcomes.len(), CLAIMS);
    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(won, _)| *won);
    assert_eq!(winners.len(), 1, "one winner");
    let rows = chat.clients().await;
    let holders = rows.iter().filter(|row| {
        let name = row["username"].as_str().unwrap_or_default();
        SAME.contains(&name)
    });
    assert_eq!(holders.count(), 1, "and the operator sees one");
    for name in SAME {
        let mut late = chat.stranger().await;
        late.request("hello", json!({ "username": name })).await;
        late.hears_error("nick_in_use").await;
    }
    // It is free as soon as its holder has gone.
    let (_, mut winner) = winners.into_iter().next().unwrap();
    winner.stop_talking().await;
    winner.hears_out().await;
    let start = Arc::new(Barrier::new(1));
    let (_, mut heir) = losers.into_iter().next().unwrap();
    heir.say("/quit").await;
    let heir = chat.full("heir").await;
    let (won, _) = claims(heir, Way::Rename, "cope", start).await;
    assert!(won, "the name was not free");
}
