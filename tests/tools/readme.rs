//! The README, read by a stranger who types every command that it shows.
//!
//! A block of the kind `console` holds lines that begin with `$ `, to be typed, and lines that are to
//! be seen, in this order; `...` stands for anything. `console stays` is a terminal of its own whose
//! last command goes on: it is left open, and closed with Ctrl-C when everything else has been read.
//! `console stays 1` is one whose command ends with 1, because another ended it.
//! `console tests` is run by `.ci/run` and `console systemd` by `tests/systemd/play.sh`.
//!
//! `CHATD_README_CHECKOUT` names the checkout to read and stand in, if it is another than this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::stage::Program;

/// A first build is allowed to take its time.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What the shell's prompt looks like: the status of the last command between marks.
const PROMPT: (&str, &str) = ("<status ", ">");

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Ends,
    Stays(i32),
    Elsewhere,
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    command: String,
    seen: Vec<String>,
}

pub(crate) fn does_what_it_says() {
    let checkout = std::env::var_os("CHATD_README_CHECKOUT")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let readme = std::fs::read_to_string(checkout.join("README.md")).unwrap();
    let blocks = blocks(&readme);
    for kind in [Kind::Ends, Kind::Stays(0), Kind::Elsewhere] {
        assert!(
            blocks.iter().any(|block| block.kind == kind),
            "no block of the kind {kind:?}"
        );
    }
    let mut first = Shell::open(&checkout);
    let mut left_open = Vec::new();
    for block in blocks {
        match block.kind {
            Kind::Elsewhere => {}
            Kind::Ends => block.steps.iter().for_each(|step| first.ends(step)),
            Kind::Stays(status) => {
                let mut shell = Shell::open(&checkout);
                let (last, before) = block.steps.split_last().expect("a command");
                before.iter().for_each(|step| shell.ends(step));
                shell.stays(last);
                left_open.push((last.command.clone(), shell, status));
            }
        }
    }
    for (command, mut shell, wanted) in left_open.into_iter().rev() {
        shell.terminal.types("\x03");
        let (shown, status) = shell.status();
        assert_eq!(status, wanted, "{command} showed at its end:\n{shown}");
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line
            .strip_prefix("```")
            .filter(|info| info.starts_with("console"))
        else {
            continue;
        };
        let kind = match info {
            "console" => Kind::Ends,
            "console stays" => Kind::Stays(0),
            "console stays 1" => Kind::Stays(1),
            "console tests" | "console systemd" => Kind::Elsewhere,
            other => panic!("a block of an unknown kind: {other}"),
        };
        let mut steps: Vec<Step> = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    command: command.to_owned(),
                    seen: Vec::new(),
                });
            } else if kind != Kind::Elsewhere {
                steps
                    .last_mut()
                    .expect("a block begins with a command")
                    .seen
                    .push(line.to_owned());
            }
        }
        blocks.push(Block { kind, steps });
    }
    blocks
}

/// A terminal with a shell in it.
struct Shell {
    terminal: Program,
    read: usize,
}

impl Shell {
    fn open(folder: &Path) -> Self {
        let mut terminal = Program::on_terminal("bash --norc --noprofile --noediting");
        terminal
            .says("stty -echo; unset $(compgen -e | grep -E '^(CARGO_(PKG|BIN|MANIFEST)|CHATD)')");
        // In two pieces, so that the terminal's echo of this line does not look like the prompt.
        let (start, end) = PROMPT.0.split_at(1);
        let prompt = format!("PS1='\\n{start}''{end}$?{}\\n'", PROMPT.1);
        terminal.says(&format!("cd '{}' && {prompt}", folder.display()));
        let mut shell = Self { terminal, read: 0 };
        assert_eq!(shell.status().1, 0);
        shell
    }

    /// Types a command that ends, and looks at what it showed.
    fn ends(&mut self, step: &Step) {
        println!("$ {}", step.command);
        self.terminal.says(&step.command);
        let (shown, status) = self.status();
        assert_eq!(status, 0, "{} ended with {status}:\n{shown}", step.command);
        if let Some(missing) = first_missing(&step.seen, &shown) {
            panic!("{} did not show {missing:?}, but:\n{shown}", step.command);
        }
    }

    /// Types a command that goes on, and waits until it showed what it should.
    fn stays(&mut self, step: &Step) {
        println!("$ {} &", step.command);
        self.terminal.says(&step.command);
        let start = self.read;
        let looks_right = |text: &str| {
            first_missing(&step.seen, text.get(start..)?)
                .is_none()
                .then_some(())
        };
        self.terminal
            .hears_within(PATIENCE, &step.seen, looks_right);
    }

    /// Waits for the next prompt: what was shown before it, and the status in it.
    fn status(&mut self) -> (String, i32) {
        let start = self.read;
        let (shown, status, read) = self.terminal.hears_within(PATIENCE, "a prompt", |text| {
            let (shown, rest) = text.get(start..)?.split_once(PROMPT.0)?;
            let (status, _) = rest.split_once(PROMPT.1)?;
            let read = start + shown.len() + PROMPT.0.len() + status.len() + PROMPT.1.len();
            Some((shown.to_owned(), status.parse().ok()?, read))
        });
        self.read = read;
        (shown, status)
    }
}

/// The first of these lines that is not there, after the ones before it.
pub(crate) fn first_missing<'a>(seen: &'a [String], shown: &str) -> Option<&'a str> {
    let shown = without_escapes(shown);
    let mut lines = shown.lines();
    seen.iter()
        .map(String::as_str)
        .find(|pattern| !lines.any(|line| looks_like(line.trim(), pattern.trim())))
}

/// Whether a line is as the pattern says, where `...` stands for anything.
fn looks_like(line: &str, pattern: &str) -> bool {
    match pattern.split_once("...") {
        None => line == pattern,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|after| {
            after
                .char_indices()
                .map(|(at, _)| at)
                .chain([after.len()])
                .any(|at| looks_like(&after[at..], rest))
        }),
    }
}

/// The text without what colours it and moves the cursor.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            plain.push(character);
        } else if characters.next() == Some('[') {
            characters.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    plain.replace('\r', "\n")
}
