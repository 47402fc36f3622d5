//! What operators have asked, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::words::words;

words! {
    /// What a request may do.
    pub enum Access {
        /// Look.
        Read = "read",
        /// Change.
        Write = "write",
    }
}

words! {
    /// What became of a request.
    pub enum RequestResult {
        /// Carried out.
        Ok = "ok",
        /// Not carried out.
        Error = "error",
        /// Not allowed to this caller.
        Denied = "denied",
    }
}

/// Counts of the operators' side.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections to the admin doors now.
    pub admin_connections: AtomicU64,
    /// Connections to the admin doors that were closed because there were too many.
    pub admin_refused: AtomicU64,
    /// Failures of `accept` at the admin doors.
    pub accept_failed: AtomicU64,
    requests: [[AtomicU64; RequestResult::ALL.len()]; Access::ALL.len()],
}

/// Somebody at an admin door; counted as long as this lives.
#[derive(Debug)]
pub struct Present<'a>(&'a Tally);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.admin_connections.fetch_sub(1, Relaxed);
    }
}

impl Tally {
    /// Somebody has come to an admin door.
    pub fn enter(&self) -> Present<'_> {
        self.admin_connections.fetch_add(1, Relaxed);
        Present(self)
    }

    /// Counts a request.
    pub fn count(&self, access: Access, result: RequestResult) {
        self.requests[access as usize][result as usize].fetch_add(1, Relaxed);
    }

    /// Every kind of request with its count, in a fixed order.
    pub fn requests(&self) -> Vec<(Access, RequestResult, u64)> {
        let of = |access: Access| {
            RequestResult::ALL.map(|result| {
                (
                    access,
                    result,
                    self.requests[access as usize][result as usize].load(Relaxed),
                )
            })
        };
        Access::ALL.into_iter().flat_map(of).collect()
    }
}
