//! What was refused last: lines with what was wrong in them, and connections.

use serde::{Deserialize, Serialize};

use super::{Control, rfc3339};
use crate::hub::{REFUSALS_KEPT, RefusedConnection, RefusedLine};

/// Which of the refusals that are still remembered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalQuery {
    /// Rows at most, newest first.
    pub limit: Option<usize>,
    /// Refused for this reason.
    pub reason: Option<String>,
    /// Of these, for exactly this.
    pub detail: Option<String>,
    /// Lines of this client; no connection has an id.
    pub id: Option<u64>,
}

/// A line or a connection that was refused. Of a connection only time, address and reason are known.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalRow {
    /// When.
    pub time: String,
    /// Whose line.
    pub id: Option<u64>,
    /// What they were called.
    pub username: Option<String>,
    /// Where they come from.
    pub addr: String,
    /// How they spoke.
    pub dialect: &'static str,
    /// Why.
    pub reason: &'static str,
    /// What exactly, where the reason does not say: a word of a closed set, or empty.
    pub detail: &'static str,
    /// How long the line was; 0 if it was not one line.
    pub line_bytes: usize,
    /// The byte at which it went wrong, where that is known.
    pub offset: Option<usize>,
    /// What stood there, with every letter and digit made unreadable.
    pub excerpt: String,
}

impl Control {
    /// The lines that were refused last and fit, newest first.
    pub fn refused_lines(&self, query: &RefusalQuery) -> Vec<RefusalRow> {
        pick(query, self.hub().refused_lines().iter().map(line))
    }

    /// The connections that were refused last and fit, newest first.
    pub fn refused_connections(&self, query: &RefusalQuery) -> Vec<RefusalRow> {
        pick(
            query,
            self.hub().refused_connections().iter().map(connection),
        )
    }
}

fn pick(
    query: &RefusalQuery,
    rows: impl DoubleEndedIterator<Item = RefusalRow>,
) -> Vec<RefusalRow> {
    let fits = |row: &RefusalRow| {
        query.reason.as_ref().is_none_or(|word| word == row.reason)
            && query.detail.as_ref().is_none_or(|word| word == row.detail)
            && query.id.is_none_or(|id| row.id == Some(id))
    };
    rows.rev()
        .filter(fits)
        .take(query.limit.unwrap_or(REFUSALS_KEPT))
        .collect()
}

fn line(line: &RefusedLine) -> RefusalRow {
    let [reason, detail] = line.rejection.words();
    RefusalRow {
        time: rfc3339(line.time_ms),
        id: Some(line.session.0),
        username: line.nick.as_ref().map(ToString::to_string),
        addr: line.addr.to_string(),
        dialect: line.dialect.as_str(),
        reason,
        detail,
        line_bytes: line.bytes,
        offset: line.offset,
        excerpt: line.excerpt.to_string(),
    }
}

fn connection(connection: &RefusedConnection) -> RefusalRow {
    let [reason, detail] = connection.refusal.words();
    RefusalRow {
        time: rfc3339(connection.time_ms),
        id: None,
        username: None,
        addr: connection.addr.to_string(),
        dialect: "",
        reason,
        detail,
        line_bytes: 0,
        offset: None,
        excerpt: String::new(),
    }
}
