//! What a client has learned so far, and waiting for it to learn more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::harness::within;

/// Shared by the task that reads and the play that waits.
#[derive(Default)]
pub(super) struct Mind<S>(Arc<Inside<S>>);

#[derive(Default)]
struct Inside<S> {
    state: Mutex<S>,
    news: Notify,
}

impl<S> Clone for Mind<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Mind<S> {
    /// Looks or changes without telling anybody.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut S) -> R) -> R {
        act(&mut self.0.state.lock().unwrap())
    }

    /// Changes, and wakes whoever waits.
    pub(super) fn learn<R>(&self, act: impl FnOnce(&mut S) -> R) -> R {
        let result = self.with(act);
        self.0.news.notify_waiters();
        result
    }

    /// Waits for something without which the play cannot go on.
    pub(super) async fn wait(&self, what: &str, happened: impl Fn(&S) -> bool) {
        within(what, self.until(happened)).await;
    }

    /// Waits for as long as it takes.
    pub(super) async fn until(&self, happened: impl Fn(&S) -> bool) {
        loop {
            let news = self.0.news.notified();
            if self.with(|state| happened(state)) {
                return;
            }
            news.await;
        }
    }

    /// Waits for something that ought to happen. Gives up when nothing at all is heard for long:
    /// whether that was right is for the judge to say.
    pub(super) async fn expect(&self, happened: impl Fn(&S) -> bool) {
        const SILENCE: Duration = Duration::from_secs(8);
        loop {
            let news = self.0.news.notified();
            if self.with(|state| happened(state)) || timeout(SILENCE, news).await.is_err() {
                return;
            }
        }
    }
}
