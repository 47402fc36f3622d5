//! The thread that edits lines.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, Config, Context, ExternalPrinter, Helper};
use tokio::sync::mpsc;

use super::gate::Gate;
use super::history;
use crate::client::command::Command;
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
            let pasted = line.lines().count();
            if pasted > PASTED {
                let why = format!("{pasted} lines at once are too many: at most {PASTED}");
                self.say(typed, Input::Unreadable(why));
            }
            for line in line.lines().take(if pasted > PASTED { 0 } else { PASTED }) {
                self.say(typed, Input::Line(line.to_owned()));
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

    fn next_line(&mut self) -> Option<String> {
        let text = visible(&self.prompt.after(self.typed)).into_owned();
        if self.gate.is_closed() {
            return None;
        }
        let prompt = Drawn {
            text,
            gate: Arc::clone(&self.gate),
        };
        let line = self.lines.readline(&prompt);
        self.gate.leaves();
        let line = line.ok().filter(|_| !self.gate.is_closed())?;
        // Only a full disk of history could refuse this, and then it is not kept.
        drop(self.lines.add_history_entry(&line));
        Some(line)
    }
}

fn as_io(fault: ReadlineError) -> io::Error {
    match fault {
        ReadlineError::Io(fault) => fault,
        other => io::Error::other(other.to_string()),
    }
}

/// A prompt that says when it is drawn: only while a line is being edited.
struct Drawn {
    text: String,
    gate: Arc<Gate>,
}

impl rustyline::Prompt for Drawn {
    fn raw(&self) -> &str {
        self.gate.draws();
        &self.text
    }

    fn styled(&self) -> &str {
        self.raw()
    }
}

/// Notices that a line is complete, and completes the commands' names.
struct Watch {
    gate: Arc<Gate>,
}

impl Helper for Watch {}

impl Validator for Watch {
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.gate.leaves();
        Ok(ValidationResult::Valid(None))
    }
}

impl Highlighter for Watch {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m"))
    }
}

impl Hinter for Watch {
    type Hint = String;
}

impl Completer for Watch {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let begun = line
            .get(..at)
            .filter(|begun| begun.starts_with('/'))
            .unwrap_or("\0");
        let words = Command::WORDS.iter().filter(|word| word.starts_with(begun));
        Ok((0, words.map(|word| format!("{word} ")).collect()))
    }
}
