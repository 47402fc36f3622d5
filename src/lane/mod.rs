//! Lanes: one per worker thread, each the owner of the sessions that live there.
//!
//! # Rules
//! 1. A lane keeps `pos` for each of its rooms, the last number that it has handed out. A session is
//!    *live* in a room iff its cursor has reached `pos`. A batch below `pos` is dropped; one that
//!    begins above it means that the lane itself lags and reads the log (`turn`).
//! 2. Join: register first, read the committed head second (`room`).
//! 3. Each write checks the cursor first: bytes at or below it are never written.
//! 4. One unfinished write per session. While it exists all its rooms are behind and its replies
//!    wait. When it is taken away to save memory, the line that it is in is finished first (`budget`).
//! 5. A session's conversation, cursors and replies live on this thread: test and write happen
//!    without an await between, and there are no locks among them.
//! 6. An idle session owns no buffer.
//!
//! Two kinds of task run here: the lane's own ([`run`]), which sees batches, notes and clocks, and
//! one per session, which sees its socket (`Lane::poll`). Both borrow the lane for one step at a
//! time and never across an await. A panic in a session's task ends that session; a panic in the
//! lane's own task ends the process.

mod basic;
mod behind;
mod books;
mod budget;
mod chunk;
mod clocks;
mod conn;
mod farewell;
mod full;
mod hello;
mod history;
mod input;
mod member;
mod notes;
mod onlook;
mod pages;
mod pump;
mod refused;
mod reply;
mod room;
#[cfg(feature = "test-faults")]
mod sabotaged;
mod say;
mod seat;
mod seats;
mod serve;
mod slice;
mod stretch;
mod task;
mod telling;
#[cfg(test)]
mod tests;
mod text;
mod topic;
mod turn;
mod write;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{Duration, Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use conn::Conn;
pub use conn::Peer;

use crate::close::Refusal;
use crate::event::SessionId;
use crate::hub::{Hub, Permit};
use crate::limits::Limits;
use crate::mail::Mailbox;
use crate::meter::Meter;
use crate::phase::Phase;

/// A connection on its way to a lane.
#[derive(Debug)]
pub struct Arrival {
    /// Its bytes.
    pub peer: Peer,
    /// Where it comes from.
    pub addr: SocketAddr,
    /// Its place, or why it gets none: then it reads one line and is closed.
    pub place: Result<Permit, Refusal>,
}

/// What one worker thread keeps.
#[derive(Debug)]
pub struct Lane {
    /// Among the lanes, from 0.
    number: usize,
    hub: Arc<Hub>,
    meter: Arc<Meter>,
    mailbox: Arc<Mailbox>,
    limits: Arc<Limits>,
    seats: seats::Seats,
    /// The numbers are ours: nobody can choose them so that they collide.
    by_id: FxHashMap<SessionId, usize>,
    rooms: FxHashMap<u64, room::LaneRoom>,
    chunks: chunk::Chunks,
    pages: pages::Pages,
    deadlines: clocks::Deadlines,
    /// Wakes the lane's own task when an earlier deadline was set.
    rearmed: Rc<Notify>,
    /// When this thread was last seen to run.
    awake: Instant,
    /// What is read goes here first; only what is left unfinished is kept.
    scratch: Vec<u8>,
    /// Counts hand-outs, so that authors can be marked without being unmarked.
    turn: u64,
    /// Messages since one was timed.
    untimed: u32,
    /// Sessions whose answers wait for the next turn.
    with_turn: Vec<usize>,
    draining: bool,
    stopping: bool,
    /// Connections that are only told that they are refused.
    refused: usize,
    /// What was refused of the line that is being carried out.
    refusal: Option<refused::Refusal>,
}

type SharedLane = Rc<RefCell<Lane>>;

/// Bytes that are read at once. What is held unread of one session is never more than this and its
/// unfinished line.
const READ: usize = 16 * 1024;
/// Connections that wait for a lane to take them.
pub const ARRIVALS: usize = 256;

/// Everything that one lane needs.
#[derive(Debug)]
pub struct Start {
    /// Which of the lanes this is, from 0.
    pub number: usize,
    /// Who is here.
    pub hub: Arc<Hub>,
    /// How others reach this lane's sessions.
    pub mailbox: Arc<Mailbox>,
    /// Batches; subscribed before the first session.
    pub handouts: broadcast::Receiver<crate::log::Handout>,
    /// New connections.
    pub arrivals: mpsc::Receiver<Arrival>,
}

/// Serves sessions until the phase is [`Phase::Stopped`] and all of them have ended.
///
/// Must run on a `LocalSet`: sessions are tasks of the same thread.
pub async fn run(start: Start) {
    // A turn writes to many sockets: tokio's budget per task would cut it off in the middle and
    // make sessions look blocked. `serve` yields by itself.
    tokio::task::coop::unconstrained(serve(start)).await;
}

async fn serve(start: Start) {
    let Start {
        number,
        hub,
        mailbox,
        mut handouts,
        mut arrivals,
    } = start;
    let mut phases = hub.phase_changes();
    let mut limit_changes = hub.limit_changes();
    let rearmed = Rc::new(Notify::new());
    let lane = Rc::new(RefCell::new(Lane::new(
        number,
        hub,
        mailbox.clone(),
        rearmed.clone(),
    )));
    let lateness = tokio::task::spawn_local(clocks::note_lateness(lane.borrow().meter.clone()));
    let _lateness = AbortOnDropHandle::new(lateness);
    // The daemon may have begun to drain before this lane began.
    let phase = *phases.borrow_and_update();
    lane.borrow_mut().take_phase(phase);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Every branch only receives: whichever loses keeps what it had.
    loop {
        let due = lane.borrow().deadlines.next();
        tokio::select! {
            handout = handouts.recv() => match handout {
                Ok(first) => turn::hand_out(&lane, first, &mut handouts).await,
                Err(broadcast::error::RecvError::Lagged(_)) => turn::lag(&lane).await,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = mailbox.arrived() => lane.borrow_mut().read_notes(),
            Some(arrival) = arrivals.recv() => open(&lane, arrival),
            clock = clocks::sleep_until(due) => lane.borrow_mut().wake_due(clock),
            () = rearmed.notified() => {}
            Ok(()) = limit_changes.changed() => {
                let limits = limit_changes.borrow_and_update().clone();
                lane.borrow_mut().take_limits(limits);
            }
            Ok(()) = phases.changed() => {
                let phase = *phases.borrow_and_update();
                lane.borrow_mut().take_phase(phase);
            }
            _ = second.tick() => lane.borrow_mut().sweep(),
        }
        let is_empty = {
            let lane = lane.borrow();
            lane.stopping && lane.seats.is_empty()
        };
        if is_empty {
            // Who was let in by the door and has not got here yet is told why it ends.
            match arrivals.try_recv() {
                Ok(arrival) => open(&lane, arrival),
                Err(_) => return,
            }
        }
        // Batches may come as fast as they are handed out: sessions, sockets and clocks of this
        // thread get their turn after each.
        tokio::task::yield_now().await;
    }
}

/// Takes a connection in, and gives it a task.
fn open(lane: &SharedLane, arrival: Arrival) {
    let Some(at) = lane.borrow_mut().take_in(arrival) else {
        return;
    };
    let task = task::Task::new(lane.clone(), at);
    tokio::task::spawn_local(tokio::task::coop::unconstrained(task));
}

impl Lane {
    fn new(number: usize, hub: Arc<Hub>, mailbox: Arc<Mailbox>, rearmed: Rc<Notify>) -> Self {
        Self {
            number,
            meter: hub.meter(),
            limits: hub.limits(),
            draining: false,
            stopping: false,
            hub,
            mailbox,
            seats: seats::Seats::default(),
            by_id: FxHashMap::default(),
            rooms: FxHashMap::default(),
            chunks: chunk::Chunks::default(),
            pages: pages::Pages::default(),
            deadlines: clocks::Deadlines::default(),
            rearmed,
            awake: Instant::now(),
            scratch: vec![0; READ],
            turn: 0,
            untimed: 0,
            with_turn: Vec::new(),
            refused: 0,
            refusal: None,
        }
    }

    /// One step of a session: read, answer, write, judge. Ready when it has ended.
    fn poll(&mut self, at: usize, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        self.wakes(now);
        self.remember(at, cx);
        if self.seats[at].closing.is_none() {
            let stopped = self.listen(at, cx, now);
            self.hear_in_silence(at);
            self.answer(at);
            let live = !self.goes_with_turn(at) && self.pump(at, cx, now);
            if stopped {
                self.go_on(at);
            }
            self.watch(at, now, live);
        }
        if self.seats[at].closing.is_some() && self.farewell(at, cx, now).is_ready() {
            return Poll::Ready(());
        }
        self.arm(at, now);
        self.seats.settle(at);
        Poll::Pending
    }

    fn remember(&mut self, at: usize, cx: &Context<'_>) {
        let waker = &mut self.seats[at].waker;
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
    }

    fn take_limits(&mut self, limits: Arc<Limits>) {
        self.limits = limits;
        self.keep_budget();
        self.wake_all();
    }

    fn take_phase(&mut self, phase: Phase) {
        if phase >= Phase::Draining && !self.draining {
            self.draining = true;
            self.hub.lane_drains();
        }
        self.stopping |= phase >= Phase::Stopped;
        if self.stopping {
            self.hurry_farewells();
        }
        self.wake_all();
    }

    fn wake_all(&self) {
        for (_, seat) in self.seats.iter() {
            seat.wake();
        }
    }
}
