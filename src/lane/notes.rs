//! What others have to say to the sessions of this lane.

use super::Lane;
use crate::event::SessionId;
use crate::fault::ErrorCode;
use crate::mail::{Note, Outcome, Private};
use crate::name::RoomName;
use crate::wire::{Reply, Voice, encode_reply};

impl Lane {
    /// Reads the mailbox.
    pub(super) fn read_notes(&mut self) {
        let mut notes = Vec::new();
        self.mailbox.take(&mut notes);
        for note in notes {
            match note {
                Note::Outcome {
                    session,
                    ticket,
                    outcome,
                } => {
                    self.resolve(session, ticket, outcome);
                }
                Note::Private(private) => self.take_private(*private),
                Note::Page { room, chunk, page } => self.take_page(room, chunk, page),
                Note::Past { session, page } => self.take_past(session, page),
                Note::LogsAreFinal => self.wake_all(),
                Note::Stand(reply) => {
                    // Who asked may have lost patience.
                    let _ = reply.send(self.all_stand());
                }
                Note::Close {
                    session,
                    ending,
                    text,
                } => {
                    if let Some(&at) = self.by_id.get(&session) {
                        self.begin_close(at, ending, text);
                        self.seats[at].wake();
                    }
                }
                Note::Trace { session, trace } => self.look_on(session, trace),
                Note::Notice { text, room } => self.notice(&text, room.as_ref()),
            }
        }
    }

    fn resolve(&mut self, session: SessionId, ticket: u64, outcome: Outcome) {
        self.count_commit(&outcome);
        let Some(&at) = self.by_id.get(&session) else {
            return;
        };
        self.seats[at].unanswered.resolve(ticket, outcome);
        self.seats[at].wake();
    }

    /// A message of one of this lane's sessions has its number.
    pub(super) fn count_commit(&self, outcome: &Outcome) {
        if matches!(
            outcome,
            Outcome::Committed {
                duplicate: false,
                ..
            }
        ) {
            self.meter.committed.add(1);
        }
    }

    /// Puts a private message into its recipient's outbox, or says why not.
    fn take_private(&mut self, private: Private) {
        let outcome = self.deliver_private(&private);
        private.reply.resolve(outcome);
    }

    fn deliver_private(&mut self, private: &Private) -> Outcome {
        let refused = |code, text| Outcome::Refused { code, text };
        let gone = refused(ErrorCode::NoSuchNick, "nobody has this name");
        let Some(&at) = self.by_id.get(&private.to) else {
            return gone;
        };
        let limit = self.limits.outbox;
        let seat = &mut self.seats[at];
        if seat.closing.is_some() || seat.failed.is_some() {
            return gone;
        }
        if !matches!(seat.voice, Voice::Full | Voice::Text) {
            return refused(
                ErrorCode::CannotReceive,
                "they cannot receive private messages",
            );
        }
        let before = seat.output.outbox.len();
        encode_reply(
            seat.voice,
            &Reply::Private(private),
            None,
            &mut seat.output.outbox,
        );
        if seat.output.waiting() > limit {
            seat.output.outbox.truncate(before);
            return refused(
                ErrorCode::RecipientBusy,
                "they do not read fast enough; try again",
            );
        }
        seat.card.out_msgs.add(1);
        seat.wake();
        Outcome::Delivered {
            time_ms: private.time_ms,
            duplicate: false,
        }
    }

    /// An operator speaks. Who has no room for it in the outbox does not hear it.
    fn notice(&mut self, text: &str, room: Option<&RoomName>) {
        let limit = self.limits.outbox;
        for (_, seat) in self.seats.iter_mut() {
            if seat.closing.is_some() || seat.output.waiting() + text.len() > limit {
                continue;
            }
            let is_there = |room: &RoomName| {
                seat.memberships
                    .iter()
                    .any(|member| member.room.name == *room)
            };
            if !room.is_none_or(is_there) {
                continue;
            }
            let notice = Reply::Notice { text, room };
            encode_reply(seat.voice(), &notice, None, &mut seat.output.outbox);
            seat.wake();
        }
    }
}
