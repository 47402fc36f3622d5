//! Everything the daemon listens at from its start on.

use std::net::{SocketAddr, TcpListener};

use super::Failure;
use super::inherited::Inherited;
use crate::admin::{AdminSocket, Token};
use crate::config::Config;
use crate::listen::{bind, bind_beside};
use crate::places::Surroundings;

/// An open listener.
#[derive(Debug)]
pub(super) struct Listener {
    /// The address in the configuration; none if the listener was inherited.
    pub(super) asked: Option<SocketAddr>,
    /// The address that it really has.
    pub(super) real: SocketAddr,
    pub(super) socket: TcpListener,
}

/// What the daemon listens at from its start on: open, and not served yet.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) chat: Vec<Listener>,
    pub(super) admin_socket: AdminSocket,
    pub(super) admin: Option<(Listener, Token)>,
    pub(super) metrics: Option<Listener>,
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

pub(super) fn token(config: &Config) -> Result<Token, String> {
    Token::open(
        config.admin.token_file.as_deref(),
        &Surroundings::of_process(),
    )
    .map_err(|error| format!("cannot keep the admin token: {error}"))
}

impl Listener {
    /// `own` are listeners of ours that it may overlap.
    pub(super) fn open(
        door: &str,
        asked: SocketAddr,
        own: &[&TcpListener],
    ) -> Result<Self, String> {
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
