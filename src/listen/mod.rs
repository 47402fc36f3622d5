//! The chat port: accept, count, hand to a lane. Nothing slow happens here.
//!
//! An error of `accept` never ends the daemon: where resources are short it backs off from 10 ms to
//! 1 s, for ever; a peer that was gone before it was accepted costs no pause.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::hub::Hub;
use crate::lane::{Arrival, Peer};
use crate::meter::{AcceptError, Meter};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Silence after which the kernel asks whether a peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Listens at an address. An IPv6 address takes IPv6 only.
///
/// # Errors
/// Those of the system: in use, not ours, not allowed.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart need not wait for the connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Hands connections to lanes, in turn, until it is dropped.
#[derive(Debug)]
pub struct Acceptor {
    /// Who is here, and who is let in.
    pub hub: Arc<Hub>,
    /// The lanes.
    pub lanes: Vec<mpsc::Sender<Arrival>>,
    /// Counts failures.
    pub meter: Arc<Meter>,
}

impl Acceptor {
    /// Accepts until dropped.
    ///
    /// # Errors
    /// The listener cannot be given to this thread's runtime. Errors of `accept` never end it.
    pub async fn run(self, listener: TcpListener, first: usize) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut backoff = Backoff::default();
        let mut next = first;
        loop {
            match listener.accept().await {
                Ok((stream, addr)) => {
                    backoff.reset();
                    next = next.wrapping_add(1);
                    if self.hand_on(stream, addr, next).await.is_err() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    let cause = cause(&error);
                    self.meter.accept_errors.count(cause as usize);
                    if cause != AcceptError::Aborted {
                        backoff.pause("chat", &error).await;
                    }
                }
            }
        }
    }

    /// Waits while the lane has its hands full: the kernel's queue is the next one.
    async fn hand_on(
        &self,
        stream: tokio::net::TcpStream,
        addr: SocketAddr,
        turn: usize,
    ) -> Result<(), ()> {
        // It leaves this thread's runtime for that of its lane.
        let stream = match stream.into_std().and_then(|s| self.prepare(&s).map(|()| s)) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(event = "connection.lost", %error, "the peer was gone at once");
                return Ok(());
            }
        };
        let place = self.hub.admit(addr.ip());
        let lane = &self.lanes[turn % self.lanes.len()];
        lane.send(Arrival {
            peer: Peer::Tcp(stream),
            addr,
            place,
        })
        .await
        .map_err(drop)
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        let limits = self.hub.limits();
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_send_buffer_size(limits.socket_buffer)?;
        socket.set_recv_buffer_size(limits.socket_buffer)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        // Keepalive does not end a peer that vanished with bytes under way; this does. It comes
        // after our own patience, which knows the better reason.
        socket.set_tcp_user_timeout(Some(limits.write_stall * 2))
    }
}

fn cause(error: &io::Error) -> AcceptError {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOMEM: i32 = 12;
    const ENOBUFS: i32 = 105;
    match error.raw_os_error() {
        Some(EMFILE | ENFILE) => AcceptError::FdLimit,
        Some(ENOMEM | ENOBUFS) => AcceptError::Memory,
        _ if error.kind() == io::ErrorKind::ConnectionAborted => AcceptError::Aborted,
        _ => AcceptError::Other,
    }
}
