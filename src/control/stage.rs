//! A daemon without sockets, for tests of the operator's side.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{BanFile, Control, LogSwitch, Parts, lock};
use crate::config::{ConfigFile, Loaded, Sources};
use crate::event::SessionId;
use crate::hub::{Card, Claim, Dialect, Hub, SessionState};
use crate::limits::Limits;
use crate::mail::{Mailbox, Note};
use crate::name::{Nick, RoomName};
use crate::spares::Spares;

pub(crate) struct Stage {
    pub(crate) control: Control,
    pub(crate) lane: Arc<Mailbox>,
    levels: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_file("")
    }

    pub(crate) fn with_file(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chatd.toml");
        std::fs::write(&file, text).unwrap();
        let lane = Arc::<Mailbox>::default();
        let hub = Hub::new(
            "chatd",
            Limits::default(),
            RoomName::new("lobby").unwrap(),
            || 1_000_000,
        );
        hub.set_lanes(vec![lane.clone()]);
        let levels = Arc::<Mutex<Vec<String>>>::default();
        let heard = levels.clone();
        let control = Control::new(Parts {
            hub,
            loaded: Loaded::default(),
            sources: Sources {
                file: ConfigFile::Path(file),
                ..Sources::default()
            },
            fit_limits: Box::new(|loaded| {
                let fits = loaded.config.limits.clients <= 100_000;
                let limits = loaded.config.limits.clone();
                fits.then_some(limits)
                    .ok_or_else(|| "too many clients for this machine".to_owned())
            }),
            log: LogSwitch {
                set_level: Box::new(move |level| {
                    lock(&heard).push(level.to_owned());
                    Ok(())
                }),
                set_addresses: Box::new(|_| {}),
                feed: Arc::default(),
                dropped: Box::new(|| 0),
            },
            bans: Some(BanFile::at(folder.path().join("bans.json"))),
            readers: 4,
            spares: Spares::default(),
            search: None,
            memory_limit: None,
            reload_told: Box::new(|_| ()),
        });
        Self {
            control,
            lane,
            levels,
            folder,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("chatd.toml")
    }

    /// What the logs were told to show.
    pub(crate) fn levels(&self) -> Vec<String> {
        lock(&self.levels).clone()
    }

    /// A session of somebody in the lobby.
    pub(crate) fn join(&self, nick: &str, address: &str) -> Arc<Card> {
        let hub = self.control.hub();
        let card = hub.open(address.parse().unwrap(), &self.lane);
        let nick = Nick::new(nick).unwrap();
        hub.claim(&nick, None, card.id, Claim::Alone).unwrap();
        let room = hub.enter_room(&hub.default_room).unwrap();
        card.set_dialect(Dialect::Full);
        card.set_state(SessionState::Live);
        card.edit(|text| {
            text.nick = Some(nick);
            text.enter(room.name.clone());
        });
        card
    }

    /// What the lane has been told since the last time.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        self.lane.take(&mut notes);
        notes
    }

    /// Whom the lane was told to close, and with what words.
    pub(crate) fn closed(&self) -> Vec<(SessionId, Option<String>)> {
        let close = |note| match note {
            Note::Close { session, text, .. } => Some((session, text.map(String::from))),
            _ => None,
        };
        self.notes().into_iter().filter_map(close).collect()
    }

    /// A turn of the lane, after it was woken.
    pub(crate) async fn lane_turn(&self) {
        self.lane.arrived().await;
        self.notes();
    }
}
