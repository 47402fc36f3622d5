//! The watchdog (`WatchdogSec=`): systemd is told that all is well only after a real message has
//! gone the whole way, through the chat door, on every lane: accepted, greeted, said, heard.
//!
//! A timer would prove that a timer works. Where one lane does not answer, the log names it and how
//! far the probe came, nothing is told to systemd, and when its patience ends it starts the daemon
//! anew.
//!
//! - A probe is a full session that sends itself a private message: it disturbs no room, needs no
//!   place, and no ban or limit of clients keeps it out.
//! - Want of descriptors is no reason to start anew: everybody would be thrown out. Then nothing can
//!   be found out, and the log and the metrics say so.
//! - A daemon that drains has a deadline of its own, and takes nobody in: it is not probed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, UnixStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::systemd::say;
use crate::control::{Control, FailedProbe, ProbeResult};
use crate::listen::Probes;
use crate::phase::Phase;
use crate::spares::is_out_of_descriptors;

/// What a probe says to itself.
const TEXT: &str = "is anybody there";
/// EAFNOSUPPORT: the unit forbids sockets of the internet.
const SEALED: i32 = 97;

/// Probes every lane, as often as systemd wants to hear of it.
pub(super) struct Watchdog {
    pub(super) control: Control,
    pub(super) probes: Arc<Probes>,
    /// The chat door, wherever it is now.
    pub(super) door: Box<dyn Fn() -> Option<SocketAddr> + Send + Sync>,
    pub(super) lanes: usize,
}

impl Watchdog {
    /// Goes on until `stop`. Without a watchdog in the unit it has nothing to do.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Some(patience) = sd_notify::watchdog_enabled() else {
            return;
        };
        let third = patience / 3;
        let mut turn = interval(third);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        stop.run_until_cancelled(async {
            loop {
                turn.tick().await;
                self.look(third).await;
            }
        })
        .await;
    }

    /// One round. Tells systemd if all is well, and the log if not.
    async fn look(&self, patience: Duration) {
        if self.control.phase() >= Phase::Draining {
            return self.all_is_well();
        }
        let rounds = (0..self.lanes).map(|lane| self.probe(lane, patience));
        let probes = join_all(rounds).await;
        let bad: Vec<FailedProbe> = probes.into_iter().filter_map(Result::err).collect();
        self.control.watch().note(self.lanes, bad.clone());
        for probe in &bad {
            let FailedProbe { lane, step, error } = probe;
            let step = step.as_str();
            if probe.step == ProbeResult::Unable {
                tracing::warn!(
                    event = "watchdog.blind",
                    lane,
                    error,
                    "nothing can be found out"
                );
            } else {
                tracing::error!(
                    event = "watchdog.failed",
                    lane,
                    step,
                    error,
                    "a message did not go through: systemd is not told that all is well"
                );
            }
        }
        if bad.iter().all(|probe| probe.step == ProbeResult::Unable) {
            self.all_is_well();
        }
    }

    /// A word to systemd takes a descriptor, and without the word systemd ends the daemon.
    fn all_is_well(&self) {
        let _loan = self.control.spares().lend_if_none();
        say(&[NotifyState::Watchdog]);
    }

    /// A message to itself through one lane.
    async fn probe(&self, lane: usize, patience: Duration) -> Result<(), FailedProbe> {
        let mut step = ProbeResult::Connect;
        let result = timeout(patience, self.attempt(lane, &mut step)).await;
        let error = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if is_out_of_descriptors(&error) => {
                step = ProbeResult::Unable;
                error.to_string()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {patience:?}"),
        };
        Err(FailedProbe { lane, step, error })
    }

    async fn attempt(&self, lane: usize, step: &mut ProbeResult) -> io::Result<()> {
        let door = (self.door)().ok_or_else(|| io::Error::other("there is no chat door"))?;
        let own = SocketAddr::new(loopback(door.ip()), 0);
        let socket = match own {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = match socket {
            Err(error) if error.raw_os_error() == Some(SEALED) => {
                let (mine, theirs) = StdUnixStream::pair()?;
                mine.set_nonblocking(true)?;
                theirs.set_nonblocking(true)?;
                self.probes.hand(theirs, lane);
                return talk(UnixStream::from_std(mine)?, step).await;
            }
            other => other?,
        };
        socket.bind(own)?;
        // The door needs a descriptor as well: without one it could not answer.
        drop(std::fs::File::open("/dev/null")?);
        let _expected = self.probes.expect(socket.local_addr()?, lane);
        let door = SocketAddr::new(own.ip(), door.port());
        let stream = socket.connect(door).await?;
        talk(stream, step).await
    }
}

/// Says hello, says something to itself, hears it, takes leave.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    step: &mut ProbeResult,
) -> io::Result<()> {
    *step = ProbeResult::Hello;
    let mut stream = BufReader::new(stream);
    let client = format!("chatd-watchdog/{}", crate::build::BUILD.version);
    let hello = json!({"type": "hello", "version": 1, "caps": [], "client": client});
    send(&mut stream, &hello).await?;
    let welcome = hear(&mut stream, |line| line["type"] == "welcome").await?;
    *step = ProbeResult::Message;
    let message = json!({"type": "message", "to": welcome["username"], "message": TEXT});
    send(&mut stream, &message).await?;
    hear(&mut stream, |line| {
        line["type"] == "message" && line["message"] == TEXT
    })
    .await?;
    send(&mut stream, &json!({"type": "quit"})).await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), line: &Value) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes()).await
}

/// The next line that is meant. Until it is welcome it hears the default room as everybody does.
async fn hear(
    stream: &mut (impl AsyncBufReadExt + Unpin),
    is_meant: impl Fn(&Value) -> bool,
) -> io::Result<Value> {
    let mut text = String::new();
    loop {
        text.clear();
        if stream.read_line(&mut text).await? == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
        let line: Value = serde_json::from_str(&text)?;
        if is_meant(&line) {
            return Ok(line);
        }
        if matches!(line["type"].as_str(), Some("error" | "bye")) {
            return Err(io::Error::other(text.trim().to_owned()));
        }
    }
}

/// Where a door that is open to everybody can be reached from here.
fn loopback(door: IpAddr) -> IpAddr {
    match door {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
