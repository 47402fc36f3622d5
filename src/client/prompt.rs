//! The prompt, agreed between the thread that edits and the runtime that knows the room.
//!
//! After each line the editor waits, shortly, until the runtime has carried it out: `/join` moves
//! the prompt, and it should not be one line behind.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::people::People;

/// How long the editor waits for the server's answer to what was typed.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// For completion.
    pub(super) people: People,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    /// Lines that the runtime has carried out.
    settled: u64,
    /// There is nobody to wait for any more.
    closed: bool,
}

impl Prompt {
    /// For the runtime: so many lines are carried out, and this is the prompt now.
    pub(super) fn settle(&self, lines: u64, text: &str) {
        let mut state = self.lock();
        if state.settled != lines || state.text != text {
            state.settled = lines;
            state.text = text.to_owned();
            self.settled.notify_all();
        }
    }

    /// For the editor: the prompt after so many lines, or what it is when patience ends.
    pub(super) fn after(&self, lines: u64) -> String {
        let waiting =
            |state: &mut State| !state.closed && (state.settled < lines || state.text.is_empty());
        let (state, _) = self
            .settled
            .wait_timeout_while(self.lock(), PATIENCE, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if state.text.is_empty() {
            "> ".to_owned()
        } else {
            state.text.clone()
        }
    }

    /// The runtime has ended: nobody waits for it any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
