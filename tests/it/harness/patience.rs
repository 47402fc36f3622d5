//! Waiting for something that must happen: a condition and a deadline, never a guess.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take on a busy machine. A play that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at that nothing announces.
const GLANCE: Duration = Duration::from_millis(10);

static STAGE: Mutex<()> = Mutex::const_new(());

/// Waits for `happening`, and says what it was waiting for if that never comes.
pub(crate) async fn within<F: Future>(what: &str, happening: F) -> F::Output {
    match timeout(PATIENCE, happening).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// Looks again and again until `probe` has an answer.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        sleep(GLANCE).await;
    }
}

/// The whole stage for one heavy play: those that load both cores take turns.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    STAGE.lock().await
}
