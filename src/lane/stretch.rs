//! What one turn hands out in one room, as bytes that all who hear it share.

use std::sync::Arc;

use tokio::time::Instant;

use crate::event::{Event, Message, Seq, SessionId};
use crate::log::{Batch, Encoded, Room};
use crate::wire::Profile;

/// What one turn hands out in one room.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) room: Arc<Room>,
    pub(super) before: Seq,
    pub(super) last: Seq,
    batches: Vec<Arc<Batch>>,
    encoded: [Option<Arc<Encoded>>; Profile::ALL.len()],
    pub(super) authors: Vec<SessionId>,
    pub(super) born: Option<Instant>,
    pub(super) replayed: bool,
    pub(super) has_presence: bool,
}

impl Stretch {
    pub(super) fn of_batches(room: &Arc<Room>, batches: Vec<Arc<Batch>>) -> Option<Self> {
        let (first, last) = (batches.first()?, batches.last()?);
        let authors = batches
            .iter()
            .flat_map(|batch| &batch.events)
            .map(Event::author);
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

    pub(super) fn of_messages(
        room: &Arc<Room>,
        before: Seq,
        messages: Vec<Arc<Message>>,
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
    pub(super) fn encoded(&mut self, profile: Profile) -> &Arc<Encoded> {
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
                #[cfg(feature = "test-faults")]
                let several = &super::sabotaged::order(several);
                for batch in several {
                    whole.extend(batch.encoded(room, profile));
                }
                Arc::new(whole)
            }
        })
    }
}
