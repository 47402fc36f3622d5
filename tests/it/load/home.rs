//! Where the daemon of a run is: its address changes with each of its lives.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long a client waits before it tries the same life of the daemon again.
const AGAIN: Duration = Duration::from_millis(20);

/// One life of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first one is 0.
    pub(crate) life: usize,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// What a client knows of the daemon. All clients of a run share one.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    place: watch::Sender<Place>,
    acks: watch::Sender<u64>,
}

impl From<SocketAddr> for Home {
    fn from(address: SocketAddr) -> Self {
        Self {
            place: watch::Sender::new(Place { life: 0, address }),
            acks: watch::Sender::new(0),
        }
    }
}

impl Home {
    /// Where the daemon is now, or was last.
    pub(crate) fn place(&self) -> Place {
        *self.place.borrow()
    }

    /// It has begun another life.
    pub(crate) fn moves_to(&self, address: SocketAddr) {
        self.place.send_modify(|place| {
            place.life += 1;
            place.address = address;
        });
    }

    /// Waits for another life than this one, but not for long.
    pub(super) async fn leaves(&self, life: usize) {
        let mut places = self.place.subscribe();
        let moved = places.wait_for(|place| place.life != life);
        let _ = timeout(AGAIN, moved).await;
    }

    /// Somebody's message was acknowledged.
    pub(super) fn acknowledged(&self) {
        self.acks.send_modify(|acks| *acks += 1);
    }

    /// How many messages were acknowledged so far.
    pub(crate) fn acks(&self) -> u64 {
        *self.acks.borrow()
    }

    /// Waits until so many messages were acknowledged.
    pub(crate) async fn reaches(&self, acks: u64) {
        let mut now = self.acks.subscribe();
        // The sender is here as well.
        let _ = now.wait_for(|now| *now >= acks).await;
    }
}
