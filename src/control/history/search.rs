//! Words in a room's past.

use serde::{Deserialize, Serialize};

use super::PastRow;
use crate::control::{Control, Refused};
use crate::event::Seq;
use crate::search::Words;

/// Messages that are shown when nobody says how many, and at most.
const SHOWN: usize = 20;
const MOST: usize = 100;

/// What is searched for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// In which room.
    pub room: String,
    /// Words that a message must all have: see [`Words::parse`].
    pub words: String,
    /// Only below this number: the last one that was shown.
    pub before: Option<Seq>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// The room, as its maker wrote it.
    pub room: String,
    /// The life of its numbering.
    pub epoch: String,
    /// The last number.
    pub head: Seq,
    /// Up to this number everything that fits was found; what is above is not in the index yet.
    pub complete_to: Seq,
    /// The newest first.
    pub messages: Vec<PastRow>,
    /// Whether there are older ones.
    pub more: bool,
}

impl Control {
    /// The newest messages of a room that have all these words.
    ///
    /// # Errors
    /// There is no such room or no store, the words make no sense, or the index cannot be read.
    pub async fn search_history(&self, query: &SearchQuery) -> Result<SearchReport, Refused> {
        let words = Words::parse(&query.words).map_err(Refused::Invalid)?;
        let (keep, row) = self.stored(&query.room)?;
        let Some(search) = self.search().cloned() else {
            return Err(Refused::State("nothing follows the history".to_owned()));
        };
        if let Some(trouble) = search.trouble() {
            return Err(Refused::Failed(format!("the index: {trouble}")));
        }
        let before = query.before;
        let limit = query.limit.unwrap_or(SHOWN).clamp(1, MOST);
        self.on_disk(move || {
            let reader = keep.store.reader()?;
            let found = search.find(&reader, &row, &words, before, limit)?;
            Ok(SearchReport {
                room: row.name.to_string(),
                epoch: row.wire_epoch().to_string(),
                head: row.head,
                complete_to: found.complete_to,
                messages: found
                    .messages
                    .iter()
                    .map(|message| PastRow::of(message))
                    .collect(),
                more: found.more,
            })
        })
        .await
    }
}
