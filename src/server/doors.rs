//! Everything the daemon listens at, and how that changes while it runs: what is new is opened before
//! what is old is closed, and whoever is connected stays. What was inherited stays as it is.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Failure;
use super::inherited::Inherited;
use crate::admin::{AdminSocket, Token, serve_tcp, serve_unix};
use crate::config::Config;
use crate::control::{Control, Door, HeldDoors, Opened};
use crate::listen::{ChatDoor, Probes, bind, bind_beside};
use crate::places::Surroundings;
use crate::spares::Spares;
use crate::telemetry::http::{self, Site};

/// An open listener.
#[derive(Debug)]
struct Listener {
    /// The address in the configuration; none if the listener was inherited.
    asked: Option<SocketAddr>,
    /// The address that it really has.
    real: SocketAddr,
    socket: TcpListener,
}

/// What the daemon listens at from its start on: open, and not served yet.
#[derive(Debug)]
pub(super) struct Doors {
    chat: Vec<Listener>,
    admin_socket: AdminSocket,
    admin: Option<(Listener, Token)>,
    metrics: Option<Listener>,
}

/// Opens everything that the configuration names and that was not inherited, or nothing.
pub(super) fn open(config: &Config, inherited: Inherited) -> Result<Doors, Failure> {
    let around = Surroundings::of_process();
    let chat: Result<Vec<_>, _> = match inherited.chat {
        none if none.is_empty() => {
            let listen = &config.server.listen;
            listen
                .iter()
                .map(|address| listen_at("chat", *address))
                .collect()
        }
        sockets => sockets
            .into_iter()
            .map(|socket| inherited_chat(config, socket))
            .collect(),
    };
    let admin_socket = match inherited.admin_socket {
        Some(listener) => Ok(AdminSocket::inherited(listener)),
        None => AdminSocket::open(config.admin.socket.as_deref(), &around),
    };
    let admin = match inherited.admin {
        Some(socket) => Some(inherited_admin(socket)?),
        None => config
            .admin
            .listen
            .map(|address| listen_at("admin", address))
            .transpose()?,
    };
    let metrics = match inherited.metrics {
        Some(socket) => Some(Listener::inherited("metrics", socket)?),
        None => config
            .metrics
            .listen
            .map(|address| listen_at("metrics", address))
            .transpose()?,
    };
    Ok(Doors {
        chat: chat?,
        admin_socket: admin_socket.map_err(|error| Failure::Bind(error.to_string()))?,
        admin: match admin {
            Some(listener) => Some((listener, token(config).map_err(Failure::Bind)?)),
            None => None,
        },
        metrics,
    })
}

fn listen_at(door: &str, address: SocketAddr) -> Result<Listener, Failure> {
    Listener::open(door, address, &[]).map_err(Failure::Bind)
}

fn inherited_chat(config: &Config, socket: TcpListener) -> Result<Listener, Failure> {
    let listener = Listener::inherited("chat", socket)?;
    let address = listener.real;
    if !address.ip().is_loopback() && !config.server.allow_plaintext {
        return Err(Failure::Config(format!(
            "{address} (the chat socket from systemd): a non-loopback chat address without TLS \
             needs `server.allow_plaintext = true`"
        )));
    }
    Ok(listener)
}

fn inherited_admin(socket: TcpListener) -> Result<Listener, Failure> {
    let listener = Listener::inherited("admin", socket)?;
    let address = listener.real;
    if !address.ip().is_loopback() {
        return Err(Failure::Config(format!(
            "{address} (the admin socket from systemd) is not a loopback address; admin is \
             never served to other machines"
        )));
    }
    Ok(listener)
}

fn token(config: &Config) -> Result<Token, String> {
    Token::open(
        config.admin.token_file.as_deref(),
        &Surroundings::of_process(),
    )
    .map_err(|error| format!("cannot keep the admin token: {error}"))
}

impl Listener {
    /// `own` are listeners of ours that it may overlap.
    fn open(door: &str, asked: SocketAddr, own: &[&TcpListener]) -> Result<Self, String> {
        let bound = if own.is_empty() {
            bind(asked)
        } else {
            bind_beside(asked, own)
        };
        let bound = bound.and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (real, socket) =
            bound.map_err(|error| format!("cannot listen at {asked} ({door}): {error}"))?;
        Ok(Self {
            asked: Some(asked),
            real,
            socket,
        })
    }

    fn inherited(door: &str, socket: TcpListener) -> Result<Self, Failure> {
        let real = socket
            .local_addr()
            .map_err(|error| Failure::Bind(format!("the {door} socket from systemd: {error}")))?;
        Ok(Self {
            asked: None,
            real,
            socket,
        })
    }
}

/// A listener that is served, until it is told to close.
#[derive(Debug)]
struct Served {
    /// None if it was inherited: then it stays, whatever is configured.
    asked: Option<SocketAddr>,
    real: SocketAddr,
    /// The same socket, to open another beside it. It goes before the served one does.
    socket: TcpListener,
    closing: CancellationToken,
}

/// Those who serve doors.
pub(super) struct Porters {
    /// Takes chat doors.
    pub(super) chat: mpsc::Sender<ChatDoor>,
    pub(super) probes: Arc<Probes>,
    pub(super) control: Control,
    pub(super) site: Arc<Site>,
    pub(super) spares: Spares,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

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

    fn served(&self) -> std::sync::MutexGuard<'_, AllServed> {
        self.0.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllServed {
    fn sockets(&self) -> Vec<&TcpListener> {
        let all = self.chat.iter().chain(&self.admin).chain(&self.metrics);
        all.map(|one| &one.socket).collect()
    }
}

impl Served {
    fn is_at(&self, address: SocketAddr) -> bool {
        self.asked == Some(address)
    }

    fn door(&self, door: &'static str) -> Door {
        Door {
            door,
            address: self.real.to_string(),
        }
    }

    fn close(self, door: &'static str) {
        let address = self.real;
        drop(self.socket);
        self.closing.cancel();
        tracing::info!(event = "door.closed", door, %address, "nobody comes in there any more");
    }
}

impl Porters {
    fn serve_socket(&self, socket: AdminSocket) {
        let (control, spares) = (self.control.clone(), self.spares.clone());
        let serving = serve_unix(socket, control, spares, self.stop.clone());
        self.tasks.spawn(report("admin_socket", serving));
    }

    fn serve_chat(&self, listener: Listener) -> Option<Served> {
        let outlives_us = listener.asked.is_none();
        self.served("chat", listener, |listener, closing| {
            let door = ChatDoor {
                listener,
                closing,
                spares: self.spares.clone(),
                probes: self.probes.clone(),
                outlives_us,
            };
            self.chat.try_send(door).is_ok()
        })
    }

    fn serve_admin(&self, listener: Listener, token: Token) -> Option<Served> {
        self.served("admin", listener, |listener, closing| {
            let (control, spares) = (self.control.clone(), self.spares.clone());
            self.tasks.spawn(report("admin", async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                serve_tcp(listener, token, control, spares, closing).await;
                Ok(())
            }));
            true
        })
    }

    fn serve_metrics(&self, listener: Listener) -> Option<Served> {
        self.served("metrics", listener, |listener, closing| {
            let (site, spares) = (self.site.clone(), self.spares.clone());
            self.tasks.spawn(report("metrics", async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                http::serve(listener, site, spares, closing).await;
                Ok(())
            }));
            true
        })
    }

    /// None if it cannot be served, which the log then says.
    fn served(
        &self,
        door: &'static str,
        listener: Listener,
        serve: impl FnOnce(TcpListener, CancellationToken) -> bool,
    ) -> Option<Served> {
        let Listener {
            asked,
            real,
            socket,
        } = listener;
        let closing = self.stop.child_token();
        let is_served = match socket.try_clone() {
            Ok(listener) => serve(listener, closing.clone()),
            Err(_) => false,
        };
        if !is_served {
            tracing::error!(event = "door.lost", door, address = %real, "nobody can be served there");
            return None;
        }
        Some(Served {
            asked,
            real,
            socket,
            closing,
        })
    }
}

async fn report(door: &'static str, serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(event = "door.lost", door, %error, "nobody is served there any more");
    }
}
