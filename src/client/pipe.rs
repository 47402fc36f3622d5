//! Standard input and output as pipes: lines in, lines out, each on a thread of its own.
//!
//! A last line without a line end is a line, as for every filter. A line that is too long or not
//! UTF-8 is reported in its place and skipped; memory stays bounded.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::thread;

use tokio::sync::mpsc;

use super::front::{Front, Input, Keys, PRINTING, Paper, TYPING};
use super::render::Line;

/// Longest line that is read at all. The server's own limit is far below and is checked later.
const LONGEST: usize = 1024 * 1024;

/// A front over standard input and standard output. The second value ends when all is printed.
///
/// # Errors
/// If no thread can be made.
pub(super) fn open() -> io::Result<(Front, thread::JoinHandle<()>)> {
    let (typed, lines) = mpsc::channel(TYPING);
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || read_all(&mut BufReader::new(io::stdin()), &typed))?;
    let (paper, printing) = print_plainly()?;
    Ok((
        Front {
            keys: Keys::new(lines),
            paper,
            prompt: None,
        },
        printing,
    ))
}

/// A front that says this one line and prints to standard output and standard error.
///
/// # Errors
/// If no thread can be made.
pub(super) fn one_line(text: String) -> io::Result<(Front, thread::JoinHandle<()>)> {
    let (typed, lines) = mpsc::channel(TYPING);
    // The channel is empty and longer than one line.
    drop(typed.try_send(Input::Line(text)));
    let (paper, printing) = print_plainly()?;
    Ok((
        Front {
            keys: Keys::new(lines),
            paper,
            prompt: None,
        },
        printing,
    ))
}

fn print_plainly() -> io::Result<(Paper, thread::JoinHandle<()>)> {
    let (printer, mut lines) = mpsc::channel(PRINTING);
    let thread = thread::Builder::new()
        .name("stdout".to_owned())
        .spawn(move || {
            drop(print_all(
                &mut lines,
                BufWriter::new(io::stdout()),
                io::stderr(),
            ))
        })?;
    Ok((Paper::new(printer), thread))
}

fn read_all(input: &mut impl BufRead, typed: &mpsc::Sender<Input>) {
    loop {
        let read = read_line(input, LONGEST);
        let ended = read == Input::End;
        if typed.blocking_send(read).is_err() || ended {
            return;
        }
    }
}

fn read_line(input: &mut impl BufRead, longest: usize) -> Input {
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
            // What cannot be read has ended.
            Err(_) => &[],
        };
        if piece.is_empty() && length == 0 {
            return Input::End;
        }
        let end = memchr::memchr(b'\n', piece);
        let taken = end.unwrap_or(piece.len());
        line.extend_from_slice(&piece[..taken.min((longest + 1).saturating_sub(line.len()))]);
        length += taken + usize::from(end.is_some());
        let ended = end.is_some() || piece.is_empty();
        input.consume(taken + usize::from(end.is_some()));
        if ended {
            return finished(line, longest);
        }
    }
}

fn finished(mut line: Vec<u8>, longest: usize) -> Input {
    if line.len() > longest {
        return Input::Unreadable(format!("a line is longer than {longest} bytes"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match String::from_utf8(line) {
        Ok(line) => Input::Line(line),
        Err(_) => Input::Unreadable("a line is not UTF-8".to_owned()),
    }
}

/// Prints until the runtime has no more to say, or nobody reads standard output any more.
fn print_all(
    lines: &mut mpsc::Receiver<Line>,
    mut out: impl Write,
    mut err: impl Write,
) -> io::Result<()> {
    while let Some(first) = lines.blocking_recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            match line {
                Line::Out(text) => writeln!(out, "{text}")?,
                // Whether anybody reads standard error is nothing to end for.
                Line::Err(text) => drop(writeln!(err, "{text}")),
            }
            next = lines.try_recv().ok();
        }
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], capacity: usize) -> Vec<Input> {
        let mut input = BufReader::with_capacity(capacity, bytes);
        let mut all = vec![];
        loop {
            all.push(read_line(&mut input, 8));
            if all.last() == Some(&Input::End) {
                return all;
            }
        }
    }

    #[test]
    fn reads_lines_however_they_are_cut() {
        let line = |text: &str| Input::Line(text.to_owned());
        for capacity in [1, 2, 3, 7, 100] {
            assert_eq!(
                read(b"one\r\n\ntwo\nlast", capacity),
                [line("one"), line(""), line("two"), line("last"), Input::End]
            );
            assert_eq!(read(b"", capacity), [Input::End]);
            assert_eq!(
                read(b"12345678\n", capacity),
                [line("12345678"), Input::End]
            );
        }
    }

    #[test]
    fn reports_a_bad_line_and_goes_on() {
        for capacity in [1, 3, 100] {
            let all = read(b"123456789abcdef\n\xff\nok\n", capacity);
            assert!(matches!(&all[0], Input::Unreadable(why) if why.contains("longer than 8")));
            assert!(matches!(&all[1], Input::Unreadable(why) if why.contains("UTF-8")));
            assert_eq!(all[2..], [Input::Line("ok".into()), Input::End]);
        }
    }

    #[test]
    fn prints_each_stream_its_own_and_ends_when_nobody_reads() {
        let (printer, mut lines) = mpsc::channel(4);
        printer.try_send(Line::Out("a".into())).unwrap();
        printer.try_send(Line::Err("b".into())).unwrap();
        drop(printer);
        let (mut out, mut err) = (vec![], vec![]);
        print_all(&mut lines, &mut out, &mut err).unwrap();
        assert_eq!((&*out, &*err), (&b"a\n"[..], &b"b\n"[..]));

        let (printer, mut lines) = mpsc::channel(4);
        printer.try_send(Line::Out("a".into())).unwrap();
        let closed = print_all(&mut lines, &mut [0_u8; 0][..], io::sink());
        assert!(closed.is_err(), "a full slice takes nothing");
    }
}
