//! The people of a play, each in the dialect that the play calls for.

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::patience::until;
use super::peer::Peer;

impl Daemon {
    /// Somebody who has connected and said nothing.
    pub(crate) async fn stranger(&self) -> Peer {
        Peer::connect(self.chat()).await
    }

    /// A full client that is in no room.
    pub(crate) async fn full(&self, username: &str) -> Peer {
        let mut peer = self.stranger().await;
        let welcome = peer.hello(username).await;
        assert_eq!(welcome["username"], username, "{welcome}");
        peer
    }

    /// A full client in one room.
    pub(crate) async fn full_in(&self, room: &str, username: &str) -> Peer {
        let mut peer = self.full(username).await;
        let joined = peer.join(room).await;
        assert_eq!(joined["room"], room, "{joined}");
        peer
    }

    /// A silent listener of the default room, already listening.
    pub(crate) async fn listener(&self) -> Peer {
        let peer = self.stranger().await;
        self.row_of(&peer, |row| row["dialect"] == "none").await;
        peer
    }

    /// A basic client; its first line made it so, and that line is in the log.
    pub(crate) async fn basic(&self, username: &str) -> Peer {
        let mut peer = self.listener().await;
        let head = self.lobby_head().await;
        peer.say_json(json!({ "username": username, "message": format!("{username} is here") }))
            .await;
        self.row_of(&peer, |row| {
            row["dialect"] == "basic" && row["username"] == username
        })
        .await;
        until("its first line is in the log", async || {
            (self.lobby_head().await > head).then_some(())
        })
        .await;
        peer
    }

    /// A text client, already listening; it has read what greeted it.
    pub(crate) async fn text(&self, username: &str) -> Peer {
        let mut peer = self.stranger().await;
        peer.say(&format!("/nick {username}")).await;
        self.row_of(&peer, |row| {
            row["dialect"] == "text" && row["username"] == username
        })
        .await;
        peer.reads_up_to_names(username).await;
        peer
    }

    /// The last number of the lobby.
    pub(crate) async fn lobby_head(&self) -> u64 {
        let page = self.ask("rooms.list", json!({})).await;
        let rooms = page["rooms"].as_array().unwrap();
        let lobby = rooms.iter().find(|room| room["room"] == "lobby").unwrap();
        lobby["head"].as_u64().unwrap()
    }

    /// The operator's row about this connection, once it looks as it should.
    pub(crate) async fn row_of(&self, peer: &Peer, fits: impl Fn(&Value) -> bool) -> Value {
        let address = peer.address().to_string();
        until(
            &format!("the operator sees {address} as it should be"),
            async || {
                let rows = self.clients().await;
                rows.into_iter()
                    .find(|row| row["addr"] == address.as_str() && fits(row))
            },
        )
        .await
    }
}

impl Peer {
    /// Reads a text client's lines up to the answer of `/names`, in which `username` stands.
    pub(crate) async fn reads_up_to_names(&mut self, username: &str) {
        self.say("/names").await;
        loop {
            let line = self.line().await;
            if line.contains("lobby") && line.contains(username) && !line.contains("joined") {
                return;
            }
        }
    }
}
