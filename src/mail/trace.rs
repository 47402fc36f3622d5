//! Looking on at one session: what it sends and is sent, as headers and sizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Lines that may wait for the operator.
const QUEUE: usize = 1024;

/// A line that went by, as one object.
pub type TracedLine = Map<String, Value>;

/// The lane's end: lines go in until the time is over or nobody looks on any more.
#[derive(Debug)]
pub struct Trace {
    lines: mpsc::Sender<TracedLine>,
    lost: Arc<AtomicU64>,
    /// When it is over.
    pub until: Instant,
    /// Whether the text of the lines is shown too.
    pub payload: bool,
}

/// The operator's end.
#[derive(Debug)]
pub struct Onlooker {
    lines: mpsc::Receiver<TracedLine>,
    lost: Arc<AtomicU64>,
}

impl Trace {
    /// Both ends.
    pub fn new(until: Instant, payload: bool) -> (Self, Onlooker) {
        let (sender, lines) = mpsc::channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let trace = Self {
            lines: sender,
            lost: lost.clone(),
            until,
            payload,
        };
        (trace, Onlooker { lines, lost })
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.lines.is_closed() || Instant::now() >= self.until
    }

    /// Shows a line. Never waits: where there is no room it is counted as lost.
    pub fn show(&self, line: TracedLine) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Onlooker {
    /// The next line; none when it is over. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<TracedLine> {
        self.lines.recv().await
    }

    /// Lines lost since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Relaxed)
    }
}
