//! Who waits in front of a door: connections that the kernel has taken in and nobody has accepted.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SocketFlags;
use socket2::{SockRef, TcpKeepalive};

use crate::limits::Limits;

/// Silence after which the kernel asks whether a peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How often it asks again: whoever is silent and gone is noticed soon after `TCP_USER_TIMEOUT`.
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(15);

/// The queue of one listener.
///
/// What is set on a listener holds for whoever the kernel takes in from then on (tcp(7), socket(7)),
/// and costs nothing for each. Who was in the queue before is given it when accepted, until the queue
/// has been empty once: a listener is open before it is served, and an inherited one for longer.
#[derive(Debug)]
pub(super) struct Queue {
    limits: Arc<Limits>,
    is_old: bool,
}

impl Queue {
    /// Prepares a listener for those who come from now on.
    ///
    /// # Errors
    /// The system refuses an option.
    pub(super) fn prepare(listener: &TcpListener, limits: Arc<Limits>) -> io::Result<Self> {
        prepare(listener, &limits)?;
        Ok(Self {
            limits,
            is_old: true,
        })
    }

    /// Takes the next connection, in one system call.
    ///
    /// # Errors
    /// Those of accept(2).
    pub(super) fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accepted = rustix::net::acceptfrom_with(listener, flags).map_err(io::Error::from);
        let (stream, addr) = accepted.inspect_err(|error| {
            self.is_old &= error.kind() != io::ErrorKind::WouldBlock;
        })?;
        // A peer without an address was gone before it was accepted.
        let addr = addr.and_then(|addr| SocketAddr::try_from(addr).ok());
        let addr = addr.ok_or(io::ErrorKind::ConnectionAborted)?;
        if self.is_old {
            // It fails where the peer is gone, which its lane finds out.
            let _ = prepare(&stream, &self.limits);
        }
        Ok((stream.into(), addr))
    }
}

fn prepare(socket: &impl AsFd, limits: &Limits) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(limits.socket_buffer)?;
    socket.set_recv_buffer_size(limits.socket_buffer)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_AGAIN);
    socket.set_tcp_keepalive(&keepalive)?;
    // Keepalive does not end a peer that vanished with bytes under way; this does. It comes
    // after our own patience, which knows the better reason.
    socket.set_tcp_user_timeout(Some(limits.write_stall * 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::bind;

    fn is_prepared(stream: &TcpStream, limits: &Limits) -> bool {
        let socket = SockRef::from(stream);
        // socket(7) doubles it.
        socket.send_buffer_size().unwrap() == limits.socket_buffer * 2
            && socket.recv_buffer_size().unwrap() == limits.socket_buffer * 2
            && socket.tcp_user_timeout().unwrap() == Some(limits.write_stall * 2)
            && socket.keepalive().unwrap()
            && socket.tcp_nodelay().unwrap()
    }

    #[test]
    fn who_came_before_a_listener_was_prepared_is_served_as_everybody() {
        let limits = Arc::new(Limits {
            socket_buffer: 8 << 10,
            ..Limits::default()
        });
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let comes = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let early = [comes(), comes()];
        let mut queue = Queue::prepare(&listener, limits.clone()).unwrap();
        let late = comes();
        for _ in [&early[0], &early[1], &late] {
            let (stream, _) = queue.accept(&listener).unwrap();
            assert!(
                is_prepared(&stream, &limits),
                "{:?}",
                SockRef::from(&stream)
            );
        }
        let empty = queue.accept(&listener).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        assert!(!queue.is_old, "from here on the listener itself is enough");
        let _later = comes();
        let (stream, _) = queue.accept(&listener).unwrap();
        assert!(is_prepared(&stream, &limits));
    }
}
