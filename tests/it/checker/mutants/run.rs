//! Spoiling the run as a whole.

use super::super::log::Record;
use super::super::rules::tally;
use super::super::sent::Sent;
use crate::dice::Dice;

pub(super) fn too_few(record: &mut Record, _: &mut Dice) -> bool {
    let acks = tally(record).acks as u64;
    let Some(counters) = &mut record.counters else {
        return false;
    };
    counters.committed = acks.saturating_sub(1);
    acks > 0
}

pub(super) fn too_many(record: &mut Record, _: &mut Dice) -> bool {
    let attempts = Sent::of(record).attempts() as u64;
    let Some(counters) = &mut record.counters else {
        return false;
    };
    counters.committed = attempts + 1;
    true
}

pub(super) fn too_few_gapped(record: &mut Record, _: &mut Dice) -> bool {
    let Some(counters) = record.counters.as_mut().filter(|it| it.gapped > 0) else {
        return false;
    };
    counters.gapped -= 1;
    true
}

pub(super) fn too_many_gapped(record: &mut Record, _: &mut Dice) -> bool {
    let Some(counters) = &mut record.counters else {
        return false;
    };
    counters.gapped += 1;
    true
}

pub(super) fn abort(record: &mut Record, _: &mut Dice) -> bool {
    let Some(life) = record.lives.last_mut() else {
        return false;
    };
    life.ended = "signal: 6 (SIGABRT)".to_owned();
    true
}

pub(super) fn panic(record: &mut Record, dice: &mut Dice) -> bool {
    let at = dice.below(record.lives.len());
    record.lives[at].stderr += "thread 'lane' panicked at src/lane/mod.rs:1:1\n";
    true
}

pub(super) fn no_fault(record: &mut Record, _: &mut Dice) -> bool {
    record.least.faults = tally(record).faults + 1;
    true
}

pub(super) fn few_acks(record: &mut Record, _: &mut Dice) -> bool {
    record.least.acks = tally(record).acks + 1;
    true
}

pub(super) fn few_pages(record: &mut Record, _: &mut Dice) -> bool {
    record.least.paged = tally(record).paged + 1;
    true
}
