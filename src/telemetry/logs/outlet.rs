//! Where lines wait to be written, and the one thread that writes them.
//!
//! [`Outlet::put`] copies a line into a buffer of bounded size and returns: it waits for no
//! pipe, no disk and no terminal. What finds no room is dropped, counted, and told once there is
//! room again.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait.
const CAPACITY: usize = 1024 * 1024;
/// What is kept of a buffer that a burst has grown.
const KEPT: usize = 64 * 1024;
/// How long the writer waits before it tries a sink again that takes nothing at the moment.
const RETRY: Duration = Duration::from_millis(5);

/// The bounded way out. Its thread ends when it is dropped.
pub(super) struct Outlet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something to write, or the end.
    work: Condvar,
    /// Everything is written.
    done: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Whole lines in order.
    waiting: Vec<u8>,
    /// Lines dropped since the last line that told of it.
    untold: u64,
    /// A buffer has been taken out and is not written yet.
    writing: bool,
    closed: bool,
}

impl Outlet {
    /// Starts the thread. `lost` makes the line that tells how many could not be written.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            shared: shared.clone(),
            sink,
            lost,
        };
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self(shared))
    }

    /// Takes a line, or drops it. Never waits for the sink.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = self.0.state();
        if state.waiting.len() + line.len() > CAPACITY {
            state.untold += 1;
            self.0.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.0.work.notify_one();
    }

    /// Lines dropped, or refused by the sink, since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Waits until nothing is left to write, at most this long. True if nothing is.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let state = self.0.state();
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let (_state, timeout) = self
            .0
            .done
            .wait_timeout_while(state, patience, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer<W, L> {
    shared: Arc<Shared>,
    sink: W,
    lost: L,
}

impl<W: Write, L: Fn(u64) -> String> Writer<W, L> {
    fn run(mut self) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            if let Err(rest) = self.write(&batch) {
                let lines = memchr::memchr_iter(b'\n', &batch[rest..]).count() as u64;
                self.shared.dropped.fetch_add(lines, Relaxed);
            }
            batch.clear();
            batch.shrink_to(KEPT);
        }
    }

    /// Waits for lines and takes them all. False at the end.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.shared.state();
        state.writing = false;
        if state.waiting.is_empty() {
            self.shared.done.notify_all();
        }
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        state = self
            .shared
            .work
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return false;
        }
        std::mem::swap(&mut state.waiting, batch);
        state.writing = true;
        let untold = std::mem::take(&mut state.untold);
        drop(state);
        if untold > 0 {
            batch.extend_from_slice((self.lost)(untold).as_bytes());
        }
        true
    }

    /// Writes everything, or says from which byte on the sink refused.
    fn write(&mut self, batch: &[u8]) -> Result<(), usize> {
        let mut done = 0;
        while done < batch.len() {
            match self.sink.write(&batch[done..]) {
                Ok(0) => return Err(done),
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.pause() {
                        return Err(done);
                    }
                }
                Err(_) => return Err(done),
            }
        }
        Ok(())
    }

    /// Lets a little time pass. False if the outlet was closed meanwhile: nobody waits any more.
    fn pause(&self) -> bool {
        let open = |state: &mut State| !state.closed;
        let waited = self
            .shared
            .work
            .wait_timeout_while(self.shared.state(), RETRY, open);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }
}
