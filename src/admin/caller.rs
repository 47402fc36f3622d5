//! Who asks, and what they may.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::unix::UCred;

use super::users;
use crate::control::{Access, Control};
use crate::places::effective_uid;

/// The peer of one connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// What they may do at most.
    pub(super) access: Access,
    /// Which connection: what it began ends with it.
    pub(super) id: u64,
    name: String,
}

impl Caller {
    /// The process at the other end of a Unix socket, as the kernel names it.
    pub(super) fn of_peer(peer: UCred, control: &Control) -> Self {
        let uid = peer.uid();
        let writers = control.live().config.admin.write_users;
        let may_write = uid == 0
            || effective_uid() == uid
            || writers.iter().any(|name| users::uid_of(name) == Some(uid));
        let user = users::name_of(uid).unwrap_or_else(|| "?".to_owned());
        let process = peer
            .pid()
            .map(|pid| format!(" pid={pid}"))
            .unwrap_or_default();
        Self {
            access: if may_write {
                Access::Write
            } else {
                Access::Read
            },
            id: next_id(),
            name: format!("{user} uid={uid}{process}"),
        }
    }

    /// Somebody who knows the token.
    pub(super) fn of_token(peer: SocketAddr) -> Self {
        Self {
            access: Access::Write,
            id: next_id(),
            name: format!("token {peer}"),
        }
    }

    #[cfg(test)]
    pub(super) fn reader() -> Self {
        Self {
            access: Access::Read,
            id: next_id(),
            name: "somebody".to_owned(),
        }
    }

    /// Whether they may do this.
    pub(super) fn may(&self, access: Access) -> bool {
        access <= self.access
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
