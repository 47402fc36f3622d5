//! The door that is a loopback port: the token first, then as on the socket.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::lines::{Line, next_line};
use super::request::{Failure, Request, answer};
use super::talk::{listen, send, talk};
use super::token::Token;
use super::unix::FAREWELL;
use crate::backoff::Backoff;
use crate::control::{Access, Control, RequestResult};
use crate::rpc::Code;
use crate::spares::{Loan, Spares};

/// Connections at once; one more is closed unheard.
const CONNECTIONS: usize = 8;
/// From accept to the end of the first line.
const AUTH_DEADLINE: Duration = Duration::from_secs(2);
/// Longest first line, in bytes.
const LONGEST_AUTH: usize = 1024;
/// Tries of the token in a second, all connections together.
const TRIES_PER_SECOND: f64 = 5.0;

/// Answers on the port until `stop`. Errors of `accept` never end it.
pub async fn serve_tcp(
    listener: TcpListener,
    token: Token,
    control: Control,
    spares: Spares,
    stop: CancellationToken,
) {
    let door = Arc::new(Door::new(token, control));
    let tasks = TaskTracker::new();
    stop.run_until_cancelled(accept(&listener, &door, &spares, &tasks, &stop))
        .await;
    drop(listener);
    tasks.close();
    let _ = timeout(FAREWELL, tasks.wait()).await;
}

/// What everybody meets who comes to the port.
pub(crate) struct Door {
    token: Token,
    control: Control,
    tries: Tries,
}

async fn accept(
    listener: &TcpListener,
    door: &Arc<Door>,
    spares: &Spares,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut backoff = Backoff::new("admin");
    let mut loan = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                backoff.reset();
                match seats.clone().try_acquire_owned() {
                    Ok(seat) => {
                        let seat = (seat, loan.take());
                        tasks.spawn(serve(stream, peer, door.clone(), stop.clone(), seat));
                    }
                    Err(_) => drop(door.control.tally().admin_refused.fetch_add(1, Relaxed)),
                }
            }
            // A door that has borrowed and still fails (others were faster) waits as any other,
            // and borrows anew.
            Err(error) => match loan.is_none().then(|| spares.lend_for(&error)).flatten() {
                Some(borrowed) => loan = Some(borrowed),
                None => {
                    door.control.tally().accept_failed.fetch_add(1, Relaxed);
                    drop(loan.take());
                    backoff.pause(&error).await;
                }
            },
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    door: Arc<Door>,
    stop: CancellationToken,
    _seat: (OwnedSemaphorePermit, Option<Loan>),
) {
    let _present = door.control.tally().enter();
    let (from, to) = stream.split();
    let conversation = door.converse(BufReader::new(from), to, peer);
    if let Some(Err(why)) = stop.run_until_cancelled(conversation).await {
        door.control
            .tally()
            .count(Access::Read, RequestResult::Denied);
        tracing::warn!(target: "audit", event = "admin.denied", %peer, why, "somebody was not let in");
    }
}

/// The first line, if it can be one: whoever begins with anything but `{` (a browser, a mail
/// server) speaks another protocol, and nothing of it is interpreted.
async fn first_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let first = from.fill_buf().await.ok()?.first().copied();
    if first != Some(b'{') {
        return None;
    }
    let mut line = Vec::new();
    let read = next_line(from, &mut line, LONGEST_AUTH).await.ok()?;
    (read == Line::Whole).then_some(line)
}

#[derive(Deserialize)]
struct Auth {
    token: String,
}

impl Door {
    /// A door that opens to this token.
    pub(crate) fn new(token: Token, control: Control) -> Self {
        Self {
            token,
            control,
            tries: Tries::new(),
        }
    }

    /// Asks for the token, and then answers requests. Says why somebody was not let in; how it ends
    /// for those who were is the operator's business.
    pub(crate) async fn converse(
        &self,
        mut from: impl AsyncBufRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        peer: SocketAddr,
    ) -> Result<(), &'static str> {
        let first = timeout(AUTH_DEADLINE, first_line(&mut from)).await;
        let Ok(Some(line)) = first else {
            return Err("no request came in time");
        };
        let (reply, admitted) = self.admit(&line);
        if send(&mut to, &reply).await.is_err() || !admitted {
            return Err("the token was not accepted");
        }
        let caller = Caller::of_token(peer);
        // Few may come in here: who listens keeps their seat.
        if let Ok(Some(stream)) = talk(&mut from, &mut to, &self.control, &caller).await {
            let _ = listen(&mut from, &mut to, stream).await;
        }
        Ok(())
    }

    /// The answer to the first line, and whether the caller may go on.
    fn admit(&self, line: &[u8]) -> (Vec<u8>, bool) {
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err(failure) => return (answer(None, Err(failure)), false),
        };
        let id = request.id.as_ref();
        let refuse =
            |sentence: &str| (answer(id, Err(Failure::new(Code::Denied, sentence))), false);
        if request.method != "auth" {
            return refuse("the first request here is `auth` with the token");
        }
        if !self.tries.take() {
            return refuse("too many tries of the token; wait a second");
        }
        let auth = request
            .params
            .and_then(|params| serde_json::from_value::<Auth>(params).ok());
        if auth.is_some_and(|auth| self.token.is(&auth.token)) {
            let access = serde_json::json!({"access": Access::Write.as_str()});
            return (answer(id, Ok(access)), true);
        }
        refuse("this is not the token")
    }
}

/// Five tries a second, all callers together: a guesser needs more than the age of the world.
struct Tries(Mutex<(f64, Instant)>);

impl Tries {
    fn new() -> Self {
        Self(Mutex::new((TRIES_PER_SECOND, Instant::now())))
    }

    fn take(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = &mut *state;
        let now = Instant::now();
        let earned = now.duration_since(*since).as_secs_f64() * TRIES_PER_SECOND;
        *left = (*left + earned).min(TRIES_PER_SECOND);
        *since = now;
        let may = *left >= 1.0;
        if may {
            *left -= 1.0;
        }
        may
    }
}
