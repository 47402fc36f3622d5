//! Who serves a listener, and how it is closed again.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::doors::Listener;
use crate::admin::{AdminSocket, Token, serve_tcp, serve_unix};
use crate::control::{Control, Door};
use crate::listen::{ChatDoor, Probes};
use crate::spares::Spares;
use crate::telemetry::http::{self, Site};

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

/// A listener that is served, until it is told to close.
#[derive(Debug)]
pub(super) struct Served {
    /// None if it was inherited: then it stays, whatever is configured.
    pub(super) asked: Option<SocketAddr>,
    pub(super) real: SocketAddr,
    /// The same socket, to open another beside it. It goes before the served one does.
    pub(super) socket: TcpListener,
    closing: CancellationToken,
}

impl Porters {
    pub(super) fn serve_socket(&self, socket: AdminSocket) {
        let (control, spares) = (self.control.clone(), self.spares.clone());
        let serving = serve_unix(socket, control, spares, self.stop.clone());
        self.tasks.spawn(report("admin_socket", serving));
    }

    pub(super) fn serve_chat(&self, listener: Listener) -> Option<Served> {
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

    pub(super) fn serve_admin(&self, listener: Listener, token: Token) -> Option<Served> {
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

    pub(super) fn serve_metrics(&self, listener: Listener) -> Option<Served> {
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

impl Served {
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.asked == Some(address)
    }

    pub(super) fn door(&self, door: &'static str) -> Door {
        Door {
            door,
            address: self.real.to_string(),
        }
    }

    pub(super) fn close(self, door: &'static str) {
        let address = self.real;
        drop(self.socket);
        self.closing.cancel();
        tracing::info!(event = "door.closed", door, %address, "nobody comes in there any more");
    }
}

async fn report(door: &'static str, serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(event = "door.lost", door, %error, "nobody is served there any more");
    }
}
