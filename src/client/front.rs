//! Between the conversation and whoever is in front of it: typed lines in, printed lines out.
//!
//! The two ends that may block (a terminal, a pipe that nobody reads) have threads of their own,
//! joined to the runtime by bounded channels. [`Paper`] never blocks and never grows beyond
//! [`Paper::has_room`]: when it is full its owner stops reading from the server, so that a reader
//! who does not read is the server's slow consumer and not this program's memory.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::prompt::Prompt;
use super::render::Line;

/// Lines between the runtime and the thread that prints.
pub(super) const PRINTING: usize = 64;
/// Lines between the thread that reads and the runtime.
pub(super) const TYPING: usize = 16;
/// Lines that wait for the thread that prints; above it nothing more is heard.
const WAITING: usize = 256;

/// What comes from the person or the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line, without its line end.
    Line(String),
    /// A line that cannot be a message, and why.
    Unreadable(String),
    /// Nothing more will come.
    End,
}

/// Typed lines.
#[derive(Debug)]
pub(super) struct Keys {
    lines: mpsc::Receiver<Input>,
    ended: bool,
}

impl Keys {
    pub(super) const fn new(lines: mpsc::Receiver<Input>) -> Self {
        Self {
            lines,
            ended: false,
        }
    }

    /// The next input; after [`Input::End`], never again. Cancel safe.
    pub(super) async fn next(&mut self) -> Input {
        if self.ended {
            return std::future::pending().await;
        }
        let input = self.lines.recv().await.unwrap_or(Input::End);
        self.ended = input == Input::End;
        input
    }
}

/// Nobody reads what we print any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread;

/// Printed lines.
#[derive(Debug)]
pub(super) struct Paper {
    printer: mpsc::Sender<Line>,
    waiting: VecDeque<Line>,
}

impl Paper {
    pub(super) const fn new(printer: mpsc::Sender<Line>) -> Self {
        Self {
            printer,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn print(&mut self, line: Option<Line>) {
        self.waiting.extend(line);
    }

    /// Whether more should be heard that might have to be printed.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    /// Hands one line over; waits for ever when there is none. Cancel safe.
    pub(super) async fn feed(&mut self) -> Result<(), Unread> {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let permit = self.printer.reserve().await.map_err(|_| Unread)?;
        if let Some(line) = self.waiting.pop_front() {
            permit.send(line);
        }
        Ok(())
    }

    /// Hands everything over.
    pub(super) async fn feed_all(&mut self) {
        while !self.waiting.is_empty() && self.feed().await.is_ok() {}
    }
}

/// Both, and the prompt where there is one.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) keys: Keys,
    pub(super) paper: Paper,
    /// What stands before the line that is typed; a pipe has none.
    pub(super) prompt: Option<Arc<Prompt>>,
}
