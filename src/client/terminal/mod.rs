//! A person at a terminal: a line editor that what is printed meanwhile does not disturb.
//!
//! Three threads, so that nothing that blocks touches the runtime: the *editor* reads lines with
//! rustyline, the *printer* shows lines above the one that is being typed, and a third turns
//! SIGINT, SIGTERM and SIGHUP into an orderly end, because a terminal that is left in raw mode is
//! a broken terminal.
//!
//! rustyline's external printer has a queue of one. It shows what is in there only while a line is
//! being edited, and writes at once, overtaking it, while none is. So the printer asks the
//! [`Gate`] first, and keeps what it cannot be sure has been shown.

mod editor;
mod gate;
mod history;
mod printer;
mod watch;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use super::front::{Front, Input, Keys, PRINTING, Paper, TYPING};
use super::prompt::Prompt;
use editor::Editor;
use gate::Gate;

/// How long the editor may take to notice that it is to end, between two reminders.
const REMINDER: Duration = Duration::from_millis(20);
/// How many reminders are given before the program ends without it.
const REMINDERS: u32 = 100;

/// A terminal in use. [`Terminal::close`] gives it back as it was.
#[derive(Debug)]
pub(super) struct Terminal {
    gate: Arc<Gate>,
    prompt: Arc<Prompt>,
    editor: JoinHandle<()>,
    printer: JoinHandle<()>,
    /// How it was.
    before: Option<Termios>,
}

/// Whether standard input and output are a terminal that can be edited on.
pub(super) fn is_there() -> bool {
    let dumb =
        std::env::var("TERM").is_ok_and(|term| matches!(&*term, "dumb" | "cons25" | "emacs"));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// Takes the terminal.
///
/// # Errors
/// If it is none, or threads or signal handlers cannot be had.
pub(super) fn open(colours: bool) -> io::Result<(Front, Terminal)> {
    let (typed, lines) = mpsc::channel(TYPING);
    let (printing, printed) = mpsc::channel(PRINTING);
    let gate = Arc::new(Gate::default());
    let prompt = Arc::new(Prompt::default());

    let before = termios::tcgetattr(io::stdin()).ok();
    end_on_signals(typed.clone())?;
    let (mut editor, mut external) = Editor::new(colours, Arc::clone(&gate), Arc::clone(&prompt))?;
    let printer = {
        let gate = Arc::clone(&gate);
        let run = move || {
            printer::run(&mut external, printed, &gate);
            // A line that rustyline begins without a printer alive is deaf to signals.
            gate.wait_until_edited();
        };
        thread::Builder::new()
            .name("printer".to_owned())
            .spawn(run)?
    };
    let editor = {
        let gate = Arc::clone(&gate);
        let run = move || {
            editor.run(&typed);
            drop(editor);
            gate.end();
        };
        thread::Builder::new()
            .name("editor".to_owned())
            .spawn(run)?
    };
    let front = Front {
        keys: Keys::new(lines),
        paper: Paper::new(printing),
        prompt: Some(Arc::clone(&prompt)),
    };
    Ok((
        front,
        Terminal {
            gate,
            prompt,
            editor,
            printer,
            before,
        },
    ))
}

impl Terminal {
    /// Shows what is still to be shown, ends the editor and restores the terminal.
    ///
    /// The [`Front`] must be gone: the printer ends when nobody can give it lines any more.
    pub(super) fn close(self) {
        let before = self.before.clone();
        self.end();
        // rustyline does this too, but a signal may end it in the middle of it.
        if let Some(before) = before {
            // A terminal that is gone has no settings.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    fn end(self) {
        self.gate.wait_until_printed();
        self.gate.close();
        self.prompt.close();
        for _ in 0..REMINDERS {
            if self.gate.wait_until_ended(REMINDER) {
                // Both threads have said that they are done; a panic of theirs is on the screen.
                drop(self.editor.join());
                drop(self.printer.join());
                return;
            }
            // While a line is being edited rustyline's own handler takes this and returns from
            // it; otherwise ours does, which has nobody left to tell.
            drop(signal_hook::low_level::raise(SIGINT));
        }
    }
}

fn end_on_signals(typed: mpsc::Sender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let wait = move || {
        for _ in signals.forever() {
            if typed.blocking_send(Input::End).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}
