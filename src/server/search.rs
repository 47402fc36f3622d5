//! Begins to follow the history, if there is one that is kept.

use super::Failure;
use crate::hub::Hub;
use crate::search::{Follower, Search};

/// What is searched, and the thread that follows; it ends when it is dropped.
pub(super) fn follow(hub: &Hub) -> Result<Option<(Search, Follower)>, Failure> {
    let Some(keep) = hub.log.kept() else {
        return Ok(None);
    };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Runtime(format!("cannot follow the history: {error}"))
    };
    let reader = keep.store.reader().map_err(|error| failed(&error))?;
    let followed = Search::follow(&keep.store.files().database, reader);
    followed.map(Some).map_err(|error| failed(&error))
}
