//! The threads of the data plane.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::Failure;
use crate::hub::Hub;
use crate::lane::{self, ARRIVALS, Arrival};
use crate::listen::{Acceptor, ChatDoor};
use crate::mail::Mailbox;

/// Exit status after a fault of the daemon's own (EX_SOFTWARE of sysexits.h).
const EXIT_INTERNAL: i32 = 70;

/// The running threads.
#[derive(Debug)]
pub(super) struct Workers {
    runtimes: Vec<Handle>,
    lanes: Vec<oneshot::Receiver<()>>,
    threads: Vec<JoinHandle<()>>,
    chat: mpsc::Sender<ChatDoor>,
}

/// Doors that wait until somebody accepts at them.
const DOORS: usize = 64;

/// Starts one thread per worker, and one that accepts for all of them. A single worker accepts for
/// itself: waking another thread twice would be a third of what a connection costs.
pub(super) fn start(hub: &Arc<Hub>, workers: Option<usize>) -> Result<Workers, Failure> {
    let count = workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let (chat, chat_doors) = mpsc::channel(DOORS);
    let mut started = Workers {
        runtimes: Vec::new(),
        lanes: Vec::new(),
        threads: Vec::new(),
        chat,
    };
    let mailboxes: Vec<Arc<Mailbox>> = (0..count).map(|_| Arc::default()).collect();
    hub.set_lanes(mailboxes.clone());
    let (lanes, arrivals): (_, Vec<_>) = (0..count).map(|_| mpsc::channel(ARRIVALS)).unzip();
    let mut reception = Some(Reception {
        hub: hub.clone(),
        lanes,
        doors: chat_doors,
    });
    // Subscribed before the first session, so that no batch is missed.
    let handouts = hub.log.subscribe(count);
    let parts = mailboxes.into_iter().zip(handouts).zip(arrivals);
    for (number, ((mailbox, handouts), arrivals)) in parts.enumerate() {
        let start = lane::Start {
            number,
            hub: hub.clone(),
            mailbox,
            handouts,
            arrivals,
        };
        let own = if count == 1 { reception.take() } else { None };
        started.start_lane(number, start, own)?;
    }
    if let Some(reception) = reception {
        started.start_acceptor(reception)?;
    }
    Ok(started)
}

/// Takes chat doors, and accepts at each.
struct Reception {
    hub: Arc<Hub>,
    lanes: Vec<mpsc::Sender<Arrival>>,
    doors: mpsc::Receiver<ChatDoor>,
}

impl Reception {
    /// Must run on a `LocalSet`.
    async fn run(mut self) {
        let mut first = 0;
        while let Some(door) = self.doors.recv().await {
            let acceptor = Acceptor {
                hub: self.hub.clone(),
                lanes: self.lanes.clone(),
                meter: self.hub.meter(),
                spares: door.spares.clone(),
                probes: door.probes.clone(),
                outlives_us: door.outlives_us,
            };
            tokio::task::spawn_local(serve_chat(acceptor, door, first));
            first += 1;
        }
    }
}

impl Workers {
    /// The runtimes of the lanes.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        self.runtimes.clone()
    }

    fn start_lane(
        &mut self,
        number: usize,
        start: lane::Start,
        reception: Option<Reception>,
    ) -> Result<(), Failure> {
        let runtime = runtime()?;
        self.runtimes.push(runtime.handle().clone());
        let (ended, end) = oneshot::channel();
        self.lanes.push(end);
        self.spawn(format!("lane-{number}"), move || {
            let local = LocalSet::new();
            if let Some(reception) = reception {
                local.spawn_local(reception.run());
            }
            local.block_on(&runtime, lane::run(start));
            // Nobody may be waiting any more.
            let _ = ended.send(());
        })
    }

    /// Where chat doors go to be served.
    pub(super) fn chat(&self) -> mpsc::Sender<ChatDoor> {
        self.chat.clone()
    }

    fn start_acceptor(&mut self, reception: Reception) -> Result<(), Failure> {
        let runtime = runtime()?;
        self.spawn("accept".to_owned(), move || {
            let local = LocalSet::new();
            let hub = reception.hub.clone();
            local.spawn_local(reception.run());
            local.block_on(&runtime, stopped(&hub));
        })
    }

    /// Runs a thread of the data plane. A panic there has no place to go: the process ends, and
    /// whoever watches over it starts it anew.
    fn spawn(&mut self, name: String, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let thread = thread::Builder::new().name(name).spawn(move || {
            if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
                #[allow(clippy::disallowed_methods, reason = "no thread is left that could")]
                std::process::exit(EXIT_INTERNAL);
            }
        });
        let thread =
            thread.map_err(|error| Failure::Runtime(format!("cannot start a thread: {error}")))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits until the lanes have closed everybody. A lane that does not end is left behind.
    pub(super) async fn join(self, patience: Duration) {
        let all = futures_util::future::join_all(self.lanes);
        if timeout(patience, all).await.is_err() {
            tracing::error!(event = "lane.stuck", "a worker did not end in time");
        }
    }
}

async fn serve_chat(acceptor: Acceptor, door: ChatDoor, first: usize) {
    if let Err(error) = acceptor.run(door, first).await {
        tracing::error!(event = "door.lost", door = "chat", %error);
    }
}

async fn stopped(hub: &Hub) {
    let mut phases = hub.phase_changes();
    // The sender lives in the hub that we hold.
    let _ = phases
        .wait_for(|phase| *phase == crate::phase::Phase::Stopped)
        .await;
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime(format!("cannot start a runtime: {error}")))
}
