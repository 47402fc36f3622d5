//! The live path: batches in, one write per member out.
//!
//! A turn takes everything that is ready, puts what belongs to one room into one stretch of bytes
//! per profile, and writes that to each live member once: work is O(messages + members). Members
//! are served in slices with a yield between, so that a huge room cannot keep others waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use tokio::time::Instant;

use super::seat::Slice;
use super::write::{Skip, write_lines};
use super::{Lane, SharedLane};
use crate::event::{Event, Seq, SessionId};
use crate::hub::SessionState;
use crate::log::{Batch, Encoded, Handout, Room};
use crate::wire::Profile;

/// Batches of one turn.
const BATCHES: usize = 256;
/// Bytes of text after which a turn ends, so that others of this thread are not kept waiting.
const TEXT: usize = 64 * 1024;
/// Members that are written to before others get their turn.
const SLICE: usize = 256;
/// Messages that a lagging lane reads from a log at once.
const CATCH_UP: u64 = 64;

/// What one turn hands out in one room.
#[derive(Debug)]
struct Stretch {
    room: Arc<Room>,
    before: Seq,
    last: Seq,
    batches: Vec<Arc<Batch>>,
    encoded: [Option<Arc<Encoded>>; Profile::ALL.len()],
    authors: Vec<SessionId>,
    born: Option<Instant>,
    replayed: bool,
    has_presence: bool,
}

/// Takes the first batch and all that are ready, and hands them out.
pub(super) async fn hand_out(lane: &SharedLane, first: Handout, receiver: &mut Receiver<Handout>) {
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
                if member.profile.keeps_roster() {
                    member.missed_presence = true;
                    wake.push(member.seat);
                }
            }
        }
        for at in wake {
            lane.seats[at].wake();
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
    let mut index: HashMap<u64, usize> = HashMap::new();
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

impl Stretch {
    fn of_batches(room: &Arc<Room>, batches: Vec<Arc<Batch>>) -> Option<Self> {
        let (first, last) = (batches.first()?, batches.last()?);
        let authors = batches
            .iter()
            .flat_map(|batch| &batch.events)
            .map(|event| match event {
                Event::Message(message) => message.author,
                Event::Presence(presence) => presence.author,
            });
        Some(Self {
            room: room.clone(),
            before: first.before,
            last: last.head,
            encoded: Default::default(),
            authors: authors.collect(),
            born: batches.iter().find_map(|batch| batch.born),
            replayed: false,
            has_presence: batches.iter().any(|batch| batch.has_presence()),
            batches,
        })
    }

    fn of_messages(
        room: &Arc<Room>,
        before: Seq,
        messages: Vec<Arc<crate::event::Message>>,
    ) -> Option<Self> {
        let last = messages.last()?.seq;
        let events = messages.into_iter().map(Event::Message).collect();
        let batch = Arc::new(Batch::new(before, last, events, None));
        Self::of_batches(room, vec![batch]).map(|stretch| Self {
            replayed: true,
            ..stretch
        })
    }

    /// Its bytes in a profile. One batch is shared with the other lanes as it is; several are put
    /// into one piece for this lane.
    fn encoded(&mut self, profile: Profile) -> &Arc<Encoded> {
        let Self {
            room,
            batches,
            encoded,
            before,
            ..
        } = self;
        encoded[profile as usize].get_or_insert_with(|| match batches.as_slice() {
            [batch] => batch.encoded(room, profile).clone(),
            several => {
                let mut whole = Encoded::new(*before, *before);
                for batch in several {
                    whole.extend(batch.encoded(room, profile));
                }
                Arc::new(whole)
            }
        })
    }
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
            self.seats[member.seat].wake();
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
        let mut served = 0;
        for member in &mut members[(*next).min(end)..end] {
            served += u64::from(self.serve(stretch, member));
        }
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.members = members;
        }
        *next = end;
        if let Some(born) = stretch.born.filter(|_| served > 0) {
            self.meter.delivery_latency.observe(born.elapsed(), served);
        }
        self.rooms
            .get(&room)
            .map_or(0, |entry| entry.members.len().saturating_sub(end))
    }

    /// Writes the stretch to one member, if it is live. True if all of it went out.
    ///
    /// Test and write happen here without an await between.
    fn serve(&mut self, stretch: &mut Stretch, member: &mut super::room::Member) -> bool {
        let seat = &mut self.seats[member.seat];
        if seat.closing.is_some() {
            return false;
        }
        let (before, last, replayed) = (stretch.before, stretch.last, stretch.replayed);
        let room = stretch.room.id;
        let encoded = stretch.encoded(member.profile);
        if member.cursor < before || seat.is_blocked() {
            member.missed_presence |= encoded.has_presence() && member.profile.keeps_roster();
            if !seat.is_blocked() {
                // Behind for another reason than its socket: its own task reads on.
                seat.wake();
            }
            return false;
        }
        let mut at = if member.cursor > before {
            encoded.after(member.cursor)
        } else {
            0
        };
        if at == encoded.bytes.len() {
            member.cursor = member.cursor.max(last);
            return false;
        }
        let silence = member.profile.silence();
        let skip = (seat.spoke == self.turn).then(|| Skip {
            author: seat.card.id,
            silence,
        });
        let waker = seat.waker.as_ref().unwrap_or(Waker::noop());
        let written = write_lines(&mut seat.conn, waker, encoded, &mut at, skip);
        member.cursor = member.cursor.max(last);
        match written {
            Ok(written) => {
                let done = written.done;
                if !done {
                    let encoded = encoded.clone();
                    encoded.charge(&self.hub.budget);
                    seat.output.slice = Some(Slice {
                        room: Some(room),
                        encoded,
                        at,
                        skip,
                        replayed,
                    });
                    seat.card.set_state(SessionState::Behind);
                    self.meter.fell_behind.add(1);
                    // Its task has to watch the socket and the clock from now on.
                    seat.wake();
                }
                Self::count(&self.meter, seat, &written, replayed);
                if self.draining || seat.input.eof {
                    // It waits for this to be the last thing that it hears.
                    seat.wake();
                }
                done
            }
            Err(error) => {
                self.fail(member.seat, &error);
                false
            }
        }
    }
}
