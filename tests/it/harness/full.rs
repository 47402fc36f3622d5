//! What a client of the full dialect says, in one word each.

use serde_json::{Value, json};

use super::peer::Peer;

impl Peer {
    /// Introduces itself, with no capabilities; the answer is the `welcome`.
    pub(crate) async fn hello(&mut self, username: &str) -> Value {
        self.hello_with(json!({ "username": username, "caps": [] }))
            .await
    }

    /// Introduces itself with these fields; the answer is the `welcome`. What a silent listener
    /// hears until then is not meant for it.
    pub(crate) async fn hello_with(&mut self, fields: Value) -> Value {
        self.request("hello", fields).await;
        loop {
            let object = self.object().await;
            if object.get("type").is_some() {
                assert_eq!(object["type"], "welcome", "{object}");
                return object;
            }
        }
    }

    /// Joins a room; the answer is the `joined`.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        self.ask("join", json!({ "room": room }), "joined").await
    }

    /// Joins a room where it left off; the answer is the `joined`.
    pub(crate) async fn join_since(&mut self, room: &str, epoch: &str, seq: u64) -> Value {
        let fields = json!({ "room": room, "since": { "epoch": epoch, "seq": seq } });
        self.ask("join", fields, "joined").await
    }

    /// Says something in a room; the answer is the `ack`. The own message follows or comes first.
    pub(crate) async fn publish(&mut self, room: &str, text: &str) -> Value {
        self.request("message", json!({ "room": room, "message": text }))
            .await;
        let mut heard = [self.unprompted().await, self.unprompted().await];
        heard.sort_by_key(|object| object["type"].as_str() != Some("ack"));
        let [ack, message] = heard;
        assert_eq!(ack["type"], "ack", "{ack}");
        assert_eq!(message["type"], "message", "{message}");
        assert_eq!(message["message"], text, "{message}");
        assert_eq!(message["seq"], ack["seq"], "{message} {ack}");
        ack
    }

    /// The next object that is not a `ping`; on the way it says that it is still there.
    pub(crate) async fn unprompted(&mut self) -> Value {
        loop {
            let object = self.object().await;
            if object["type"] != "ping" {
                return object;
            }
            self.say(r#"{"type":"pong"}"#).await;
        }
    }

    /// Sends a request of this `type`.
    pub(crate) async fn request(&mut self, kind: &str, mut fields: Value) {
        fields["type"] = json!(kind);
        if kind == "hello" && fields.get("version").is_none() {
            fields["version"] = json!(1);
        }
        self.say_json(fields).await;
    }

    /// Sends a request whose next line must be the answer.
    pub(crate) async fn ask(&mut self, kind: &str, fields: Value, answer: &str) -> Value {
        self.request(kind, fields).await;
        self.hears_type(answer).await
    }

    /// The next line is somebody's message in a room.
    pub(crate) async fn hears_message(&mut self, room: &str, username: &str, text: &str) -> Value {
        let message = self.hears_type("message").await;
        assert_eq!(message["room"], room, "{message}");
        assert_eq!(message["username"], username, "{message}");
        assert_eq!(message["message"], text, "{message}");
        message
    }

    /// Asks for a sign of life and hears nothing else before it.
    pub(crate) async fn hears_nothing_else(&mut self) {
        let pong = self
            .ask("ping", json!({ "token": "nothing else" }), "pong")
            .await;
        assert_eq!(pong["token"], "nothing else", "{pong}");
    }
}
