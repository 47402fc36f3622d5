//! The terminal while something else than a shell has it, and its way back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ratatui::{DefaultTerminal, Frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::ctl::trouble::Trouble;

/// The terminal in raw mode, on its other screen. Dropping it gives it back as it was; so does a panic.
pub(super) struct Tty {
    terminal: DefaultTerminal,
    signal: Arc<AtomicUsize>,
}

impl Tty {
    /// Takes the terminal.
    pub(super) fn enter() -> Result<Self, Trouble> {
        let signal = Arc::<AtomicUsize>::default();
        for number in [SIGTERM, SIGINT, SIGHUP] {
            let noted = usize::try_from(number).unwrap_or_default();
            flag::register_usize(number, signal.clone(), noted).map_err(|error| broken(&error))?;
        }
        let terminal = ratatui::try_init().map_err(|error| broken(&error))?;
        Ok(Self { terminal, signal })
    }

    /// Draws all of it anew; only what differs is written.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Trouble> {
        let drawn = self.terminal.draw(draw);
        drawn.map(drop).map_err(|error| broken(&error))
    }

    /// The signal that asked for the end, if one did.
    pub(super) fn signal(&self) -> Option<i32> {
        i32::try_from(self.signal.load(Relaxed))
            .ok()
            .filter(|signal| *signal != 0)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // Where even that fails, there is no terminal any more.
        let _ = ratatui::try_restore();
    }
}

/// The terminal cannot be used.
pub(super) fn broken(error: &io::Error) -> Trouble {
    Trouble::Failed(format!("cannot use the terminal: {error}"))
}
