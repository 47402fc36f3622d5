//! What members are owed, and what became of it.
//!
//! When a message is numbered, each member of its room is owed it. Some time later it was written
//! to the member, or it is the member's own and is not repeated, or a gap names it, or the member
//! left; until then it is pending. What somebody asks for with `since` was owed to nobody when it
//! was numbered: it stands in an account of its own.
//!
//! The committer counts what is owed, and the lanes count what sockets took: neither knows of the
//! other, so that a message that is lost on the way, or written twice, shows as a difference.

/// Both accounts, in messages since the start of the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Members at the time of numbering × messages, summed.
    pub owed: u64,
    /// Of these: written to their sessions.
    pub written: u64,
    /// Of these: a session's own words in a dialect that does not repeat them.
    pub own: u64,
    /// Of these: named in gaps.
    pub gapped: u64,
    /// Of these: not written when their session left the room or ended.
    pub gone: u64,
    /// Of these: still to be written.
    pub pending: u64,
    /// What was asked for with `since`, and what became of it.
    pub replays: Replays,
}

/// The account of what was asked for with `since`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// Messages after `since` up to the head at the time of joining.
    pub asked: u64,
    /// Of these: written.
    pub written: u64,
    /// Of these: named in gaps.
    pub gapped: u64,
    /// Of these: not written when the session left the room or ended.
    pub gone: u64,
    /// Of these: still to be written.
    pub pending: u64,
}

/// What only a lane knows: how far its sessions have come with what is not settled yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Owed and not settled.
    pub pending: u64,
    /// Asked for with `since` and not settled.
    pub replays_pending: u64,
    /// Written of what is being replayed, by sessions that have not caught up.
    pub replays_written: u64,
}

impl Books {
    /// What is owed and stands nowhere; below 0 what was written and owed to nobody. 0 when the
    /// books balance.
    pub fn difference(&self) -> i64 {
        let settled = self.written + self.own + self.gapped + self.gone + self.pending;
        self.owed.wrapping_sub(settled) as i64
    }
}

impl Replays {
    /// As [`Books::difference`].
    pub fn difference(&self) -> i64 {
        let settled = self.written + self.gapped + self.gone + self.pending;
        self.asked.wrapping_sub(settled) as i64
    }
}

impl std::ops::AddAssign for Standing {
    fn add_assign(&mut self, other: Self) {
        self.pending += other.pending;
        self.replays_pending += other.replays_pending;
        self.replays_written += other.replays_written;
    }
}
