//! Who is connected: filtered, sorted and cut into pages here, so that nobody has to fetch all.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Control, Refused, rfc3339, seconds};
use crate::cidr::Cidr;
use crate::escape::visible;
use crate::event::{GapReason, SessionId};
use crate::hub::{Card, Hub};
use crate::name::RoomName;

/// Rows in a page when nobody says how many.
const PAGE: usize = 500;
/// Bytes of a page, roughly: an answer has to fit on one line of the admin protocol.
const PAGE_BYTES: usize = 512 * 1024;
/// Longest shown name of a client's program, in characters.
const CLIENT_CHARS: usize = 64;

/// Which clients. Nothing said is everyone; what is said all has to fit.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// This one.
    pub id: Option<u64>,
    /// Who holds this name; several where basic sessions share it.
    pub username: Option<String>,
    /// Who comes from this range.
    pub addr: Option<Cidr>,
    /// Who is in this room.
    pub room: Option<String>,
    /// Who speaks this dialect (`none basic text full`).
    pub dialect: Option<String>,
    /// Who is in this state (`new live behind closing`).
    pub state: Option<String>,
    /// Who has said nothing for longer than this.
    pub idle_over_seconds: Option<f64>,
}

impl Filter {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What to list, in which order, and how much of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientQuery {
    /// Which clients.
    pub filter: Filter,
    /// By what; `id` if nothing is said.
    pub sort: SortKey,
    /// Largest first.
    pub descending: bool,
    /// Rows at most.
    pub limit: Option<usize>,
    /// Not the first so many of those behind the cursor.
    pub skip: usize,
    /// Where the page before ended: its `next`.
    pub cursor: Option<Cursor>,
}

/// What a list can be sorted by: the numbers and the names of its rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub enum SortKey {
    #[default]
    Id,
    Username,
    Addr,
    AgeSeconds,
    IdleSeconds,
    InMsgs,
    OutMsgs,
    InBytes,
    OutBytes,
    LagMsgs,
    LagSeconds,
}

/// A place in a sorted list: after the row with this value and this id.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cursor(Value, u64);

/// What a row is sorted by.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

/// Some clients, and where the next ones are.
#[derive(Clone, Debug, Serialize)]
pub struct ClientPage {
    /// The rows, in order.
    pub clients: Vec<ClientRow>,
    /// How many fit the filter, on all pages.
    pub total: usize,
    /// What to ask with for the next page; none after the last one.
    pub next: Option<Cursor>,
}

/// A client as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ClientRow {
    /// Its id.
    pub id: u64,
    /// What it is called; none before it has claimed a name.
    pub username: Option<String>,
    /// Where it comes from.
    pub addr: String,
    /// How it speaks.
    pub dialect: &'static str,
    /// The rooms that it is in.
    pub rooms: Vec<String>,
    /// When it was accepted.
    pub connected_at: String,
    /// How long ago that was.
    pub age_seconds: f64,
    /// How long ago it last sent a whole line; its age if it never did.
    pub idle_seconds: f64,
    /// Messages that it sent.
    pub in_msgs: u64,
    /// Messages written to it.
    pub out_msgs: u64,
    /// Bytes read from it.
    pub in_bytes: u64,
    /// Bytes written to it.
    pub out_bytes: u64,
    /// Numbered messages that it has not been given yet.
    pub lag_msgs: u64,
    /// For how long it has been behind.
    pub lag_seconds: f64,
    /// How it fares.
    pub state: &'static str,
    /// What it says it is, made safe to show; empty if it says nothing.
    pub client: String,
    /// Messages that it was told it will not hear.
    pub gap_msgs: u64,
    /// Why numbers were missing last; empty if they never were.
    pub gap_reason: &'static str,
    /// Times that it was not read for a while because it was over `limits.message_rate`.
    pub paced: u64,
}

impl Control {
    /// A page of the clients that fit.
    pub fn clients(&self, query: &ClientQuery) -> ClientPage {
        let mut found = self.matching(&query.filter);
        let total = found.len();
        let mut keyed: Vec<_> = found
            .drain(..)
            .map(|card| (Cursor(value(&card, query.sort), card.id.0), card))
            .collect();
        keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if query.descending {
            keyed.reverse();
        }
        let passed = query.cursor.as_ref().map_or(0, |cursor| {
            keyed.partition_point(|(place, _)| {
                if query.descending {
                    place >= cursor
                } else {
                    place <= cursor
                }
            })
        });
        let mut page = ClientPage {
            clients: Vec::new(),
            total,
            next: None,
        };
        let mut bytes = 0;
        let passed = passed.saturating_add(query.skip).min(keyed.len());
        for (place, card) in keyed.drain(passed..) {
            if page.clients.len() >= query.limit.unwrap_or(PAGE).max(1) || bytes > PAGE_BYTES {
                return page;
            }
            let row = ClientRow::of(&card);
            bytes += row.cost();
            page.clients.push(row);
            page.next = Some(place);
        }
        page.next = None;
        page
    }

    /// One client.
    ///
    /// # Errors
    /// There is none with this id.
    pub fn client(&self, id: u64) -> Result<ClientRow, Refused> {
        let card = self.hub().card(SessionId(id));
        card.map(|card| ClientRow::of(&card))
            .ok_or_else(|| Refused::NoMatch(format!("there is no client with the id {id}")))
    }

    /// The cards of the clients that fit, in no order.
    pub(super) fn matching(&self, filter: &Filter) -> Vec<Arc<Card>> {
        let hub = self.hub();
        let Some(matcher) = Matcher::new(hub, filter) else {
            return Vec::new();
        };
        let mut cards = match (filter.id, &filter.username) {
            (Some(id), _) => hub.card(SessionId(id)).into_iter().collect(),
            (None, Some(nick)) => hub.by_nick(nick),
            (None, None) => hub.cards(),
        };
        cards.retain(|card| matcher.fits(card));
        cards
    }
}

/// A filter with its names looked up once.
struct Matcher<'a> {
    filter: &'a Filter,
    holders: Option<HashSet<SessionId>>,
    room: Option<RoomName>,
    idle_over: Option<Duration>,
}

impl<'a> Matcher<'a> {
    /// None if nobody can fit.
    fn new(hub: &Hub, filter: &'a Filter) -> Option<Self> {
        let room = match &filter.room {
            Some(name) => Some(hub.find_room(name)?.name.clone()),
            None => None,
        };
        let holders = filter.username.as_ref();
        let holders = holders.map(|nick| hub.by_nick(nick).iter().map(|card| card.id).collect());
        let idle_over = filter.idle_over_seconds;
        let idle_over = idle_over.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(Self {
            filter,
            holders,
            room,
            idle_over,
        })
    }

    fn fits(&self, card: &Card) -> bool {
        let filter = self.filter;
        filter.id.is_none_or(|id| card.id.0 == id)
            && self
                .holders
                .as_ref()
                .is_none_or(|holders| holders.contains(&card.id))
            && filter
                .addr
                .is_none_or(|range| range.contains(card.addr.ip()))
            && filter
                .dialect
                .as_ref()
                .is_none_or(|word| card.dialect().as_str() == word)
            && filter
                .state
                .as_ref()
                .is_none_or(|word| card.state().as_str() == word)
            && self.idle_over.is_none_or(|longest| idle(card) > longest)
            && self
                .room
                .as_ref()
                .is_none_or(|room| card.text().rooms.contains(room))
    }
}

impl ClientRow {
    pub(super) fn of(card: &Card) -> Self {
        let text = card.text();
        let client = text.client.unwrap_or_default();
        let short: String = client.chars().take(CLIENT_CHARS).collect();
        Self {
            id: card.id.0,
            username: text.nick.map(|nick| nick.to_string()),
            addr: card.addr.to_string(),
            dialect: card.dialect().as_str(),
            rooms: text.rooms.iter().map(ToString::to_string).collect(),
            connected_at: rfc3339(card.connected_ms),
            age_seconds: seconds(card.connected.elapsed()),
            idle_seconds: seconds(idle(card)),
            in_msgs: card.in_msgs.get(),
            out_msgs: card.out_msgs.get(),
            in_bytes: card.in_bytes.get(),
            out_bytes: card.out_bytes.get(),
            lag_msgs: card.lag_msgs.load(Relaxed),
            lag_seconds: seconds(lag(card)),
            state: card.state().as_str(),
            client: visible(&short).into_owned(),
            gap_msgs: card.gap_msgs.get(),
            gap_reason: card.last_gap().map_or("", GapReason::as_str),
            paced: card.paced(),
        }
    }

    /// About how many bytes it takes as JSON.
    fn cost(&self) -> usize {
        let rooms: usize = self.rooms.iter().map(|room| room.len() + 3).sum();
        400 + rooms + self.client.len()
    }
}

fn idle(card: &Card) -> Duration {
    let spoke = Duration::from_millis(card.last_line_ms.load(Relaxed));
    card.connected.elapsed().saturating_sub(spoke)
}

fn lag(card: &Card) -> Duration {
    Duration::from_millis(card.lag_ms.load(Relaxed))
}

fn value(card: &Card, key: SortKey) -> Value {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Value::Number(match key {
        SortKey::Id => card.id.0,
        SortKey::AgeSeconds => millis(card.connected.elapsed()),
        SortKey::IdleSeconds => millis(idle(card)),
        SortKey::InMsgs => card.in_msgs.get(),
        SortKey::OutMsgs => card.out_msgs.get(),
        SortKey::InBytes => card.in_bytes.get(),
        SortKey::OutBytes => card.out_bytes.get(),
        SortKey::LagMsgs => card.lag_msgs.load(Relaxed),
        SortKey::LagSeconds => card.lag_ms.load(Relaxed),
        SortKey::Addr => return Value::Text(card.addr.to_string()),
        SortKey::Username => {
            let nick = card.text().nick;
            return Value::Text(nick.map_or_else(String::new, |nick| nick.as_str().to_lowercase()));
        }
    })
}
