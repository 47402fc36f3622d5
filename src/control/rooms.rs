//! Which rooms there are.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{Control, Refused};
use crate::log::RoomReport;

/// Rows in a page when nobody says how many.
const PAGE: usize = 500;
/// Rows in a page at most: a row has at most some 500 bytes.
const MOST: usize = 1000;

/// Which page of the rooms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomQuery {
    /// By what: by name, rising, if nothing is said; by a number, falling.
    pub sort: RoomSort,
    /// Rows at most.
    pub limit: Option<usize>,
    /// Not the first so many of those behind the cursor.
    pub skip: usize,
    /// Where the page before ended: its `next`.
    pub cursor: Option<RoomCursor>,
}

/// What rooms can be sorted by.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub enum RoomSort {
    #[default]
    Room,
    Members,
    MsgsPerSecond,
    Head,
    RecentBytes,
}

impl RoomSort {
    /// What the room has of it.
    fn number(self, report: &RoomReport) -> u64 {
        match self {
            Self::Room => 0,
            Self::Members => report.members as u64,
            Self::MsgsPerSecond => report.milli_msgs_per_second,
            Self::Head => report.head,
            Self::RecentBytes => report.recent_bytes as u64,
        }
    }
}

/// A place in a sorted list: after the room with this name, or after the one with this number and
/// this name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RoomCursor {
    /// By name.
    Name(String),
    /// By a number.
    Number(u64, String),
}

impl RoomCursor {
    fn place(&self) -> (Reverse<u64>, &str) {
        match self {
            Self::Name(name) => (Reverse(0), name),
            Self::Number(number, name) => (Reverse(*number), name),
        }
    }
}

/// Some rooms by name, and where the next ones are.
#[derive(Clone, Debug, Serialize)]
pub struct RoomPage {
    /// The rows.
    pub rooms: Vec<RoomRow>,
    /// How many there are, on all pages.
    pub total: usize,
    /// What to ask with for the next page; none after the last one.
    pub next: Option<RoomCursor>,
}

/// Names of a roster that are told at most.
const ROSTER: usize = 10_000;

/// A room and who is in it.
#[derive(Clone, Debug, Serialize)]
pub struct RoomDetail {
    /// The room.
    #[serde(flatten)]
    pub room: RoomRow,
    /// The oldest number that can still be read from memory.
    pub first: u64,
    /// Who is on its roster, by name; at most ten thousand.
    pub names: Vec<String>,
    /// Whether there are more.
    pub more: bool,
}

/// A room as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct RoomRow {
    /// Its name.
    pub room: String,
    /// Names on its roster.
    pub members: usize,
    /// Sessions that hear it, listeners without a name included.
    pub hearers: usize,
    /// Messages said in it each second, over some ten of them.
    pub msgs_per_second: f64,
    /// The life of its numbering.
    pub epoch: String,
    /// The last committed number.
    pub head: u64,
    /// Messages kept in memory.
    pub recent_messages: usize,
    /// What they cost.
    pub recent_bytes: usize,
}

impl Control {
    /// A page of the rooms.
    pub fn rooms(&self, query: &RoomQuery) -> RoomPage {
        let mut reports = self.hub().room_reports();
        let sort = query.sort;
        let place = |report: &RoomReport| (Reverse(sort.number(report)), report.room.clone());
        if sort != RoomSort::Room {
            reports.sort_by_cached_key(place);
        }
        let from = query.cursor.as_ref().map_or(0, |cursor| {
            reports.partition_point(|report| {
                (Reverse(sort.number(report)), report.room.as_str()) <= cursor.place()
            })
        });
        let from = from.saturating_add(query.skip).min(reports.len());
        let to = reports
            .len()
            .min(from + query.limit.unwrap_or(PAGE).clamp(1, MOST));
        let rooms: Vec<_> = reports[from..to].iter().map(RoomRow::of).collect();
        let last = reports[from..to].last().filter(|_| to < reports.len());
        let next = last.map(|report| match (sort, report.room.to_string()) {
            (RoomSort::Room, name) => RoomCursor::Name(name),
            (sort, name) => RoomCursor::Number(sort.number(report), name),
        });
        RoomPage {
            rooms,
            total: reports.len(),
            next,
        }
    }

    /// One room and who is in it.
    ///
    /// # Errors
    /// There is no room with this name.
    pub fn room(&self, name: &str) -> Result<RoomDetail, Refused> {
        let missing = || Refused::NoMatch(format!("there is no room {name:?}"));
        let room = self.hub().find_room(name).ok_or_else(missing)?;
        let (names, more) = room.names(None, ROSTER);
        Ok(RoomDetail {
            room: RoomRow::of(&room.report()),
            first: room.reach().first,
            names: names.iter().map(ToString::to_string).collect(),
            more,
        })
    }
}

impl RoomRow {
    fn of(report: &RoomReport) -> Self {
        Self {
            room: report.room.to_string(),
            members: report.members,
            hearers: report.hearers,
            msgs_per_second: report.milli_msgs_per_second as f64 / 1000.0,
            epoch: report.epoch.to_string(),
            head: report.head,
            recent_messages: report.recent_messages,
            recent_bytes: report.recent_bytes,
        }
    }
}
