//! The live path: batches in, one write per member out.
//!
//! A turn takes everything that is ready, puts what belongs to one room into one stretch of bytes
//! per profile, and writes that to each live member once: work is O(messages + members). Members
//! are served in slices with a yield between, so that a huge room cannot keep others waiting.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::stretch::Stretch;
use super::write::Written;
use super::{Lane, SharedLane};
use crate::event::Seq;
use crate::log::{Batch, Handout, Room};

/// Batches of one turn.
const BATCHES: usize = 256;
/// Bytes of text after which a turn ends, so that others of this thread are not kept waiting.
const TEXT: usize = 64 * 1024;
/// Members that are written to before others get their turn.
const SLICE: usize = 256;
/// Messages that a lagging lane reads from a log at once.
const CATCH_UP: u64 = 64;

/// Takes the first batch and all that are ready, and hands them out.
pub(super) async fn hand_out(lane: &SharedLane, first: Handout, receiver: &mut Receiver<Handout>) {
    let waiting = std::mem::take(&mut lane.borrow_mut().with_turn);
    let mut text = first.1.text_len();
    let mut handouts = vec![first];
    let mut lagged = false;
    while handouts.len() < BATCHES && text < TEXT {
        match receiver.try_recv() {
            Ok(handout) => {
                text += handout.1.text_len();
                handouts.push(handout);
            }
            Err(TryRecvError::Lagged(_)) => lagged = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    for (room, batches) in by_room(handouts) {
        spread_batches(lane, &room, batches).await;
    }
    if lagged {
        lag(lane).await;
    }
    lane.borrow_mut().end_turn(waiting);
}

/// The lane itself fell behind in the channel: each of its rooms is read up to its head.
pub(super) async fn lag(lane: &SharedLane) {
    let rooms: Vec<(Arc<Room>, Seq)> = {
        let mut lane = lane.borrow_mut();
        lane.meter.lane_lags.add(1);
        // Presence may have been among what was lost.
        let mut wake = Vec::new();
        for entry in lane.rooms.values_mut() {
            for member in &mut entry.members {
                if member.profile.hears_unnumbered() {
                    member.missed_presence = true;
                    wake.push(member.seat);
                }
            }
        }
        for at in wake {
            lane.seats[at].fall_behind();
        }
        lane.rooms
            .values()
            .map(|entry| (entry.room.clone(), entry.room.head()))
            .collect()
    };
    for (room, head) in rooms {
        spread_log(lane, &room, head).await;
    }
}

fn by_room(handouts: Vec<Handout>) -> Vec<(Arc<Room>, Vec<Arc<Batch>>)> {
    let mut order: Vec<(Arc<Room>, Vec<Arc<Batch>>)> = Vec::new();
    let mut index: FxHashMap<u64, usize> = FxHashMap::default();
    for (room, batch) in handouts {
        let at = *index.entry(room.id).or_insert_with(|| {
            order.push((room, Vec::new()));
            order.len() - 1
        });
        order[at].1.push(batch);
    }
    order
}

/// Hands out batches of one room. What is at or below `pos` is dropped; where one begins above
/// `pos`, the lane lags in this room and reads what lies between from the log.
async fn spread_batches(lane: &SharedLane, room: &Arc<Room>, batches: Vec<Arc<Batch>>) {
    let mut run: Vec<Arc<Batch>> = Vec::new();
    let Some(mut pos) = lane.borrow().pos(room) else {
        return;
    };
    for batch in batches {
        if batch.before < pos {
            continue;
        }
        if batch.before > pos {
            spread(lane, Stretch::of_batches(room, std::mem::take(&mut run))).await;
            spread_log(lane, room, batch.before).await;
        }
        pos = batch.head;
        run.push(batch);
    }
    spread(lane, Stretch::of_batches(room, run)).await;
}

/// Hands out `pos`+1..=`to` from the log, as the same shared bytes that batches would have been.
async fn spread_log(lane: &SharedLane, room: &Arc<Room>, to: Seq) {
    loop {
        let Some(pos) = lane.borrow().pos(room) else {
            return;
        };
        if pos >= to {
            return;
        }
        let messages = room.read(pos + 1, to.min(pos + CATCH_UP));
        let first = messages.first().map_or(to + 1, |message| message.seq);
        if first > pos + 1 {
            // No longer kept: each member finds its own gap.
            lane.borrow_mut().skip(room, first - 1);
            continue;
        }
        spread(lane, Stretch::of_messages(room, pos, messages)).await;
        // A long way to go is gone in steps.
        tokio::task::yield_now().await;
    }
}

async fn spread(lane: &SharedLane, stretch: Option<Stretch>) {
    let Some(mut stretch) = stretch else { return };
    let Some(mut left) = lane.borrow_mut().begin(&stretch) else {
        return;
    };
    let mut next = 0;
    while left > 0 {
        if next > 0 {
            tokio::task::yield_now().await;
        }
        left = lane.borrow_mut().spread_slice(&mut stretch, &mut next);
    }
    // What nobody holds any more does not count.
    drop(stretch);
    lane.borrow_mut().keep_budget();
}

impl Lane {
    fn pos(&self, room: &Room) -> Option<Seq> {
        self.rooms.get(&room.id).map(|entry| entry.pos)
    }

    /// Moves on over numbers that nobody can read any more. Whoever was live is behind now.
    fn skip(&mut self, room: &Room, to: Seq) {
        let Some(entry) = self.rooms.get_mut(&room.id) else {
            return;
        };
        entry.pos = to;
        for member in &entry.members {
            self.seats[member.seat].fall_behind();
        }
    }

    /// Raises `pos`. From here on whoever has not heard the stretch is behind, until it is served.
    /// Gives the number of members to serve.
    fn begin(&mut self, stretch: &Stretch) -> Option<usize> {
        self.turn += 1;
        for author in &stretch.authors {
            if let Some(&at) = self.by_id.get(author) {
                self.seats[at].spoke = self.turn;
            }
        }
        let entry = self.rooms.get_mut(&stretch.room.id)?;
        entry.pos = entry.pos.max(stretch.last);
        Some(entry.members.len())
    }

    /// Serves some members from `next` on. Gives how many are left.
    fn spread_slice(&mut self, stretch: &mut Stretch, next: &mut usize) -> usize {
        let room = stretch.room.id;
        // The room is taken out while its members are served, so that seats can be reached.
        let Some(mut members) = self
            .rooms
            .get_mut(&room)
            .map(|r| std::mem::take(&mut r.members))
        else {
            return 0;
        };
        // Presence is not in the log: nobody may come to read past it between two slices. Rooms that
        // announce are small (`limits.presence_members`).
        let slice = if stretch.has_presence {
            members.len()
        } else {
            SLICE
        };
        let end = members.len().min(*next + slice);
        let mut sums = Written::default();
        let mut served = 0;
        for member in &mut members[(*next).min(end)..end] {
            served += u64::from(self.serve(stretch, member, &mut sums));
        }
        Self::count_all(&self.meter, &sums, stretch.replayed);
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.members = members;
        }
        *next = end;
        if let Some(born) = stretch.born.filter(|_| served > 0) {
            let took = born.elapsed();
            self.meter.delivery_latency.observe_time(took, served);
        }
        self.rooms
            .get(&room)
            .map_or(0, |entry| entry.members.len().saturating_sub(end))
    }

    /// Answers that waited for this turn and were not written in it go out by themselves.
    fn end_turn(&mut self, waiting: Vec<usize>) {
        for at in waiting {
            if self.seats.contains(at) && self.seats[at].output.goes_with_turn {
                let seat = &mut self.seats[at];
                seat.output.goes_with_turn = false;
                seat.wake();
            }
        }
    }

    /// Whether what a session is answered waits for the lane's next turn: it has said something that
    /// it hears itself, and one write is enough for both.
    pub(super) fn goes_with_turn(&mut self, at: usize) -> bool {
        let seat = &mut self.seats[at];
        let output = &mut seat.output;
        let is_coming = std::mem::take(&mut output.hears_itself);
        // Who is behind somewhere has reading on to do, which does not wait.
        let is_live = output.slice.is_none() && !output.is_behind;
        let is_first = is_live && output.sent == 0 && !output.goes_with_turn;
        let is_first = is_first && seat.trace.is_none();
        if !is_coming || !is_first || output.outbox.is_empty() || seat.failed.is_some() {
            return false;
        }
        output.goes_with_turn = true;
        self.with_turn.push(at);
        true
    }
}
