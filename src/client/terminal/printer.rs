//! The thread that prints above the line that is being edited.

use std::io::{self, Write};

use rustyline::ExternalPrinter;
use tokio::sync::mpsc;

use super::gate::{Gate, Way};
use crate::client::render::Line;

/// Lines that are drawn at once, so that a flood does not redraw the prompt for each.
const AT_ONCE: usize = 64;

/// What was handed to the editor and may not have appeared yet.
struct Handed {
    text: String,
    drawn: u64,
}

/// Prints until nobody can say any more, or the terminal is gone.
pub(super) fn run(above: &mut impl ExternalPrinter, mut lines: mpsc::Receiver<Line>, gate: &Gate) {
    let mut handed: Option<Handed> = None;
    while let Some(text) = next_lines(&mut lines) {
        let way = gate.wait_for_way();
        if let Way::Above(drawn) = way
            && above.print(text.clone()).is_ok()
        {
            handed = Some(Handed { text, drawn });
            continue;
        }
        // The editor is gone. It may have taken the lines before with it.
        rescue(handed.take(), gate);
        if directly(&text).is_err() {
            break;
        }
    }
    if let Some(handed) = &handed {
        gate.wait_until_drawn_after(handed.drawn);
    }
    rescue(handed, gate);
    gate.printed();
}

fn next_lines(lines: &mut mpsc::Receiver<Line>) -> Option<String> {
    let mut text = String::new();
    push(&mut text, lines.blocking_recv()?);
    for _ in 1..AT_ONCE {
        match lines.try_recv() {
            Ok(line) => push(&mut text, line),
            Err(_) => break,
        }
    }
    Some(text)
}

fn push(text: &mut String, line: Line) {
    // On a terminal there is one stream.
    let (Line::Out(line) | Line::Err(line)) = line;
    text.push_str(&line);
    text.push('\n');
}

fn rescue(handed: Option<Handed>, gate: &Gate) {
    if let Some(handed) = handed
        && !gate.was_drawn_after(handed.drawn)
    {
        // The terminal is gone too, if this fails.
        drop(directly(&handed.text));
    }
}

fn directly(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
