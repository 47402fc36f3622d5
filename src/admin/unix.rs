//! The door that is a Unix socket.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::socket::AdminSocket;
use super::talk::talk;
use crate::backoff::Backoff;
use crate::control::Control;

/// Operators at once; one more is closed unheard.
const CONNECTIONS: usize = 32;
/// How long the last answers may take when the door closes.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// Answers on the socket until `stop`; then its file is removed.
///
/// # Errors
/// The socket cannot be given to the runtime. Errors of `accept` never end it.
pub async fn serve_unix(
    mut socket: AdminSocket,
    control: Control,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let Some(listener) = socket.listener.take() else {
        return Ok(());
    };
    let listener = UnixListener::from_std(listener)?;
    let tasks = TaskTracker::new();
    stop.run_until_cancelled(accept(&listener, &control, &tasks, &stop))
        .await;
    drop(listener);
    drop(socket);
    tasks.close();
    let _ = timeout(FAREWELL, tasks.wait()).await;
    Ok(())
}

async fn accept(
    listener: &UnixListener,
    control: &Control,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut backoff = Backoff::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                match seats.clone().try_acquire_owned() {
                    Ok(seat) => {
                        tasks.spawn(serve(stream, control.clone(), stop.clone(), seat));
                    }
                    Err(_) => drop(control.tally().admin_refused.fetch_add(1, Relaxed)),
                }
            }
            Err(error) => backoff.pause("admin", &error).await,
        }
    }
}

async fn serve(
    stream: UnixStream,
    control: Control,
    stop: CancellationToken,
    _seat: OwnedSemaphorePermit,
) {
    let Ok(peer) = stream.peer_cred() else { return };
    let caller = Caller::of_peer(peer, &control);
    let _present = control.tally().enter();
    let (from, to) = stream.into_split();
    let talk = talk(BufReader::new(from), to, &control, &caller);
    if let Some(Err(error)) = stop.run_until_cancelled(talk).await {
        tracing::debug!(event = "admin.closed", by = %caller, %error, "an operator's connection broke");
    }
}
