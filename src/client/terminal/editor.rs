//! The thread that edits lines.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{ColorMode, Config, ExternalPrinter};
use tokio::sync::mpsc;

use super::gate::Gate;
use super::history;
use super::watch::{Drawn, Watch};
use crate::client::front::Input;
use crate::client::prompt::Prompt;
use crate::escape::visible;

/// Lines that one paste may say.
const PASTED: usize = 50;

pub(super) struct Editor {
    lines: rustyline::Editor<Watch, DefaultHistory>,
    history: Option<PathBuf>,
    gate: Arc<Gate>,
    prompt: Arc<Prompt>,
    typed: u64,
}

impl Editor {
    /// Takes the terminal. The second value prints above the line that is being edited.
    pub(super) fn new(
        colours: bool,
        gate: Arc<Gate>,
        prompt: Arc<Prompt>,
    ) -> io::Result<(Self, impl ExternalPrinter + Send + 'static)> {
        let config = Config::builder()
            .max_history_size(history::LINES)
            .map_err(as_io)?
            .history_ignore_space(true)
            .color_mode(if colours {
                ColorMode::Enabled
            } else {
                ColorMode::Disabled
            })
            .build();
        let mut lines = rustyline::Editor::with_config(config).map_err(as_io)?;
        lines.set_helper(Some(Watch {
            gate: Arc::clone(&gate),
            prompt: Arc::clone(&prompt),
        }));
        let printer = lines.create_external_printer().map_err(as_io)?;
        let history = history::file();
        if let Some(file) = &history {
            // The first time there is none.
            drop(lines.load_history(file));
        }
        Ok((
            Self {
                lines,
                history,
                gate,
                prompt,
                typed: 0,
            },
            printer,
        ))
    }

    /// Reads lines until the person or the runtime ends it.
    pub(super) fn run(&mut self, typed: &mpsc::Sender<Input>) {
        while let Some(line) = self.next_line() {
            match line.map_err(str::to_owned).and_then(|line| pasted(&line)) {
                Ok(lines) => lines
                    .into_iter()
                    .for_each(|line| self.say(typed, Input::Line(line))),
                Err(why) => self.say(typed, Input::Unreadable(why)),
            }
        }
        if let Some(file) = &self.history {
            // A history that cannot be kept is no reason to stop anybody from leaving.
            drop(self.lines.append_history(file));
        }
        drop(typed.blocking_send(Input::End));
    }

    fn say(&mut self, typed: &mpsc::Sender<Input>, input: Input) {
        self.typed += 1;
        // The runtime has ended if this fails, and so will the next line.
        drop(typed.blocking_send(input));
    }

    fn next_line(&mut self) -> Option<Result<String, &'static str>> {
        let text = visible(&self.prompt.after(self.typed)).into_owned();
        if self.gate.is_closed() {
            return None;
        }
        let gate = Arc::clone(&self.gate);
        let line = self.lines.readline(&Drawn { text, gate });
        self.gate.leaves();
        match line {
            _ if self.gate.is_closed() => None,
            Ok(line) => {
                // Only a full disk of history could refuse this, and then it is not kept.
                drop(self.lines.add_history_entry(&line));
                Some(Ok(line))
            }
            Err(ReadlineError::Io(fault)) if fault.kind() == io::ErrorKind::InvalidData => {
                Some(Err("that was not UTF-8"))
            }
            Err(_) => None,
        }
    }
}

/// The lines of what was typed, or pasted, at once.
fn pasted(text: &str) -> Result<Vec<String>, String> {
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    match lines.len() {
        0..=PASTED => Ok(lines),
        count => Err(format!(
            "{count} lines at once are too many: at most {PASTED}"
        )),
    }
}

fn as_io(fault: ReadlineError) -> io::Error {
    match fault {
        ReadlineError::Io(fault) => fault,
        other => io::Error::other(other.to_string()),
    }
}
