//! Keeps the doors while the daemon runs: what is new is opened before what is old is closed, and
//! whoever is connected stays. What was inherited stays as it is.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::doors::{Doors, Listener, token};
use super::porters::{Porters, Served};
use crate::admin::Token;
use crate::config::Config;
use crate::control::{Door, HeldDoors, Opened};

/// Keeps the doors. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    porters: Porters,
    admin_socket: String,
    held: HeldDoors,
    served: Mutex<AllServed>,
}

#[derive(Debug, Default)]
struct AllServed {
    chat: Vec<Served>,
    admin: Option<Served>,
    metrics: Option<Served>,
}

/// What is to be served beside or instead of what is.
#[derive(Debug)]
struct New {
    chat: Vec<Listener>,
    /// The addresses that stay or come.
    wanted: Vec<SocketAddr>,
    admin: Change<(Listener, Token)>,
    metrics: Change<Listener>,
}

#[derive(Debug)]
enum Change<T> {
    Stays,
    Goes,
    Comes(T),
}

impl Keeper {
    /// Serves all doors from now on.
    pub(super) fn serve(doors: Doors, porters: Porters) -> Self {
        let Doors {
            chat,
            admin_socket,
            admin,
            metrics,
        } = doors;
        let path = admin_socket.path().display().to_string();
        let is_held = |listener: &Listener| listener.asked.is_none();
        let held = HeldDoors {
            chat: chat.iter().any(is_held),
            admin: admin
                .as_ref()
                .is_some_and(|(listener, _)| is_held(listener)),
            admin_socket: admin_socket.is_inherited(),
            metrics: metrics.as_ref().is_some_and(is_held),
        };
        porters.serve_socket(admin_socket);
        let keeper = Self(Arc::new(Inner {
            porters,
            admin_socket: path,
            held,
            served: Mutex::default(),
        }));
        let wanted = chat.iter().filter_map(|listener| listener.asked).collect();
        keeper.change(New {
            chat,
            wanted,
            admin: admin.map_or(Change::Stays, Change::Comes),
            metrics: metrics.map_or(Change::Stays, Change::Comes),
        });
        keeper
    }

    /// Where chat is served, at one of the addresses.
    pub(super) fn chat_address(&self) -> Option<SocketAddr> {
        self.served().chat.first().map(|one| one.real)
    }

    /// Which doors were inherited: they stay, whatever is configured.
    pub(super) fn held(&self) -> HeldDoors {
        self.0.held
    }

    /// Where the daemon listens.
    pub(super) fn doors(&self) -> Vec<Door> {
        let served = self.served();
        let mut doors: Vec<_> = served.chat.iter().map(|one| one.door("chat")).collect();
        doors.extend(served.admin.iter().map(|one| one.door("admin")));
        doors.push(Door {
            door: "admin_socket",
            address: self.0.admin_socket.clone(),
        });
        doors.extend(served.metrics.iter().map(|one| one.door("metrics")));
        doors
    }

    /// Opens what a configuration names and is not open yet.
    ///
    /// # Errors
    /// The sentence that says what cannot be had; nothing has changed.
    pub(super) fn open(&self, config: &Config) -> Result<Opened, String> {
        let new = self.new_doors(config)?;
        let keeper = self.clone();
        Ok(Opened::new(move || {
            keeper.change(new);
            keeper.doors()
        }))
    }

    fn new_doors(&self, config: &Config) -> Result<New, String> {
        let served = self.served();
        let own = served.sockets();
        let wanted = config.server.listen.clone();
        let chat = wanted
            .iter()
            .filter(|address| {
                !self.0.held.chat && !served.chat.iter().any(|one| one.is_at(**address))
            })
            .map(|address| Listener::open("chat", *address, &own))
            .collect::<Result<_, _>>()?;
        let admin = match (config.admin.listen, &served.admin) {
            (_, Some(served)) if served.asked.is_none() => Change::Stays,
            (None, _) => Change::Goes,
            (Some(address), Some(served)) if served.is_at(address) => Change::Stays,
            (Some(address), _) => {
                Change::Comes((Listener::open("admin", address, &own)?, token(config)?))
            }
        };
        let metrics = match (config.metrics.listen, &served.metrics) {
            (_, Some(served)) if served.asked.is_none() => Change::Stays,
            (None, _) => Change::Goes,
            (Some(address), Some(served)) if served.is_at(address) => Change::Stays,
            (Some(address), _) => Change::Comes(Listener::open("metrics", address, &own)?),
        };
        Ok(New {
            chat,
            wanted,
            admin,
            metrics,
        })
    }

    /// Serves what is new, then closes what is not wanted any more.
    fn change(&self, new: New) {
        let porters = &self.0.porters;
        let mut served = self.served();
        for listener in new.chat {
            served.chat.extend(porters.serve_chat(listener));
        }
        let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut served.chat)
            .into_iter()
            .partition(|one| one.asked.is_none_or(|asked| new.wanted.contains(&asked)));
        served.chat = stay;
        go.into_iter().for_each(|one| one.close("chat"));
        let old = match new.admin {
            Change::Stays => None,
            Change::Goes => served.admin.take(),
            Change::Comes((listener, token)) => {
                let new = porters.serve_admin(listener, token);
                std::mem::replace(&mut served.admin, new)
            }
        };
        if let Some(old) = old {
            old.close("admin");
        }
        let old = match new.metrics {
            Change::Stays => None,
            Change::Goes => served.metrics.take(),
            Change::Comes(listener) => {
                let new = porters.serve_metrics(listener);
                std::mem::replace(&mut served.metrics, new)
            }
        };
        if let Some(old) = old {
            old.close("metrics");
        }
    }

    fn served(&self) -> MutexGuard<'_, AllServed> {
        self.0.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllServed {
    fn sockets(&self) -> Vec<&TcpListener> {
        let all = self.chat.iter().chain(&self.admin).chain(&self.metrics);
        all.map(|one| &one.socket).collect()
    }
}
