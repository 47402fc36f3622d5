//! Who is here, what they are called, and which rooms there are.
//!
//! The hub is the only door to create or remove sessions, names, identities and rooms. It knows no
//! sockets and no lines. Each concern has one lock of its own, held for a few map operations and
//! never while another is taken.

mod admission;
mod archive;
mod bans;
mod card;
mod closed;
mod identity;
mod memory;
mod nicks;
mod refusals;
mod rooms;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};

pub use admission::Permit;
pub use archive::Past;
pub use card::{Card, CardText, Dialect, SessionState};
pub use closed::{CLOSED_KEPT, Closed};
pub use identity::Identity;
pub use nicks::Claim;
pub use refusals::{REFUSALS_KEPT, RefusedConnection, RefusedLine};
pub use rooms::NoRoom;

use crate::close::Ending;
use crate::event::{Presence, SessionId};
use crate::limits::Limits;
use crate::log::{Budget, Log, Room, RoomReport};
use crate::mail::{Mailbox, Note, Retries};
use crate::meter::Meter;
use crate::name::RoomName;
use crate::phase::Phase;
use crate::retention::Retention;
use crate::store::{Opened, StoreError};

/// Milliseconds since 1970 UTC.
pub type Clock = fn() -> i64;

/// Numbers that are read off rather than counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions that have not sent a line.
    pub listeners: usize,
    /// Identities remembered, living ones included.
    pub identities: usize,
    /// Retry ids remembered.
    pub dedup_entries: usize,
    /// `cid`s forgotten before their age, to keep the limit.
    pub dedup_evictions: u64,
    /// Encoded bytes kept for sessions that are behind.
    pub buffer_bytes: usize,
}

/// The one place where sessions, names and rooms meet. Shared by all threads.
#[derive(Debug)]
pub struct Hub {
    /// The door to all logs.
    pub log: Log,
    /// The memory of retries.
    pub retries: Arc<Retries>,
    /// The bytes kept for sessions that are behind.
    pub budget: Arc<Budget>,
    /// Wall clock of the daemon.
    pub clock: Clock,
    /// What the server calls itself in `welcome`.
    pub name: Box<str>,
    /// Where basic clients, listeners and messages without a room go. It never leaves.
    pub default_room: RoomName,
    limits: watch::Sender<Arc<Limits>>,
    phase: watch::Sender<Phase>,
    cards: Mutex<FxHashMap<SessionId, Arc<Card>>>,
    emptied: Notify,
    next_session: AtomicU64,
    /// Nobody is let in, until an operator says otherwise.
    paused: AtomicBool,
    /// Silent listeners now.
    listeners: AtomicUsize,
    admission: admission::Admission,
    nicks: nicks::Nicks,
    identities: identity::Identities,
    rooms: rooms::Rooms,
    closed: closed::Ring,
    refusals: refusals::Refusals,
    bans: bans::Banned,
    lanes: OnceLock<Vec<Arc<Mailbox>>>,
    /// Lanes that take no more messages.
    draining_lanes: AtomicUsize,
    meters: Mutex<Vec<Arc<Meter>>>,
}

impl Hub {
    /// An empty hub with logs in memory.
    pub fn new(name: &str, limits: Limits, default_room: RoomName, clock: Clock) -> Arc<Self> {
        let limits = watch::Sender::new(Arc::new(limits));
        let log = Log::open(limits.subscribe(), clock);
        Arc::new(Self::with_log(log, name, limits, default_room, clock))
    }

    /// A hub with logs that are kept in a store, and the rooms that are there.
    ///
    /// # Errors
    /// The store cannot be read, or the system gives no threads.
    pub fn keeping(
        opened: Opened,
        retention: Retention,
        name: &str,
        limits: Limits,
        default_room: RoomName,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let limits = watch::Sender::new(Arc::new(limits));
        let Opened {
            store,
            writer,
            rooms,
            ..
        } = opened;
        let log = Log::keep(
            (store, writer),
            &rooms,
            retention,
            limits.subscribe(),
            clock,
        )?;
        let mut hub = Self::with_log(log, name, limits, default_room, clock);
        if let Some(keep) = hub.log.kept().cloned() {
            hub.remember(&keep.store, &rooms)
                .map_err(|error| keep.store.advise(error))?;
        }
        hub.rooms = rooms::Rooms::resting(rooms);
        Ok(Arc::new(hub))
    }

    fn with_log(
        log: Log,
        name: &str,
        limits: watch::Sender<Arc<Limits>>,
        default_room: RoomName,
        clock: Clock,
    ) -> Self {
        Self {
            log,
            retries: Arc::default(),
            budget: Arc::default(),
            clock,
            name: name.into(),
            default_room,
            limits,
            phase: watch::Sender::new(Phase::Starting),
            cards: Mutex::default(),
            emptied: Notify::new(),
            next_session: AtomicU64::new(1),
            paused: AtomicBool::new(false),
            listeners: AtomicUsize::new(0),
            admission: admission::Admission::default(),
            nicks: nicks::Nicks::default(),
            identities: identity::Identities::default(),
            rooms: rooms::Rooms::default(),
            closed: closed::Ring::default(),
            refusals: refusals::Refusals::default(),
            bans: bans::Banned::default(),
            lanes: OnceLock::new(),
            draining_lanes: AtomicUsize::new(0),
            meters: Mutex::default(),
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.borrow().clone()
    }

    /// Puts other limits in force, for everyone at once. Nobody is closed by this.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.send_replace(Arc::new(limits));
    }

    /// Keeps so much of the history from now on.
    pub fn set_retention(&self, retention: Retention) {
        if let Some(keep) = self.log.kept() {
            keep.set_retention(retention);
        }
    }

    /// Tells of each change of the limits.
    pub fn limit_changes(&self) -> watch::Receiver<Arc<Limits>> {
        self.limits.subscribe()
    }

    /// Where the daemon is in its life.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Tells of each change of the phase.
    pub fn phase_changes(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Moves on. A phase never goes back.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let moves = phase > *now;
            if moves {
                *now = phase;
            }
            moves
        });
    }

    /// Lets nobody in, or everybody again. Those who are in stay. True if that was a change.
    pub fn set_paused(&self, paused: bool) -> bool {
        self.paused.swap(paused, Ordering::Relaxed) != paused
    }

    /// Whether nobody is let in.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Names the lanes, once, before the first session.
    pub fn set_lanes(&self, lanes: Vec<Arc<Mailbox>>) {
        // A second call changes nothing: the lanes live as long as the daemon.
        let _ = self.lanes.set(lanes);
    }

    /// A lane takes no more messages; each says so once. The last one wakes all: some may have
    /// seen the phase change before others did, and nobody may go before the last message is in.
    pub fn lane_drains(&self) {
        let lanes = self.lanes();
        if self.draining_lanes.fetch_add(1, Ordering::AcqRel) + 1 == lanes.len() {
            for lane in lanes {
                lane.post(Note::LogsAreFinal);
            }
        }
    }

    /// Whether no lane takes messages any more.
    pub fn logs_are_final(&self) -> bool {
        self.draining_lanes.load(Ordering::Acquire) >= self.lanes().len()
    }

    /// The mailboxes of all lanes.
    pub fn lanes(&self) -> &[Arc<Mailbox>] {
        self.lanes.get().map_or(&[], Vec::as_slice)
    }

    /// A meter for one more thread.
    pub fn meter(&self) -> Arc<Meter> {
        let meter = Arc::new(Meter::default());
        lock(&self.meters).push(meter.clone());
        meter
    }

    /// The meters of all threads.
    pub fn meters(&self) -> Vec<Arc<Meter>> {
        lock(&self.meters).clone()
    }

    /// Opens a session for a connection that was let in.
    pub fn open(&self, addr: SocketAddr, lane: &Arc<Mailbox>) -> Arc<Card> {
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let card = Arc::new(Card::new(id, addr, (self.clock)(), lane.clone()));
        lock(&self.cards).insert(id, card.clone());
        card
    }

    /// A session is ending: its name is free, its identity rests, its end is remembered. It is
    /// listed until its connection is gone ([`Hub::remove`]).
    pub fn end(&self, card: &Card, ending: Ending, text: Option<Box<str>>) {
        self.end_unlisted(card);
        self.closed
            .push(Closed::new(card, (self.clock)(), ending, text));
    }

    /// The same for a session whose end nobody wants to remember.
    pub fn end_unlisted(&self, card: &Card) {
        if let Some(nick) = card.text().nick {
            self.nicks.release(&nick, card.id);
        }
    }

    /// The connection of a session that ended is gone.
    pub fn remove(&self, card: &Card) {
        let is_last = {
            let mut cards = lock(&self.cards);
            cards.remove(&card.id);
            cards.is_empty()
        };
        if is_last {
            self.emptied.notify_waiters();
        }
    }

    /// Every session, in no order.
    pub fn cards(&self) -> Vec<Arc<Card>> {
        lock(&self.cards).values().cloned().collect()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        lock(&self.cards).len()
    }

    /// Waits until there is no session.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Listen first, look second: an end between the two is not missed.
            emptied.as_mut().enable();
            if self.sessions() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// The session with this id.
    pub fn card(&self, id: SessionId) -> Option<Arc<Card>> {
        lock(&self.cards).get(&id).cloned()
    }

    /// The sessions with this name: several where basic sessions share it.
    pub fn by_nick(&self, nick: &str) -> Vec<Arc<Card>> {
        let holders = self.nicks.holders(nick);
        let cards = lock(&self.cards);
        holders
            .iter()
            .filter_map(|id| cards.get(id).cloned())
            .collect()
    }

    /// One more or one less session that has not sent a line.
    ///
    /// # Errors
    /// Nothing changes if `limits.listeners` is reached.
    pub fn add_listener(&self) -> bool {
        let most = self.limits().listeners;
        self.listeners
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < most).then_some(now + 1)
            })
            .is_ok()
    }

    /// A silent listener has spoken or gone.
    pub fn remove_listener(&self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }

    /// The sessions that ended last, newest last.
    pub fn closed(&self) -> Vec<Closed> {
        self.closed.all()
    }

    /// Every room as the operator sees it, by name.
    pub fn room_reports(&self) -> Vec<RoomReport> {
        let mut reports: Vec<_> = self.rooms.all().iter().map(|room| room.report()).collect();
        reports.sort_by(|a, b| a.room.cmp(&b.room));
        reports
    }

    /// Numbers that are read off.
    pub fn gauges(&self) -> Gauges {
        let (dedup_entries, dedup_evictions) = self.retries.counts();
        Gauges {
            listeners: self.listeners.load(Ordering::Relaxed),
            identities: self.identities.len(),
            dedup_entries,
            dedup_evictions,
            buffer_bytes: self.budget.used(),
        }
    }

    /// Tells a room of a change of its roster, if the room is small enough to be told. While the
    /// daemon drains everybody goes, and nobody is told of each.
    pub fn announce(&self, room: &Arc<Room>, presence: Presence) {
        if self.phase() >= Phase::Draining {
            return;
        }
        if room.members() <= self.limits().presence_members {
            self.log.announce(room, presence);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn hub() -> Arc<Hub> {
        Hub::new(
            "test",
            Limits::default(),
            RoomName::new("lobby").unwrap(),
            || 1_700_000_000_000,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_an_empty_house_is_woken_by_the_last_to_leave() {
        let hub = hub();
        let addr = "127.0.0.1:1".parse().unwrap();
        let last = hub.open(addr, &Arc::default());
        let second = std::time::Duration::from_secs(1);
        let woken = async {
            tokio::time::sleep(second).await;
            hub.remove(&last);
        };
        let (emptied, ()) = tokio::join!(tokio::time::timeout(2 * second, hub.empty()), woken);
        assert!(emptied.is_ok());
    }

    #[test]
    fn a_phase_never_goes_back() {
        let hub = hub();
        hub.set_phase(Phase::Draining);
        hub.set_phase(Phase::Ready);
        assert_eq!(hub.phase(), Phase::Draining);
    }
}
