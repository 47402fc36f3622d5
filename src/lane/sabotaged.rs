//! Test builds only: what goes wrong in a lane when it is told to ([`crate::sabotage`]).

use std::sync::Arc;

use super::Lane;
use crate::close::CloseReason;
use crate::event::Seq;
use crate::log::Batch;
use crate::name::Nick;
use crate::sabotage;

/// The batches of a turn, the first two of them in the wrong order if `batch_reordered`.
pub(super) fn order(batches: &[Arc<Batch>]) -> Vec<Arc<Batch>> {
    let mut order = batches.to_vec();
    if sabotage::is_on("batch_reordered") && order.len() > 1 {
        order.swap(0, 1);
    }
    order
}

impl Lane {
    /// Whoever is called like a fault meets it with their next line if `fault_by_name`: a socket that
    /// fails in an odd way, or a mistake of ours. True if the line is to be refused as by a log
    /// that takes nothing.
    pub(super) fn meet_fault(&mut self, at: usize) -> bool {
        if !sabotage::is_on("fault_by_name") {
            return false;
        }
        let seat = &mut self.seats[at];
        let failed = match seat.nick.as_ref().map(Nick::as_str) {
            Some("reader") => CloseReason::ReadError,
            Some("writer") => CloseReason::WriteError,
            Some("stumbler") => panic!("sabotaged"),
            name => return name == Some("unstored"),
        };
        seat.failed.get_or_insert(failed.into());
        seat.wake();
        false
    }

    /// Whoever has read what it asked for reads the last of it again if `catch_up_twice`.
    pub(super) fn catch_up_twice(&mut self, at: usize, room: u64, last: Seq) {
        if !sabotage::is_on("catch_up_twice") {
            return;
        }
        let Some(membership) = self.seats[at].membership_mut(room) else {
            return;
        };
        if membership.replay.is_some() && last >= membership.joined_at {
            membership.replay = None;
            self.set_cursor(at, room, last - 1);
        }
    }
}
