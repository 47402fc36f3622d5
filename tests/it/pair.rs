//! Who goes on talking while others meet a limit.

use crate::harness::{Daemon, Peer};

/// Two people who have nothing to do with it.
pub(crate) struct Pair {
    pub(crate) alice: Peer,
    pub(crate) bob: Peer,
}

impl Pair {
    pub(crate) async fn arrive(chat: &Daemon) -> Self {
        let alice = chat.full_in("parlour", "alice").await;
        Self {
            alice,
            bob: chat.full_in("parlour", "bob").await,
        }
    }

    pub(crate) async fn goes_on_talking(&mut self) {
        self.alice.publish("parlour", "as I was saying").await;
        self.bob
            .hears_message("parlour", "alice", "as I was saying")
            .await;
    }

    /// The same at such length that whoever does not read falls behind.
    pub(crate) async fn goes_on_at_length(&mut self) {
        let text = "x".repeat(3000);
        self.alice.publish("parlour", &text).await;
        self.bob.hears_message("parlour", "alice", &text).await;
    }
}
