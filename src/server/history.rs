//! Opens the history, if there is one to be kept.

use std::path::PathBuf;
use std::sync::Arc;

use super::Failure;
use crate::config::Config;
use crate::event::Durability;
use crate::hub::{Clock, Hub};
use crate::limits::Limits;
use crate::name::RoomName;
use crate::places::{HISTORY, Surroundings};
use crate::store::{Anew, Opened, Store};

/// A hub with the rooms that the history has; and where that is, if it is kept.
pub(super) fn open(
    config: &Config,
    limits: Limits,
    default_room: RoomName,
    clock: Clock,
) -> Result<(Arc<Hub>, Option<String>), Failure> {
    let (name, history) = (&config.server.name, &config.history);
    if history.durability == Durability::None {
        return Ok((Hub::new(name, limits, default_room, clock), None));
    }
    let path = match &history.path {
        Some(path) => path.clone(),
        None => find()?,
    };
    let opened = Store::open(&path, history.durability)
        .map_err(|error| Failure::Runtime(format!("cannot serve history: {error}")))?;
    tell(&opened);
    let hub = Hub::keeping(
        opened,
        history.retention(),
        name,
        limits,
        default_room,
        clock,
    )
    .map_err(|error| Failure::Runtime(format!("cannot serve history: {error}")))?;
    Ok((hub, Some(path.display().to_string())))
}

fn find() -> Result<PathBuf, Failure> {
    Surroundings::of_process()
        .state_file(HISTORY)
        .map_err(|error| {
            Failure::Runtime(format!(
                "there is no place for the history: {error}; set `history.path`, or \
             `history.durability` to \"none\""
            ))
        })
}

fn tell(opened: &Opened) {
    let path = opened.store.files().database.display();
    let (rooms, durability) = (opened.rooms.len(), opened.store.durability().as_str());
    let messages: u64 = opened.rooms.iter().map(|room| room.messages()).sum();
    tracing::info!(event = "history.opened", %path, durability, rooms, messages);
    if let Some(version) = opened.migrated {
        tracing::info!(
            event = "history.migrated",
            from = version,
            "the file is of this version now"
        );
    }
    match opened.anew {
        None => {}
        Some(why @ Anew::PowerLoss { missing }) => tracing::warn!(
            event = "history.new_epochs",
            why = why.as_str(),
            missing_turns = missing,
            "the machine went down and may have taken the last messages with it; every room begins a new epoch"
        ),
        Some(why @ Anew::Restored) => tracing::warn!(
            event = "history.new_epochs",
            why = why.as_str(),
            "this is another history than the one that was here; every room begins a new epoch"
        ),
    }
}
