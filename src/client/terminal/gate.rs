//! Who may write to the terminal now: the line that is being edited, or nobody but the printer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the last lines may take to appear above the line that is being edited.
const LAST_LINES: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    editor: Editing,
    /// How often the prompt was drawn. What was handed to the editor before is on the screen after.
    drawn: u64,
    /// The printer has shown everything.
    printed: bool,
    /// The editor must not begin another line.
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Editing {
    /// Between two lines: what is printed now would overtake what the editor still holds.
    #[default]
    Away,
    /// A line is being edited: what is handed over appears above it.
    Here,
    /// The editor has ended: the terminal is as it was, and free.
    Ended,
}

/// How a line may be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the editor; the number tells, later, whether it has appeared.
    Above(u64),
    /// Directly.
    Directly,
}

/// For the editor.
impl Gate {
    /// The prompt is being drawn: a line is being edited.
    pub(super) fn draws(&self) {
        self.change(|state| {
            state.editor = Editing::Here;
            state.drawn += 1;
        });
    }

    /// A line is complete, or editing has ended some other way.
    pub(super) fn leaves(&self) {
        self.change(|state| state.editor = Editing::Away);
    }

    /// There will be no more editing, and the terminal is restored.
    pub(super) fn end(&self) {
        self.change(|state| state.editor = Editing::Ended);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

/// For the printer.
impl Gate {
    /// Waits until a line may be printed.
    pub(super) fn wait_for_way(&self) -> Way {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| state.editor == Editing::Away)
            .unwrap_or_else(PoisonError::into_inner);
        match state.editor {
            Editing::Ended => Way::Directly,
            _ => Way::Above(state.drawn),
        }
    }

    /// Whether the prompt was drawn since.
    pub(super) fn was_drawn_after(&self, drawn: u64) -> bool {
        self.lock().drawn > drawn
    }

    /// Waits until the prompt was drawn since, or never will be.
    pub(super) fn wait_until_drawn_after(&self, drawn: u64) {
        let waiting = |state: &mut State| state.drawn <= drawn && state.editor != Editing::Ended;
        drop(
            self.changed
                .wait_timeout_while(self.lock(), LAST_LINES / 2, waiting),
        );
    }

    /// Waits until there will be no more editing.
    pub(super) fn wait_until_edited(&self) {
        let waiting = |state: &mut State| state.editor != Editing::Ended;
        drop(self.changed.wait_while(self.lock(), waiting));
    }

    /// Everything is shown.
    pub(super) fn printed(&self) {
        self.change(|state| state.printed = true);
    }
}

/// For the end.
impl Gate {
    pub(super) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    pub(super) fn wait_until_printed(&self) {
        let waiting = |state: &mut State| !state.printed;
        drop(
            self.changed
                .wait_timeout_while(self.lock(), LAST_LINES, waiting),
        );
    }

    /// Waits until editor and printer are both done; false if they are not after this time.
    pub(super) fn wait_until_ended(&self, patience: Duration) -> bool {
        let waiting = |state: &mut State| state.editor != Editing::Ended || !state.printed;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), patience, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
