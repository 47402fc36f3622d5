//! Keeps the store within `history.max_*`, between turns and a few messages at a time.
//!
//! What can be read is lowered first and deleted second: nobody looks for what is just going. A clock
//! that jumps is no reason to throw history away: it is said, and age is not judged for a while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keep::{Keep, PruneReason};
use super::shelf::Shelf;
use crate::event::Seq;
use crate::retention::{Bounds, Retention};
use crate::store::{StoreError, Writer};

/// Messages that one step takes away: about a millisecond.
const STEP: u64 = 256;
/// How often it is looked what there is to do.
const ROUND: Duration = Duration::from_secs(1);
/// How far the clock on the wall may run away from the one that never jumps, in one round.
const JUMP: Duration = Duration::from_secs(60);
/// For how long age is not judged after a jump: an operator has time to set the clock right.
const REST: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Pruner {
    due: VecDeque<Due>,
    /// Both clocks at the last round.
    last: Option<(Instant, i64)>,
    next: Instant,
    age_rests_until: Option<Instant>,
    /// `history.max_bytes` is exceeded: the room whose oldest message is the oldest gives.
    is_too_large: bool,
}

/// Messages that are to go.
#[derive(Debug)]
struct Due {
    shelf: Arc<Shelf>,
    to: Seq,
    reason: PruneReason,
}

impl Pruner {
    pub(super) fn new() -> Self {
        Self {
            due: VecDeque::new(),
            last: None,
            next: Instant::now(),
            age_rests_until: None,
            is_too_large: false,
        }
    }

    /// How long the committer may sleep.
    pub(super) fn patience(&self) -> Duration {
        if self.due.is_empty() && !self.is_too_large {
            self.next.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        }
    }

    /// One step. Takes about a millisecond at most.
    pub(super) fn step(
        &mut self,
        keep: &Keep,
        writer: &mut Writer,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if self.due.is_empty() && Instant::now() >= self.next {
            self.round(keep, writer, now_ms)?;
        }
        if let Some(due) = self.due.front() {
            let to = due.to.min(due.shelf.first() + STEP - 1);
            prune(keep, writer, &due.shelf, to, due.reason)?;
            if due.shelf.first() > due.to {
                self.due.pop_front();
            }
        } else if self.is_too_large {
            self.shrink(keep, writer)?;
        }
        Ok(())
    }

    /// Looks at every room.
    fn round(&mut self, keep: &Keep, writer: &Writer, now_ms: i64) -> Result<(), StoreError> {
        let retention = keep.retention();
        self.next = Instant::now() + ROUND;
        let judges_age = self.judges_age(now_ms);
        for shelf in keep.shelves.all() {
            if shelf.messages() == 0 {
                continue;
            }
            let bounds = retention.of_room(shelf.name.as_str());
            if let Some((to, reason)) = excess(&shelf, &bounds) {
                self.due.push_back(Due { shelf, to, reason });
                continue;
            }
            let Some(age) = bounds.age.filter(|_| judges_age) else {
                continue;
            };
            let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let before = now_ms.saturating_sub(age_ms);
            let first = shelf.first();
            if oldest_ms(writer, &shelf)?.is_none_or(|time| time >= before) {
                continue;
            }
            let reach = shelf.head().min(first + STEP - 1);
            if let Some(to) = writer.last_before(shelf.key, first, reach, before)? {
                let reason = PruneReason::Age;
                self.due.push_back(Due { shelf, to, reason });
                // There may be more: it is looked again at once.
                self.next = Instant::now();
            }
        }
        let used = writer.used_bytes()?;
        keep.meter.used_bytes(used);
        self.is_too_large = too_large(&retention, used);
        Ok(())
    }

    /// Whether the clock on the wall can be trusted to say what is old.
    fn judges_age(&mut self, now_ms: i64) -> bool {
        let now = Instant::now();
        if let Some((then, then_ms)) = self.last.replace((now, now_ms)) {
            let passed = i64::try_from((now - then).as_millis()).unwrap_or(i64::MAX);
            let apart = (now_ms - then_ms - passed).unsigned_abs();
            if u128::from(apart) > JUMP.as_millis() {
                self.age_rests_until = Some(now + REST);
                tracing::warn!(
                    event = "history.clock_jumped",
                    seconds = apart / 1000,
                    rests_seconds = REST.as_secs(),
                    "nothing is pruned for its age for a while; set the clock right"
                );
            }
        }
        self.age_rests_until.is_none_or(|until| now >= until)
    }

    fn shrink(&mut self, keep: &Keep, writer: &mut Writer) -> Result<(), StoreError> {
        let mut oldest: Option<(i64, Arc<Shelf>)> = None;
        for shelf in keep.shelves.all() {
            // The last message of a room is never the reason why a disk is full.
            if shelf.messages() < 2 {
                continue;
            }
            let time = oldest_ms(writer, &shelf)?.unwrap_or(i64::MIN);
            if oldest.as_ref().is_none_or(|(old, _)| time < *old) {
                oldest = Some((time, shelf));
            }
        }
        let Some((_, shelf)) = oldest else {
            self.is_too_large = false;
            return Ok(());
        };
        let to = (shelf.first() + STEP - 1).min(shelf.head() - 1);
        prune(keep, writer, &shelf, to, PruneReason::Bytes)?;
        let used = writer.used_bytes()?;
        keep.meter.used_bytes(used);
        self.is_too_large = too_large(&keep.retention(), used);
        Ok(())
    }
}

/// When a room's oldest message was numbered.
fn oldest_ms(writer: &Writer, shelf: &Shelf) -> Result<Option<i64>, StoreError> {
    if let Some(known) = shelf.oldest_ms() {
        return Ok(Some(known));
    }
    let first = shelf.first();
    let found = writer.time_of(shelf.key, first)?;
    if let Some(ms) = found {
        shelf.note_time(first, ms);
    }
    Ok(found)
}

/// What a room has more than it may, but for age.
fn excess(shelf: &Shelf, bounds: &Bounds) -> Option<(Seq, PruneReason)> {
    let (first, messages) = (shelf.first(), shelf.messages());
    if let Some(most) = bounds.messages
        && messages > most as u64
    {
        return Some((first + messages - most as u64 - 1, PruneReason::Messages));
    }
    let over = shelf.bytes().saturating_sub(bounds.bytes? as u64);
    if over == 0 || messages < 2 {
        return None;
    }
    // By the mean: the next round knows better.
    let mean = (shelf.bytes() / messages).max(1);
    let count = over.div_ceil(mean).min(messages - 1);
    Some((first + count - 1, PruneReason::Bytes))
}

fn too_large(retention: &Retention, used: u64) -> bool {
    retention.bytes.is_some_and(|most| used > most as u64)
}

fn prune(
    keep: &Keep,
    writer: &mut Writer,
    shelf: &Shelf,
    to: Seq,
    reason: PruneReason,
) -> Result<(), StoreError> {
    let first = shelf.first();
    if to < first {
        return Ok(());
    }
    shelf.begin_at(to + 1);
    let _alone = keep.gate.enter();
    let pruned = match writer.prune(shelf.key, first, to) {
        Ok(pruned) => pruned,
        Err(error) => {
            return Err(error.while_doing(format!("pruning room {}", shelf.name)));
        }
    };
    shelf.shrink(pruned.bytes);
    keep.meter.pruned[reason as usize].add(pruned.messages);
    tracing::debug!(
        event = "history.pruned",
        room = %shelf.name,
        messages = pruned.messages,
        first = to + 1,
        reason = reason.as_str()
    );
    Ok(())
}
