//! What the daemon says to one session alone.

use std::time::Duration;

use tokio::time::Instant;

use super::Lane;
use super::refused::Refusal;
use crate::close::Detail;
use crate::fault::{ErrorCode, Rejection};
use crate::log::{RETRY_AFTER, Room};
use crate::mail::Outcome;
use crate::name::Nick;
use crate::wire::{Flaw, Reply, Voice, encode_reply, escaped_len};

/// A basic session is told of at most one error in this time.
const BASIC_ERRORS: Duration = Duration::from_secs(1);

/// Bytes that most answers fit into.
const ANSWER: usize = 256;

/// What an error is about, beside its code and sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) cid: Option<&'a str>,
    pub(super) room: Option<&'a str>,
    pub(super) retry_after: Option<Duration>,
    pub(super) limit: Option<usize>,
    /// How to say it, where the session itself has not shown how it speaks.
    pub(super) voice: Option<Voice>,
}

impl Lane {
    /// Says something without a label.
    pub(super) fn reply(&mut self, at: usize, reply: &Reply<'_>) {
        self.reply_to(at, reply, None);
    }

    /// Answers a request.
    pub(super) fn reply_to(&mut self, at: usize, reply: &Reply<'_>, label: Option<&str>) {
        let seat = &mut self.seats[at];
        let voice = seat.voice();
        let outbox = &mut seat.output.outbox;
        if outbox.is_empty() {
            outbox.reserve(ANSWER);
        }
        encode_reply(voice, reply, label, outbox);
    }

    /// Refuses what a session asked for.
    pub(super) fn refuse(
        &mut self,
        at: usize,
        rejection: impl Into<Rejection>,
        text: &str,
        about: About<'_>,
    ) {
        let rejection = rejection.into();
        self.reject(at, rejection);
        let seat = &mut self.seats[at];
        if seat.voice == Voice::Basic {
            let now = Instant::now();
            let last = seat.input.last_error.replace(now);
            if last.is_some_and(|last| now.duration_since(last) < BASIC_ERRORS) {
                seat.input.last_error = last;
                return;
            }
        }
        let retry_after_ms = about
            .retry_after
            .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
        let error = Reply::Error {
            code: rejection.code(),
            text,
            cid: about.cid,
            room: about.room,
            retry_after_ms,
            limit: about.limit,
        };
        let voice = about.voice.unwrap_or(self.seats[at].voice());
        encode_reply(
            voice,
            &error,
            about.label,
            &mut self.seats[at].output.outbox,
        );
    }

    /// Counts a line that is refused.
    pub(super) fn reject(&mut self, at: usize, rejection: Rejection) {
        self.refusal = Some(Refusal::of(rejection));
        self.meter.rejected.count(rejection.index());
        let [reason, detail] = rejection.words();
        let detail = some(detail);
        let client = self.seats[at].card.id;
        tracing::debug!(event = "line.rejected", %client, reason, detail);
    }

    /// Refuses a request that has a flaw.
    pub(super) fn refuse_flaw(&mut self, at: usize, flaw: &Flaw, about: About<'_>) {
        self.refuse(at, flaw.rejection, &flaw.text, about);
        if let Some(refusal) = &mut self.refusal {
            refusal.offset = flaw.offset;
        }
    }

    /// A line was no line of this protocol. Too many in a row end the session.
    pub(super) fn fault(&mut self, at: usize, flaw: &Flaw, about: About<'_>) {
        self.refuse_flaw(at, flaw, about);
        self.count_fault(at);
    }

    /// One more faulty line in a row.
    pub(super) fn count_fault(&mut self, at: usize) {
        self.seats[at].input.bad += 1;
        if self.seats[at].input.bad >= self.limits.bad_lines {
            self.begin_close(
                at,
                Detail::BadLines,
                Some("too many faulty lines in a row".into()),
            );
        }
    }

    /// Gives out the answers to messages that are known, in the order of sending.
    pub(super) fn answer(&mut self, at: usize) {
        while let Some(pending) = self.seats[at].unanswered.pop_answered() {
            let (label, cid) = (pending.label.as_deref(), pending.cid.as_deref());
            match (pending.outcome, &pending.room, &pending.to) {
                (Some(Outcome::Committed { stamp, duplicate }), Some(room), _) => {
                    self.count_ack(duplicate);
                    let ack = Reply::Ack {
                        room: &room.name,
                        stamp: &stamp,
                        durability: self.hub.log.durability(),
                        duplicate,
                        cid,
                    };
                    self.reply_to(at, &ack, label);
                }
                (Some(Outcome::Delivered { time_ms, duplicate }), _, Some(to)) => {
                    self.count_ack(duplicate);
                    self.reply_to(
                        at,
                        &Reply::PrivateAck {
                            to,
                            time_ms,
                            duplicate,
                            cid,
                        },
                        label,
                    );
                }
                (Some(Outcome::Topic(topic)), Some(room), _) => {
                    let topic = Reply::Topic {
                        room: &room.name,
                        topic: Some(&topic),
                    };
                    self.reply_to(at, &topic, label);
                }
                (Some(Outcome::Refused { code, text }), room, _) => {
                    let room = room.as_ref().map(|room| room.name.as_str());
                    let retry_after = (code == ErrorCode::StoreUnavailable).then_some(RETRY_AFTER);
                    let about = About {
                        label,
                        cid,
                        room,
                        retry_after,
                        ..About::default()
                    };
                    self.refuse(at, code, text, about);
                    self.note_refusal(at, &[]);
                }
                // A room's outcome has a room and a person's a person: there is nothing else.
                _ => {}
            }
        }
        let seat = &mut self.seats[at];
        if seat.unanswered.is_empty() {
            seat.input.barrier = false;
        }
    }

    fn count_ack(&self, duplicate: bool) {
        self.meter.acks.add(1);
        self.meter.duplicates.add(u64::from(duplicate));
    }

    /// The roster of a room, as far as it fits on a line with the topic.
    pub(super) fn roster_that_fits(&self, room: &Room) -> Option<Vec<Nick>> {
        (room.members() <= self.limits.presence_members).then(|| {
            let topic = room.topic().map_or(0, |topic| escaped_len(&topic.text));
            let most = self.limits.presence_members;
            self.names_that_fit(room, None, most, topic).0
        })
    }

    /// At most `limit` names of a room after one, as far as they fit on a line that has so many bytes
    /// more; and whether there are more names.
    pub(super) fn names_that_fit(
        &self,
        room: &Room,
        after: Option<&str>,
        limit: usize,
        beside: usize,
    ) -> (Vec<Nick>, bool) {
        let (mut names, mut more) = room.names(after, limit);
        let mut left = self.limits.line.saturating_sub(ENVELOPE + beside);
        let fits = names
            .iter()
            .take_while(|nick| {
                let cost = nick.as_str().len() + "\"\",".len();
                let fits = cost <= left;
                left = left.saturating_sub(cost);
                fits
            })
            .count();
        more |= fits < names.len();
        names.truncate(fits);
        (names, more)
    }
}

/// What the rest of an answer may take of its line, in bytes: twice a room name, an epoch, a label.
pub(super) const ENVELOPE: usize = 512;

/// A log line has no field for what there is not.
pub(super) fn some(detail: &'static str) -> Option<&'static str> {
    (!detail.is_empty()).then_some(detail)
}
