//! Connections that the daemon makes to itself, to see whether it still works.
//!
//! They come through the same door as everybody's and are told apart by where they come from: the
//! address is noted before the connection is made, and nobody else can come from there meanwhile.
//! Such a connection is handed to the lane that it is meant for, and needs no place.
//!
//! A daemon that may not have sockets of the internet (the sealed unit) cannot reach its own door.
//! There, one end of a pair of sockets is put into the hands of the accepting thread.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The probes that are under way.
#[derive(Debug, Default)]
pub struct Probes {
    expected: Mutex<Vec<(SocketAddr, usize)>>,
    /// How many are expected: where there are none, the door does not look.
    count: AtomicUsize,
    handed: Mutex<VecDeque<(TcpStream, usize)>>,
    arrived: Notify,
}

/// A probe is expected as long as this lives.
#[derive(Debug)]
pub struct Expected<'a> {
    probes: &'a Probes,
    from: SocketAddr,
}

impl Probes {
    /// A connection from this address, which is ours, is for this lane.
    pub fn expect(&self, from: SocketAddr, lane: usize) -> Expected<'_> {
        lock(&self.expected).push((from, lane));
        self.count.fetch_add(1, Ordering::Release);
        Expected { probes: self, from }
    }

    /// Puts a connection into the hands of the accepting thread.
    pub fn hand(&self, stream: UnixStream, lane: usize) {
        // A stream is a stream: a lane asks nothing of it that only one of the two can do.
        let stream = TcpStream::from(OwnedFd::from(stream));
        lock(&self.handed).push_back((stream, lane));
        self.arrived.notify_one();
    }

    /// The lane that a connection from there is meant for, if it is a probe.
    pub(super) fn lane(&self, from: SocketAddr) -> Option<usize> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let expected = lock(&self.expected);
        let found = expected.iter().find(|(address, _)| *address == from);
        found.map(|(_, lane)| *lane)
    }

    /// The next connection that was handed over. Nothing is lost when this is dropped.
    pub(super) async fn next(&self) -> (TcpStream, usize) {
        loop {
            let arrived = self.arrived.notified();
            if let Some(next) = lock(&self.handed).pop_front() {
                return next;
            }
            arrived.await;
        }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.probes.count.fetch_sub(1, Ordering::Release);
        lock(&self.probes.expected).retain(|(address, _)| *address != self.from);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_expected_is_a_probe() {
        let probes = Probes::default();
        let (ours, other) = (
            SocketAddr::from(([127, 0, 0, 1], 40_000)),
            SocketAddr::from(([127, 0, 0, 1], 40_001)),
        );
        let expected = probes.expect(ours, 3);
        assert_eq!((probes.lane(ours), probes.lane(other)), (Some(3), None));
        drop(expected);
        assert_eq!(probes.lane(ours), None);
    }

    #[tokio::test]
    async fn what_is_handed_over_arrives_once() {
        let probes = Probes::default();
        let (one, _other) = UnixStream::pair().unwrap();
        probes.hand(one, 1);
        assert_eq!(probes.next().await.1, 1);
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), probes.next());
        assert!(again.await.is_err());
    }
}
