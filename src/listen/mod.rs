//! The chat port: accept, count, hand to a lane. Nothing slow happens here.
//!
//! An error of `accept` never ends the daemon: where resources are short it backs off from 10 ms to
//! 1 s, for ever; a peer that was gone before it was accepted costs no pause. Descriptors that are
//! put by for the operator ([`crate::spares`]) are never given to clients.

mod probes;
mod queue;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::hub::Hub;
use crate::lane::{Arrival, Peer};
use crate::meter::{AcceptError, Meter};
use crate::phase::Phase;
use crate::spares::Spares;
pub use probes::Probes;
use queue::Queue;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Listens at an address. An IPv6 address takes IPv6 only.
///
/// # Errors
/// Those of the system: in use, not ours, not allowed.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bind_as(address, false)
}

/// Listens at an address beside listeners of our own that it may overlap, as `0.0.0.0:7687` does
/// `127.0.0.1:7687`: they are closed only when this one is open.
///
/// # Errors
/// Those of [`bind`].
pub fn bind_beside(address: SocketAddr, own: &[&TcpListener]) -> io::Result<TcpListener> {
    let first = bind(address);
    let is_same_port = |listener: &&&TcpListener| {
        let local = listener.local_addr();
        address.port() != 0 && local.is_ok_and(|local| local.port() == address.port())
    };
    let beside: Vec<_> = own.iter().filter(is_same_port).collect();
    match first {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !beside.is_empty() => {}
        other => return other,
    }
    let share = |shared: bool| {
        beside
            .iter()
            .try_for_each(|listener| SockRef::from(**listener).set_reuse_port(shared))
    };
    let bound = share(true).and_then(|()| bind_as(address, true));
    // Nobody else is to come beside us.
    share(false)?;
    let listener = bound?;
    SockRef::from(&listener).set_reuse_port(false)?;
    Ok(listener)
}

fn bind_as(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
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
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A place where chat is to be served.
#[derive(Debug)]
pub struct ChatDoor {
    /// Open already.
    pub listener: TcpListener,
    /// Who has come until then is let in; then it closes.
    pub closing: CancellationToken,
    /// Descriptors that are not for clients.
    pub spares: Spares,
    /// The daemon's own connections.
    pub probes: Arc<Probes>,
    /// Whether somebody holds the listener beyond the daemon's life.
    pub outlives_us: bool,
}

/// Hands connections to lanes, in turn, until its door closes.
#[derive(Debug)]
pub struct Acceptor {
    /// Who is here, and who is let in.
    pub hub: Arc<Hub>,
    /// The lanes.
    pub lanes: Vec<mpsc::Sender<Arrival>>,
    /// Counts failures.
    pub meter: Arc<Meter>,
    /// Descriptors that are not for clients.
    pub spares: Spares,
    /// The daemon's own connections.
    pub probes: Arc<Probes>,
    /// Whether somebody holds the listener beyond the daemon's life. Then nobody is taken in and sent
    /// away while it drains: whoever comes waits for the next life.
    pub outlives_us: bool,
}

impl Acceptor {
    /// Accepts until the door closes, and then whoever waits in front of it.
    ///
    /// # Errors
    /// The listener cannot be given to this thread's runtime. Errors of `accept` never end it.
    pub async fn run(self, door: ChatDoor, first: usize) -> io::Result<()> {
        let ChatDoor {
            listener, closing, ..
        } = door;
        // Only the listener belongs to this thread's runtime: a connection goes to that of its lane.
        #[allow(
            deprecated,
            reason = "meant for types that may change their descriptor: a listener keeps its own"
        )]
        let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
        let mut changes = self.hub.limit_changes();
        let limits = changes.borrow_and_update().clone();
        let mut queue = Queue::prepare(listener.get_ref(), limits)?;
        let mut phases = self.hub.phase_changes();
        let mut backoff = Backoff::new("chat");
        let mut next = first;
        loop {
            let next_one = |listener: &TcpListener| {
                if self.spares.are_lent() {
                    // What was made free for an operator is not for clients.
                    return Err(Errno::MFILE.into());
                }
                queue.accept(listener)
            };
            // Every branch only waits: whichever loses keeps what it had. Closing is looked at first.
            let accepted = tokio::select! {
                biased;
                _ = phases.wait_for(|phase| *phase >= Phase::Draining), if self.outlives_us => {
                    return Ok(());
                }
                () = closing.cancelled() => {
                    return self.let_in_the_rest(listener.get_ref(), queue, next).await;
                }
                // At once: what is set holds for whoever the kernel takes in from then on.
                Ok(()) = changes.changed() => {
                    let limits = changes.borrow_and_update().clone();
                    queue = Queue::prepare(listener.get_ref(), limits)?;
                    continue;
                }
                (stream, lane) = self.probes.next() => {
                    self.hand_own(stream, NOWHERE, lane);
                    continue;
                }
                accepted = listener.async_io(Interest::READABLE, next_one) => accepted,
            };
            match accepted {
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
                        backoff.pause(&error).await;
                    }
                }
            }
        }
    }

    /// Whoever has connected already is let in: closing the listener would reset them.
    async fn let_in_the_rest(
        &self,
        listener: &TcpListener,
        mut queue: Queue,
        mut next: usize,
    ) -> io::Result<()> {
        while let Ok((stream, addr)) = queue.accept(listener) {
            next = next.wrapping_add(1);
            if self.hand_on(stream, addr, next).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Waits while the lane has its hands full: the kernel's queue is the next one.
    async fn hand_on(&self, stream: TcpStream, addr: SocketAddr, turn: usize) -> Result<(), ()> {
        if let Some(lane) = self.probes.lane(addr) {
            self.hand_own(stream, addr, lane);
            return Ok(());
        }
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

    /// A connection of the daemon's own goes to the lane that it is meant for. If that lane does not
    /// take it, nobody else has to wait for it.
    fn hand_own(&self, stream: TcpStream, addr: SocketAddr, lane: usize) {
        let Some(lane) = self.lanes.get(lane) else {
            return;
        };
        let arrival = Arrival {
            peer: Peer::Tcp(stream),
            addr,
            place: Ok(self.hub.admit_own()),
        };
        // A full lane is one that does not answer: that it was not asked comes to the same.
        let _ = lane.try_send(arrival);
    }
}

/// Where a connection comes from that was not made over a network.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn cause(error: &io::Error) -> AcceptError {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => AcceptError::FdLimit,
        Some(Errno::NOMEM | Errno::NOBUFS) => AcceptError::Memory,
        _ if error.kind() == io::ErrorKind::ConnectionAborted => AcceptError::Aborted,
        _ => AcceptError::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Limits;
    use crate::name::RoomName;

    #[tokio::test]
    async fn changed_limits_hold_for_the_very_next_connection() {
        let limits = Limits::default();
        let hub = Hub::new(
            "chatd",
            limits.clone(),
            RoomName::new("lobby").unwrap(),
            || 0,
        );
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let same = listener.try_clone().unwrap();
        let door = ChatDoor {
            listener,
            closing: CancellationToken::new(),
            spares: Spares::default(),
            probes: Arc::default(),
            outlives_us: false,
        };
        let acceptor = Acceptor {
            hub: hub.clone(),
            lanes: Vec::new(),
            meter: Arc::default(),
            spares: Spares::default(),
            probes: door.probes.clone(),
            outlives_us: false,
        };
        let play = async {
            let buffer = || SockRef::from(&same).recv_buffer_size().unwrap();
            let wanted = |limits: &Limits| limits.socket_buffer * 2; // socket(7) doubles it
            for socket_buffer in [limits.socket_buffer, 8 << 10, 16 << 10] {
                let changed = Limits {
                    socket_buffer,
                    ..limits.clone()
                };
                hub.set_limits(changed.clone());
                // Nobody connects.
                while buffer() != wanted(&changed) {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::select! {
            ended = acceptor.run(door, 0) => panic!("{ended:?}"),
            played = tokio::time::timeout(Duration::from_secs(10), play) => played.unwrap(),
        }
    }
}
