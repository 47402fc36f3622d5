//! Pages of a room's past.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::control::{Control, Refused, rfc3339};
use crate::event::{Epoch, Message, SEQ_MAX, Seq, Topic};
use crate::hub::Past;
use crate::log::{Page, Reach};
use crate::wire::{PageStart, escaped_len};

/// Messages of a page when nobody says how many.
const PAGE: u64 = 100;
/// Messages of a page at most.
const MOST: u64 = 1000;
/// Bytes of the lines of a page at most, about: it has to fit an answer.
const BYTES: usize = 512 * 1024;
/// What a message's line has beside its name and text, in bytes.
const ROW: usize = 160;

/// Which page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastQuery {
    /// Of which room.
    pub room: String,
    /// Messages below this number.
    pub before: Option<Seq>,
    /// Messages above this number.
    pub after: Option<Seq>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// Some messages of a room, in order and without holes.
#[derive(Clone, Debug, Serialize)]
pub struct PastPage {
    /// The room, as its maker wrote it.
    pub room: String,
    /// The life of its numbering.
    pub epoch: String,
    /// The oldest number that can be read.
    pub first: Seq,
    /// The last number.
    pub head: Seq,
    /// What the room is about.
    pub topic: Option<TopicRow>,
    /// The messages.
    pub messages: Vec<PastRow>,
    /// Whether there are more: above, but below where no `after` was asked for.
    pub more: bool,
}

/// What a room is about.
#[derive(Clone, Debug, Serialize)]
pub struct TopicRow {
    /// The topic.
    pub topic: String,
    /// Who set it.
    pub username: String,
    /// When.
    pub time: String,
}

/// A message as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct PastRow {
    /// Its number.
    pub seq: Seq,
    /// When it was numbered.
    pub time: String,
    /// Who said it.
    pub username: String,
    /// What.
    pub message: String,
    /// The author's own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
}

impl PastRow {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            seq: message.seq,
            time: rfc3339(message.time_ms),
            username: message.nick.to_string(),
            message: message.text.to_string(),
            cid: message.cid.as_deref().map(str::to_owned),
        }
    }
}

impl Control {
    /// A page of a room's past: from the store, or from memory where nothing is stored.
    ///
    /// # Errors
    /// There is no such room, the numbers make no sense, or the store cannot be read.
    pub async fn past(&self, query: &PastQuery) -> Result<PastPage, Refused> {
        let start = start(query)?;
        let limit = query.limit.unwrap_or(PAGE).clamp(1, MOST);
        let rises = matches!(start, PageStart::After(_));
        match self.past_of(&query.room)? {
            Past::Memory(room) => {
                let reach = room.reach();
                let page = Page::of(reach, start, limit);
                let messages = room.read(page.first, page.last);
                let topic = room.topic();
                let (name, epoch) = (room.name.to_string(), &room.epoch);
                Ok(fill(
                    name,
                    epoch,
                    reach,
                    topic.as_deref(),
                    page.more,
                    messages,
                    rises,
                ))
            }
            Past::Stored(row) => {
                let keep = self.kept()?;
                self.on_disk(move || {
                    let (first, head) = (row.first, row.head);
                    let reach = Reach {
                        first,
                        head,
                        end: 0,
                    };
                    let page = Page::of(reach, start, limit);
                    let messages = keep
                        .store
                        .reader()?
                        .range(row.key, page.first..=page.last)?;
                    let (name, epoch) = (row.name.to_string(), row.wire_epoch());
                    let topic = row.topic.as_ref();
                    Ok(fill(name, &epoch, reach, topic, page.more, messages, rises))
                })
                .await
            }
        }
    }
}

fn start(query: &PastQuery) -> Result<PageStart, Refused> {
    match (query.before, query.after) {
        (Some(_), Some(_)) => Err(Refused::Invalid(
            "`before` and `after` exclude each other".to_owned(),
        )),
        (Some(seq), None) | (None, Some(seq)) if seq > SEQ_MAX => {
            Err(Refused::Invalid("numbers are below 2^53".to_owned()))
        }
        (Some(before), None) => Ok(PageStart::Before(before)),
        (None, Some(after)) => Ok(PageStart::After(after)),
        (None, None) => Ok(PageStart::Latest),
    }
}

fn fill(
    room: String,
    epoch: &Epoch,
    reach: Reach,
    topic: Option<&Topic>,
    more: bool,
    mut messages: Vec<Arc<Message>>,
    rises: bool,
) -> PastPage {
    let asked = messages.len();
    fit(&mut messages, rises);
    PastPage {
        room,
        epoch: epoch.to_string(),
        first: reach.first,
        head: reach.head,
        topic: topic.map(|topic| TopicRow {
            topic: topic.text.to_string(),
            username: topic.nick.to_string(),
            time: rfc3339(topic.time_ms),
        }),
        more: more || messages.len() < asked,
        messages: messages
            .iter()
            .map(|message| PastRow::of(message))
            .collect(),
    }
}

/// Leaves what fits an answer, of the end from which the next page goes on.
fn fit(messages: &mut Vec<Arc<Message>>, rises: bool) {
    let mut bytes = 0;
    let mut fits = |message: &Arc<Message>| {
        let cid = message.cid.as_deref().map_or(0, escaped_len);
        bytes += escaped_len(&message.text) + message.nick.as_str().len() + cid + ROW;
        bytes <= BYTES
    };
    if rises {
        let count = messages.iter().take_while(|message| fits(message)).count();
        messages.truncate(count);
    } else {
        let count = messages
            .iter()
            .rev()
            .take_while(|message| fits(message))
            .count();
        messages.drain(..messages.len() - count);
    }
}
