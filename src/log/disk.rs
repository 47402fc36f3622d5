//! The committer's hands on the store: writing turns, noticing trouble, getting out of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keep::Keep;
use super::pruner::Pruner;
use super::room::Pending;
use super::turn::Turn;
use crate::store::{Failed, NewMessage, StoreError, Writer};

/// How long a store in trouble is left alone before it is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The first try after a turn in doubt: its authors wait.
const RETRY_SOON: Duration = Duration::from_millis(50);

/// What a turn takes in the write-ahead log besides its messages: whole pages, few of them full.
const PAGES_OF_TURN: u64 = 12 * 1024;

#[derive(Debug)]
pub(super) struct Disk {
    keep: Arc<Keep>,
    /// None while the store is in trouble.
    writer: Option<Writer>,
    /// Turns committed when there was a writer last.
    turns: u64,
    again: Instant,
    pruner: Pruner,
}

/// Whether a turn is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
    /// The store alone knows, and cannot be asked now.
    Unknown,
}

impl Disk {
    pub(super) fn new(keep: Arc<Keep>, writer: Writer) -> Self {
        Self {
            turns: writer.turn(),
            keep,
            writer: Some(writer),
            again: Instant::now(),
            pruner: Pruner::new(),
        }
    }

    /// How long to wait for events before the store wants to be looked after.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.writer {
            Some(_) => Some(self.pruner.patience()),
            None => Some(self.again.saturating_duration_since(Instant::now())),
        }
    }

    /// Writes and commits the messages of a turn.
    pub(super) fn keep(&mut self, turn: &mut Turn, time_ms: i64) -> Kept {
        let Some(writer) = &mut self.writer else {
            self.keep.meter.refused.add(turn.messages as u64);
            return Kept::No;
        };
        let began = Instant::now();
        let result = {
            let _alone = self.keep.gate.enter();
            write(&self.keep, writer, turn, time_ms)
        };
        let meter = &self.keep.meter;
        match result {
            Ok(bytes) => {
                self.turns = writer.turn();
                meter.commit_seconds.observe_time(began.elapsed(), 1);
                meter.turn_messages.observe(turn.messages as u64, 1);
                self.keep.appended(PAGES_OF_TURN + 2 * bytes);
                Kept::Yes
            }
            Err(failed) => {
                self.fail(failed.error);
                if failed.is_doubtful {
                    self.again = Instant::now() + RETRY_SOON;
                    return Kept::Unknown;
                }
                self.keep.meter.refused.add(turn.messages as u64);
                Kept::No
            }
        }
    }

    /// Everybody may know now what the store has.
    pub(super) fn shelve(&self, turn: &mut Turn) {
        for group in &mut turn.groups {
            let room = &group.room;
            if let Some(key) = group.made {
                room.set_shelf(self.keep.shelves.add(key, &room.name, 1));
            }
            if let Some(shelf) = room.shelf() {
                shelf.grow(room.head() + group.messages() as u64, group.bytes);
            }
        }
    }

    /// Tries to get out of trouble when it is time. Says what became of a turn in doubt, as soon as
    /// that is sure.
    pub(super) fn look_after(&mut self, doubtful: Option<&mut Turn>, now_ms: i64) -> Option<Kept> {
        if let Some(writer) = &mut self.writer {
            if let Err(error) = self.pruner.step(&self.keep, writer, now_ms) {
                self.fail(error);
            }
            return None;
        }
        if Instant::now() < self.again {
            return None;
        }
        match self.mend(doubtful.as_deref()) {
            Ok(kept) => {
                self.keep.mended();
                kept
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// A new writer, proven by a turn of its own. Only that makes sure that what the old one left
    /// half done cannot come back: it is written over.
    fn mend(&mut self, doubtful: Option<&Turn>) -> Result<Option<Kept>, StoreError> {
        let _alone = self.keep.gate.enter();
        let mut writer = self.keep.store.writer_again(self.turns)?;
        let kept = doubtful.map(|turn| is_kept(&writer, turn)).transpose()?;
        writer.prove()?;
        self.turns = writer.turn();
        self.writer = Some(writer);
        Ok(kept)
    }

    fn fail(&mut self, error: StoreError) {
        self.writer = None;
        self.again = Instant::now() + RETRY;
        self.keep.fail(error);
    }

    /// Notes that this life of the daemon ended as it should.
    pub(super) fn close(self) {
        self.keep.stop();
        let Some(writer) = self.writer else {
            tracing::error!(
                event = "history.not_closed",
                "the history is in trouble and was left as it is"
            );
            return;
        };
        if let Err(error) = writer.close() {
            tracing::error!(event = "history.not_closed", %error, "the next start will take this for an end without warning");
        }
    }
}

/// Gives the bytes that were written.
fn write(keep: &Keep, writer: &mut Writer, turn: &mut Turn, time_ms: i64) -> Result<u64, Failed> {
    let sure = |error| Failed {
        error,
        is_doubtful: false,
    };
    let mut work = writer.begin().map_err(sure)?;
    let gone = keep.forgotten();
    for key in &gone {
        work.forget_room(*key, keep.store.seed()).map_err(sure)?;
    }
    let mut all = 0;
    for group in &mut turn.groups {
        let room = &group.room;
        let mut key = room.key();
        let (mut seq, mut bytes) = (room.head(), 0);
        if key.is_none() && group.is_to_be_kept() {
            let made = work.make_room(&room.name, room.id).map_err(sure)?;
            group.made = Some(made);
            key = Some(made);
        }
        let Some(key) = key else { continue };
        for event in &group.events {
            let Pending::Message(draft) = event else {
                continue;
            };
            seq += 1;
            let message = NewMessage {
                session: draft.author,
                nick: &draft.nick,
                text: &draft.text,
                cid: draft.cid.as_deref(),
                identity: draft.identity.as_deref().copied(),
            };
            work.append(key, seq, time_ms, &message).map_err(sure)?;
            bytes += message.cost();
        }
        if let Some(topic) = group.last_topic() {
            let topic = Some(topic).filter(|topic| !topic.is_none());
            work.set_topic(key, topic).map_err(sure)?;
        }
        if bytes > 0 {
            work.settle(key, seq, bytes).map_err(sure)?;
        }
        group.bytes = bytes;
        all += bytes;
    }
    work.commit()?;
    if !gone.is_empty() {
        keep.have_gone(&gone);
    }
    Ok(all)
}

/// Whether the store has the messages of a turn: all of them or none.
fn is_kept(writer: &Writer, turn: &Turn) -> Result<Kept, StoreError> {
    for group in &turn.groups {
        let is_message = |event: &&Pending| matches!(event, Pending::Message(_));
        let messages = group.events.iter().filter(is_message).count() as u64;
        if messages == 0 {
            continue;
        }
        let Some(key) = group.made.or(group.room.key()) else {
            return Ok(Kept::No);
        };
        let head = writer.head(key)?.unwrap_or(0);
        return Ok(if head == group.room.head() + messages {
            Kept::Yes
        } else {
            Kept::No
        });
    }
    Ok(Kept::No)
}
