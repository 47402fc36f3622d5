//! The door that is a Unix socket.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::io::{InspectReader, InspectWriter};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::seats::{Seat, Seats};
use super::socket::AdminSocket;
use super::talk::{listen, talk};
use crate::backoff::Backoff;
use crate::control::Control;
use crate::spares::{Loan, Spares};

/// Operators at once, but those who only listen; one more takes the seat of the quietest.
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
    spares: Spares,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let Some(listener) = socket.listener.take() else {
        return Ok(());
    };
    let listener = UnixListener::from_std(listener)?;
    let tasks = TaskTracker::new();
    stop.run_until_cancelled(accept(&listener, &control, &spares, &tasks, &stop))
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
    spares: &Spares,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let seats = Seats::new(CONNECTIONS);
    let mut backoff = Backoff::new("admin_socket");
    let mut loan = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                let (seat, made_place) = seats.take();
                let refused = u64::from(made_place);
                control.tally().admin_refused.fetch_add(refused, Relaxed);
                let seat = (seat, loan.take());
                tasks.spawn(serve(stream, control.clone(), stop.clone(), seat));
            }
            // A door that has borrowed and still fails (others were faster) waits as any other,
            // and borrows anew.
            Err(error) => match loan.is_none().then(|| spares.lend_for(&error)).flatten() {
                Some(borrowed) => loan = Some(borrowed),
                None => {
                    control.tally().accept_failed.fetch_add(1, Relaxed);
                    drop(loan.take());
                    backoff.pause(&error).await;
                }
            },
        }
    }
}

async fn serve(
    stream: UnixStream,
    control: Control,
    stop: CancellationToken,
    (seat, loan): (Seat, Option<Loan>),
) {
    let Ok(peer) = stream.peer_cred() else { return };
    let caller = Caller::of_peer(peer, &control);
    let _present = control.tally().enter();
    let (from, to) = stream.into_split();
    let from = InspectReader::new(from, |_| seat.stir());
    let to = InspectWriter::new(to, |_| seat.stir());
    let (mut from, mut to) = (BufReader::new(from), to);
    let stream = tokio::select! {
        () = stop.cancelled() => None,
        () = seat.lost() => {
            tracing::info!(event = "admin.closed", by = %caller, "another operator needed the seat");
            None
        }
        result = talk(&mut from, &mut to, &control, &caller) => result.unwrap_or_else(|error| {
            tracing::debug!(event = "admin.closed", by = %caller, %error, "an operator's connection broke");
            None
        }),
    };
    // Who said more than that they want to listen has ended it already.
    let Some(stream) = stream.filter(|_| from.buffer().is_empty()) else {
        return;
    };
    let mut from = BufReader::new(from.into_inner().into_inner());
    let mut to = to.into_inner();
    // Listeners are counted apart, and keep nobody from a seat.
    drop((seat, loan));
    let listening = listen(&mut from, &mut to, stream);
    if let Some(Err(error)) = stop.run_until_cancelled(listening).await {
        tracing::debug!(event = "admin.closed", by = %caller, %error, "a listener's connection broke");
    }
}
