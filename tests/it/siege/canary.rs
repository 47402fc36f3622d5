//! The pair that has nothing to do with it and must not notice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::{Daemon, Peer, until};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(5);
/// Messages that make a measurement.
const SAMPLES: usize = 60;

/// Two people who talk without a pause. If one of them misses a word, the play fails.
pub(crate) struct Canary {
    waits: Arc<Mutex<Vec<Duration>>>,
    enough: Option<oneshot::Sender<()>>,
    talk: JoinSet<u64>,
}

/// The longest that is no cause for complaint, by how long it took before: a generous factor, on a
/// machine that is busy with the siege itself. With ten programs at each of its processors, they
/// waited 0.4 s at most.
pub(super) fn tolerable(before: Duration) -> Duration {
    50 * before.max(Duration::from_millis(50))
}

impl Canary {
    /// They come in and begin to talk.
    pub(crate) async fn arrive(chat: &Daemon) -> Self {
        let says = chat.full_in("canary", "tweety").await;
        let hears = chat.full_in("canary", "sylvester").await;
        let waits = Arc::<Mutex<Vec<Duration>>>::default();
        let (enough, stop) = oneshot::channel();
        let mut set = JoinSet::new();
        set.spawn(talk(says, hears, waits.clone(), stop));
        Self {
            waits,
            enough: Some(enough),
            talk: set,
        }
    }

    /// How long a message takes, as of now: the 99th percentile.
    pub(crate) async fn hears_calmly(&mut self) -> Duration {
        self.waits.lock().unwrap().clear();
        self.has_heard().await
    }

    /// How long messages took since the last look: the 99th percentile. There were enough to tell.
    pub(crate) async fn has_heard(&mut self) -> Duration {
        until("the pair goes on talking", async || {
            let ended = self.talk.try_join_next();
            assert!(ended.is_none(), "the pair has stopped talking: {ended:?}");
            (self.waits.lock().unwrap().len() >= SAMPLES).then_some(())
        })
        .await;
        let mut waits = std::mem::take(&mut *self.waits.lock().unwrap());
        waits.sort_unstable();
        waits[(waits.len() * 99 / 100).min(waits.len() - 1)]
    }

    /// They end their talk. How many words it had; none was lost.
    pub(crate) async fn flies_off(mut self) -> u64 {
        drop(self.enough.take());
        self.talk.join_next().await.unwrap().unwrap()
    }
}

async fn talk(
    mut says: Peer,
    mut hears: Peer,
    waits: Arc<Mutex<Vec<Duration>>>,
    mut stop: oneshot::Receiver<()>,
) -> u64 {
    let mut said = 0;
    while stop.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        said += 1;
        let begun = Instant::now();
        let ack = says.publish("canary", &said.to_string()).await;
        assert_eq!(ack["seq"], said, "{ack}");
        let heard = hears.unprompted().await;
        assert_eq!(
            (&heard["seq"], &heard["message"]),
            (&Value::from(said), &Value::from(said.to_string())),
            "a word is missing: {heard}"
        );
        waits.lock().unwrap().push(begun.elapsed());
        sleep(PAUSE).await;
    }
    said
}
