//! Everything the daemon listens at.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Failure;
use crate::admin::{AdminSocket, Token, serve_tcp, serve_unix};
use crate::config::Config;
use crate::control::Control;
use crate::listen::bind;
use crate::places::Surroundings;
use crate::telemetry::http::{self, Site};

/// Open doors.
pub(super) struct Doors {
    pub(super) chat: Vec<TcpListener>,
    pub(super) control: ControlDoors,
    /// What each is called and where it really is.
    pub(super) addresses: Vec<(&'static str, String)>,
}

/// The doors that the control plane answers at.
pub(super) struct ControlDoors {
    admin_socket: AdminSocket,
    admin: Option<(TcpListener, Token)>,
    metrics: Option<TcpListener>,
}

/// Opens everything that the configuration names, or nothing.
pub(super) fn open(config: &Config) -> Result<Doors, Failure> {
    let around = Surroundings::of_process();
    let mut addresses = Vec::new();
    let mut chat = Vec::new();
    for address in &config.server.listen {
        chat.push(listen("chat", *address, &mut addresses)?);
    }
    let admin_socket = AdminSocket::open(config.admin.socket.as_deref(), &around)
        .map_err(|error| Failure::Bind(error.to_string()))?;
    let admin = match config.admin.listen {
        None => None,
        Some(address) => {
            let listener = listen("admin", address, &mut addresses)?;
            let token = Token::open(config.admin.token_file.as_deref(), &around)
                .map_err(|error| Failure::Bind(format!("cannot keep the admin token: {error}")))?;
            Some((listener, token))
        }
    };
    addresses.push(("admin_socket", admin_socket.path().display().to_string()));
    let metrics = config.metrics.listen;
    let metrics = metrics
        .map(|address| listen("metrics", address, &mut addresses))
        .transpose()?;
    let control = ControlDoors {
        admin_socket,
        admin,
        metrics,
    };
    Ok(Doors {
        chat,
        control,
        addresses,
    })
}

fn listen(
    door: &'static str,
    address: SocketAddr,
    addresses: &mut Vec<(&'static str, String)>,
) -> Result<TcpListener, Failure> {
    let bound = bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (real, listener) = bound
        .map_err(|error| Failure::Bind(format!("cannot listen at {address} ({door}): {error}")))?;
    addresses.push((door, real.to_string()));
    Ok(listener)
}

impl ControlDoors {
    /// Answers at all of them until `stop`.
    pub(super) fn serve(
        self,
        control: &Control,
        site: Arc<Site>,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) {
        let Self {
            admin_socket,
            admin,
            metrics,
        } = self;
        tasks.spawn(report(
            "admin_socket",
            serve_unix(admin_socket, control.clone(), stop.clone()),
        ));
        if let Some((listener, token)) = admin {
            let (control, stop) = (control.clone(), stop.clone());
            tasks.spawn(report("admin", async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                serve_tcp(listener, token, control, stop).await;
                Ok(())
            }));
        }
        if let Some(listener) = metrics {
            let stop = stop.clone();
            tasks.spawn(report("metrics", async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                http::serve(listener, site, stop).await;
                Ok(())
            }));
        }
    }
}

async fn report(door: &'static str, serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(event = "door.lost", door, %error, "nobody is served there any more");
    }
}
