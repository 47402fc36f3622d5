//! Sockets that systemd opened for the daemon (`systemd/*.socket`, sd_listen_fds(3)).
//!
//! Whoever holds them goes on holding them while the daemon restarts: who connects meanwhile waits
//! in the kernel's queue and is refused by nobody. A door whose socket is inherited is not opened
//! again: its address is that of the socket unit, and the key of the configuration is passed by.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// Open sockets, by door.
#[derive(Debug, Default)]
pub struct Inherited {
    pub(super) chat: Vec<TcpListener>,
    pub(super) admin: Option<TcpListener>,
    pub(super) admin_socket: Option<UnixListener>,
    pub(super) metrics: Option<TcpListener>,
}

impl Inherited {
    /// Takes what this process was given. To be called once, before any thread: it takes the
    /// variables of the protocol out of the environment.
    ///
    /// # Errors
    /// Something was handed over that is no door; the sentence says what.
    pub fn of_process() -> Result<Self, String> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self::take(ListenFd::from_env(), &names)
    }

    fn take(mut sockets: ListenFd, names: &str) -> Result<Self, String> {
        let mut taken = Self::default();
        let mut names = names.split(':');
        for at in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            let fault = |error: io::Error| format!("the socket {name:?} from systemd: {error}");
            match door(name) {
                Some("chat") => taken
                    .chat
                    .extend(sockets.take_tcp_listener(at).map_err(fault)?),
                Some("metrics") => taken.metrics = sockets.take_tcp_listener(at).map_err(fault)?,
                Some(_) => match sockets.take_unix_listener(at) {
                    Ok(listener) => taken.admin_socket = listener,
                    Err(_) => taken.admin = sockets.take_tcp_listener(at).map_err(fault)?,
                },
                None => {
                    return Err(format!(
                        "systemd hands over a socket named {name:?}: set FileDescriptorName to \
                         chat, admin or metrics"
                    ));
                }
            }
        }
        taken.unblock().map_err(|error| error.to_string())?;
        Ok(taken)
    }

    fn unblock(&self) -> io::Result<()> {
        let tcp = [&self.admin, &self.metrics];
        for listener in self.chat.iter().chain(tcp.into_iter().flatten()) {
            listener.set_nonblocking(true)?;
        }
        self.admin_socket
            .iter()
            .try_for_each(|listener| listener.set_nonblocking(true))
    }
}

/// The door that a socket's name means. Without `FileDescriptorName=` it is the unit's own name.
fn door(name: &str) -> Option<&'static str> {
    match name {
        "chat" | "chatd.socket" => Some("chat"),
        "admin" | "chatd-admin.socket" => Some("admin"),
        "metrics" | "chatd-metrics.socket" => Some("metrics"),
        _ => None,
    }
}
