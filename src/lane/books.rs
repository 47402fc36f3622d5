//! What a lane's sessions are owed and have not been given: the open side of [`crate::books`].
//!
//! What is written is counted where it is written. Here is what is rare: a gap, the end of a
//! replay, the end of a stay, and the question how all of them stand.

use super::Lane;
use super::seat::Membership;
use crate::books::Standing;
use crate::event::Seq;

impl Lane {
    /// A gap over the numbers after `cursor` up to `to` may name some that were asked for.
    pub(super) fn note_gap(&mut self, at: usize, room: u64, cursor: Seq, to: Seq) {
        let Some(membership) = self.seats[at].membership_mut(room) else {
            return;
        };
        let joined_at = membership.joined_at;
        let Some(replay) = &mut membership.replay else {
            return;
        };
        let asked = to.min(joined_at) - cursor.min(joined_at);
        replay.gapped += asked;
        self.meter.replays_gapped.add(asked);
    }

    /// What a session asked for with `since` is closed where it stands.
    pub(super) fn settle_replay(&mut self, at: usize, room: u64) {
        let Some(membership) = self.seats[at].membership(room) else {
            return;
        };
        let standing = self.stand(at, membership);
        self.meter.replays_written.add(standing.replays_written);
        self.meter.replays_gone.add(standing.replays_pending);
        if let Some(membership) = self.seats[at].membership_mut(room) {
            membership.replay = None;
        }
    }

    /// A stay ends: what was not written to the session never will be as its due.
    pub(super) fn close_account(&mut self, at: usize, index: usize) {
        let membership = &self.seats[at].memberships[index];
        let room = membership.room.clone();
        let heard = self.heard(at, room.id).max(membership.joined_at);
        self.settle_replay(at, room.id);
        let head = room.end_stay();
        self.meter.gone.add(head.saturating_sub(heard));
    }

    /// How far all of them have come.
    pub(super) fn all_stand(&self) -> Standing {
        let mut all = Standing::default();
        for (at, seat) in self.seats.iter() {
            for membership in &seat.memberships {
                all += self.stand(at, membership);
            }
        }
        all
    }

    fn stand(&self, at: usize, membership: &Membership) -> Standing {
        let joined_at = membership.joined_at;
        let heard = self.heard(at, membership.room.id);
        let pending = membership.room.head().saturating_sub(heard.max(joined_at));
        let Some(replay) = &membership.replay else {
            return Standing {
                pending,
                ..Standing::default()
            };
        };
        let replayed = heard.min(joined_at);
        Standing {
            pending,
            replays_pending: joined_at - replayed,
            replays_written: (replayed - replay.from) - replay.gapped,
        }
    }
}
