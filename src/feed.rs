//! What happens, told to operators who listen.
//!
//! - Nobody listens, nothing is made: the log layer that fills the feed is switched off then, and what
//!   is left of an event is the branch at its callsite that the log has anyway.
//! - A thread of the data plane puts a happening into a bounded queue and goes on ([`Feed::put`]);
//!   the control plane hands it out ([`Feed::hand_out`]). So a crowd of listeners costs chat nothing.
//! - Each listener has the same bounded past to catch up with. Who is slower is told how many it
//!   missed ([`Told::Lagged`]), and no buffer grows for it.
//!
//! Not here: which events there are (whoever logs them), and who may listen (`admin`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::{broadcast, mpsc};

/// Happenings that wait for the control plane to hand them out.
const QUEUE: usize = 4096;
/// Happenings that a listener may be behind. One is at most a few KiB, mostly some 200 bytes.
const PAST: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Its stable name, such as `client.closed`.
    pub event: String,
    /// `error warn info debug trace`.
    pub level: &'static str,
    /// One object: `time level event message` and the fields. Text in it is safe to show.
    pub object: Map<String, Value>,
}

/// What a listener is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something happened; and the same as one line of JSON, line end included, which is written out
    /// once for all who listen.
    Happened(Arc<Happening>, Arc<str>),
    /// So many happenings are missing here.
    Lagged(u64),
}

type Switch = Box<dyn Fn(bool) + Send + Sync>;

/// The way from whoever logs to whoever listens.
pub struct Feed {
    queue: mpsc::Sender<Happening>,
    waiting: Mutex<Option<mpsc::Receiver<Happening>>>,
    out: broadcast::Sender<Told>,
    /// Lost because the control plane did not come round in time; told with the next one.
    untold: AtomicU64,
    /// Lost since the start, that way or because a listener was too slow.
    lost: AtomicU64,
    listeners: Mutex<usize>,
    switch: OnceLock<Switch>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("listeners", &self.listeners())
            .finish_non_exhaustive()
    }
}

impl Default for Feed {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self {
            queue,
            waiting: Mutex::new(Some(waiting)),
            out: broadcast::Sender::new(PAST),
            untold: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            listeners: Mutex::new(0),
            switch: OnceLock::new(),
        }
    }
}

impl Feed {
    /// What is called with true when the first listener comes, with false when the last one goes.
    /// Only the first call counts.
    pub fn set_switch(&self, switch: impl Fn(bool) + Send + Sync + 'static) {
        // A second source would be told of by the first one's name.
        let _ = self.switch.set(Box::new(switch));
    }

    /// Puts a happening in. Never waits: where there is no room it is counted as lost.
    pub fn put(&self, happening: Happening) {
        if self.queue.try_send(happening).is_err() {
            self.untold.fetch_add(1, Relaxed);
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Hands out what is put in, for ever. Only the first call does anything.
    pub async fn hand_out(&self) {
        let Some(mut waiting) = lock(&self.waiting).take() else {
            return;
        };
        while let Some(happening) = waiting.recv().await {
            let untold = self.untold.swap(0, Relaxed);
            if untold > 0 {
                let _ = self.out.send(Told::Lagged(untold));
            }
            // An error says that nobody listens any more.
            let line = line(&happening).into();
            let _ = self.out.send(Told::Happened(Arc::new(happening), line));
        }
    }

    /// Listens from now on.
    pub fn listen(self: &Arc<Self>) -> Listener {
        let told = self.out.subscribe();
        let mut listeners = lock(&self.listeners);
        *listeners += 1;
        if *listeners == 1 {
            self.turn(true);
        }
        drop(listeners);
        Listener {
            feed: self.clone(),
            told,
        }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        *lock(&self.listeners)
    }

    /// Happenings that some listener has not been told, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn leave(&self) {
        let mut listeners = lock(&self.listeners);
        *listeners -= 1;
        if *listeners == 0 {
            self.turn(false);
        }
    }

    fn turn(&self, on: bool) {
        if let Some(switch) = self.switch.get() {
            switch(on);
        }
    }
}

/// Somebody who listens, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    feed: Arc<Feed>,
    told: broadcast::Receiver<Told>,
}

impl Listener {
    /// The next happening, or how many are missing before it. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Told> {
        match self.told.recv().await {
            Ok(told) => Some(told),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The same without waiting; none if nothing is there yet.
    pub fn ready(&mut self) -> Option<Told> {
        match self.told.try_recv() {
            Ok(told) => Some(told),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(_) => None,
        }
    }

    fn lagged(&self, missed: u64) -> Told {
        self.feed.lost.fetch_add(missed, Relaxed);
        Told::Lagged(missed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.feed.leave();
    }
}

fn line(happening: &Happening) -> String {
    // A map of text to values can always be written.
    let mut line = serde_json::to_string(&happening.object).unwrap_or_default();
    line.push('\n');
    line
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    fn happening(n: usize) -> Happening {
        Happening {
            event: format!("n.{n}"),
            level: "info",
            object: Map::new(),
        }
    }

    async fn hears(listener: &mut Listener) -> String {
        match listener.next().await.unwrap() {
            Told::Happened(happening, _) => happening.event.clone(),
            Told::Lagged(n) => format!("lagged {n}"),
        }
    }

    #[tokio::test]
    async fn it_is_switched_on_for_the_first_and_off_after_the_last() {
        let feed = Arc::new(Feed::default());
        let turns = Arc::new(Mutex::new(Vec::new()));
        let seen = turns.clone();
        feed.set_switch(move |on| lock(&seen).push(on));
        let (first, second) = (feed.listen(), feed.listen());
        assert_eq!(feed.listeners(), 2);
        drop(first);
        assert_eq!(*lock(&turns), [true]);
        drop(second);
        assert_eq!(*lock(&turns), [true, false]);
        let _third = feed.listen();
        assert_eq!(*lock(&turns), [true, false, true]);
    }

    #[tokio::test]
    async fn whoever_is_too_slow_is_told_how_many_are_missing() {
        let feed = Arc::new(Feed::default());
        let handing = feed.clone();
        let task = TaskTracker::new().spawn(async move { handing.hand_out().await });
        let (mut quick, mut slow) = (feed.listen(), feed.listen());
        for n in 0..PAST + 10 {
            feed.put(happening(n));
            assert_eq!(hears(&mut quick).await, format!("n.{n}"));
        }
        assert_eq!(hears(&mut slow).await, "lagged 10");
        assert_eq!(hears(&mut slow).await, "n.10");
        assert_eq!(feed.lost(), 10);
        task.abort();
    }

    #[tokio::test]
    async fn what_finds_no_room_in_the_queue_is_told_as_missing() {
        let feed = Arc::new(Feed::default());
        let mut listener = feed.listen();
        for n in 0..QUEUE + 3 {
            feed.put(happening(n));
        }
        let handing = feed.clone();
        let task = TaskTracker::new().spawn(async move { handing.hand_out().await });
        assert_eq!(hears(&mut listener).await, "lagged 3");
        assert_eq!(hears(&mut listener).await, "n.0");
        task.abort();
    }
}
