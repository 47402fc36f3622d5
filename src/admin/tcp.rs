//! The door that is a loopback port: the token first, then as on the socket.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::lines::{Line, next_line};
use super::request::{Failure, Request, answer};
use super::talk::{send, talk};
use super::token::Token;
use super::unix::FAREWELL;
use crate::backoff::Backoff;
use crate::control::{Access, Control, RequestResult};
use crate::rpc::Code;

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
    stop: CancellationToken,
) {
    let door = Arc::new(Door {
        token,
        control,
        tries: Tries::new(),
    });
    let tasks = TaskTracker::new();
    stop.run_until_cancelled(accept(&listener, &door, &tasks, &stop))
        .await;
    drop(listener);
    tasks.close();
    let _ = timeout(FAREWELL, tasks.wait()).await;
}

struct Door {
    token: Token,
    control: Control,
    tries: Tries,
}

async fn accept(
    listener: &TcpListener,
    door: &Arc<Door>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut backoff = Backoff::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                backoff.reset();
                match seats.clone().try_acquire_owned() {
                    Ok(seat) => {
                        tasks.spawn(serve(stream, peer, door.clone(), stop.clone(), seat));
                    }
                    Err(_) => drop(door.control.tally().admin_refused.fetch_add(1, Relaxed)),
                }
            }
            Err(error) => backoff.pause("admin", &error).await,
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    door: Arc<Door>,
    stop: CancellationToken,
    _seat: OwnedSemaphorePermit,
) {
    let _present = door.control.tally().enter();
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    let conversation = async {
        let first = timeout(AUTH_DEADLINE, first_line(&mut from)).await;
        let Ok(Some(line)) = first else {
            return Err("no request came in time");
        };
        let (reply, admitted) = door.admit(&line);
        if send(&mut to, &reply).await.is_err() || !admitted {
            return Err("the token was not accepted");
        }
        // How it ends is the operator's business from here on.
        let _ = talk(from, to, &door.control, &Caller::of_token(peer)).await;
        Ok(())
    };
    if let Some(Err(why)) = stop.run_until_cancelled(conversation).await {
        door.control
            .tally()
            .count(Access::Read, RequestResult::Denied);
        tracing::warn!(target: "audit", event = "admin.denied", %peer, why, "somebody was not let in");
    }
}

/// The first line, if it can be one: whoever begins with anything but `{` (a browser, a mail
/// server) speaks another protocol, and nothing of it is interpreted.
async fn first_line(from: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Vec<u8>> {
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
