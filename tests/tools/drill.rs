//! An operator's bad night: each trouble of `docs/operations.md` is made for real, and the commands
//! that stand there under what people say have to find the cause.
//!
//! A block `console drill NAME` belongs to the trouble of that name. Each line that begins with `$ ` is
//! typed on a terminal until it shows the lines below it, in this order; `...` stands for anything, and
//! one blank for any number.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::readme::first_missing;
use crate::stage::{Daemon, PATIENCE, own, succeeds};

/// A command and what it has to show.
struct Step {
    command: String,
    seen: Vec<String>,
}

pub(crate) fn the_handbook_finds_the_cause() {
    let mut blocks = blocks();
    let mut drill = |name: &str, daemon: &Daemon| {
        let steps = blocks
            .remove(name)
            .unwrap_or_else(|| panic!("no block drill {name}"));
        println!("--- {name}");
        steps.iter().for_each(|step| step.shows(daemon));
    };
    let chat = Daemon::start();

    let mut mallory = Person::named(&chat, "mallory");
    for n in 0..80 {
        mallory.says("lobby", &format!("buy {n}"));
    }
    drill("flood", &chat);

    let quick = Daemon::with(&[
        "--set",
        "limits.message_rate=unlimited",
        "--set",
        "server.workers=2",
    ]);
    let mut eve = Person::named(&quick, "eve");
    eve.joins("den");
    let mut dave = Person::named(&quick, "dave");
    dave.joins("den");
    dave.talks_until_somebody_is_behind(&quick);
    drill("slow", &quick);
    drop((eve, dave));

    let mut bob = Person::named(&chat, "bob");
    for _ in 0..20 {
        bob.line("this is not JSON");
    }
    drill("cut", &chat);

    let crowd = Crowd::of(&quick, 30);
    drill("p99", &quick);
    drop(crowd);

    fs::write(chat.config(), "[log]\nlevle = \"debug\"\n").unwrap();
    drill("typo", &chat);

    let narrow = Daemon::within_descriptors(192);
    let people: Vec<_> = (0..96)
        .map(|n| Person::named(&narrow, &format!("p{n}")))
        .collect();
    let late = TcpStream::connect(narrow.chat).unwrap();
    let mut told = String::new();
    BufReader::new(late).read_line(&mut told).unwrap();
    assert!(told.contains("full"), "the one too many reads why: {told}");
    drill("full", &narrow);
    drop(people);

    let disk = SmallDisk::mount();
    let kept = Daemon::with(&[
        "--set",
        &format!("history.path={}", disk.path("history.db")),
        "--set",
        "limits.message_rate=unlimited",
    ]);
    let mut frank = Person::named(&kept, "frank");
    for n in 0..20 {
        frank.says("lobby", &format!("tea number {n}"));
    }
    drill("history", &kept);

    fs::write(disk.path("core.4711"), vec![1; 4 << 20]).unwrap();
    frank.talks_until_nothing_can_be_kept();
    let insistence = Insistence::of(frank);
    drill("disk", &kept);
    drop((insistence, kept, disk));

    assert!(blocks.is_empty(), "nobody plays {:?}", blocks.keys());
}

/// Every command of the handbook's table of questions answers, on a daemon with somebody on it.
pub(crate) fn each_question_has_a_command_that_answers() {
    let text = handbook();
    let table = text.split("\n## Questions\n").nth(1).unwrap();
    let is_row = |line: &&str| line.starts_with('|');
    let lines = table.lines().skip_while(|line| !is_row(line));
    // Not the heading and the line under it.
    let rows: Vec<&str> = lines.take_while(is_row).skip(2).collect();
    assert!(rows.len() >= 24, "{} questions", rows.len());
    let daemon = Daemon::start();
    let mut alice = Person::named(&daemon, "alice");
    alice.says("lobby", "hi");
    let ends_it = |command: &&str| command.starts_with("chatctl drain");
    let (mut commands, mut last) = (Vec::new(), Vec::new());
    for row in &rows {
        let own = |code: &&str| code.starts_with("chatctl ") || code.starts_with("chatd ");
        let (ends, goes_on): (Vec<_>, Vec<_>) = row.split('`').filter(own).partition(ends_it);
        assert!(ends.len() + goes_on.len() > 0, "no command: {row}");
        commands.extend(goes_on);
        last.extend(ends);
    }
    for command in commands.into_iter().chain(last) {
        println!("$ {command}");
        let (program, arguments) = command.split_once(' ').unwrap();
        let arguments: Vec<&str> = arguments.split(' ').collect();
        match program {
            "chatctl" => drop(daemon.chatctl(&arguments)),
            _ => drop(succeeds(Command::new(own(program)).args(arguments))),
        }
    }
}

fn handbook() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    fs::read_to_string(path).unwrap()
}

/// The handbook's blocks, by name.
fn blocks() -> BTreeMap<String, Vec<Step>> {
    let text = handbook();
    let mut blocks = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```console drill ") else {
            continue;
        };
        let mut steps: Vec<Step> = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    command: command.to_owned(),
                    seen: Vec::new(),
                }),
                None => steps
                    .last_mut()
                    .expect("a command")
                    .seen
                    .push(line.to_owned()),
            }
        }
        assert!(
            steps.iter().all(|step| !step.seen.is_empty()),
            "{name}: nothing to see"
        );
        blocks.insert(name.to_owned(), steps);
    }
    blocks
}

impl Step {
    /// Runs it until it shows what it should: trouble takes a moment to show.
    fn shows(&self, daemon: &Daemon) {
        println!("$ {}", self.command);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = daemon.shell(&self.command).output().unwrap();
            let shown = [output.stdout, output.stderr].concat();
            let shown = narrowed(&String::from_utf8_lossy(&shown));
            match first_missing(&self.seen, &shown) {
                None => return,
                Some(missing) if Instant::now() > deadline => {
                    panic!("{} did not show {missing:?}, but:\n{shown}", self.command)
                }
                Some(_) => thread::park_timeout(Duration::from_millis(100)),
            }
        }
    }
}

/// With one blank where columns have many.
fn narrowed(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).collect::<Vec<_>>().join("\n")
}

/// A client of the full dialect.
struct Person {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

impl Person {
    fn named(daemon: &Daemon, name: &str) -> Self {
        let write = TcpStream::connect(daemon.chat).unwrap();
        write.set_read_timeout(Some(PATIENCE)).unwrap();
        let read = BufReader::new(write.try_clone().unwrap());
        let mut person = Self { write, read };
        let hello =
            json!({"type": "hello", "version": 1, "username": name, "caps": [], "join": true});
        person.line(&hello.to_string());
        person.hears("welcome");
        person
    }

    fn line(&mut self, line: &str) {
        // Who has been sent away says the rest to nobody.
        let _ = self.write.write_all(format!("{line}\n").as_bytes());
    }

    fn joins(&mut self, room: &str) {
        self.line(&json!({"type": "join", "room": room}).to_string());
        self.hears("joined");
    }

    fn says(&mut self, room: &str, text: &str) {
        self.line(&json!({"type": "message", "room": room, "message": text}).to_string());
        self.hears("ack");
    }

    fn hears(&mut self, kind: &str) {
        self.hears_one_of(&[kind]);
    }

    /// Waits for an object of one of these types.
    fn hears_one_of(&mut self, kinds: &[&str]) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.read.read_line(&mut line).unwrap(),
                0,
                "the end, none of {kinds:?}"
            );
            let object: Value = serde_json::from_str(&line).unwrap();
            if kinds.iter().any(|kind| object["type"] == *kind) {
                return object;
            }
        }
    }

    /// Until the disk is full.
    fn talks_until_nothing_can_be_kept(&mut self) {
        let kept = (0..4000).all(|_| self.is_kept());
        assert!(!kept, "the disk is still not full");
    }

    /// Says much, and hears whether that is kept.
    fn is_kept(&mut self) -> bool {
        let message = json!({"type": "message", "room": "lobby", "message": "x".repeat(3000)});
        self.line(&message.to_string());
        let answer = self.hears_one_of(&["ack", "error"]);
        let is_kept = answer["type"] == "ack";
        assert!(is_kept || answer["code"] == "store_unavailable", "{answer}");
        is_kept
    }

    fn talks_until_somebody_is_behind(&mut self, daemon: &Daemon) {
        let text = "x".repeat(3000);
        while !daemon
            .chatctl(&["list-clients", "--state", "behind"])
            .contains("\teve\t")
        {
            for _ in 0..100 {
                self.says("den", &text);
            }
        }
    }
}

/// Somebody who says it again until it is kept, or this is dropped.
struct Insistence {
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Insistence {
    fn of(mut person: Person) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let ends = enough.clone();
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) && !person.is_kept() {
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let thread = Some(thread);
        Self { enough, thread }
    }
}

impl Drop for Insistence {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

/// A disk of 8 MiB of its own, for as long as this lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=8m", "none"];
        succeeds(Command::new("mount").args(mount).arg(folder.path()));
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        succeeds(Command::new("umount").arg("-l").arg(self.0.path()));
    }
}

/// A large room, and one who says much in it, until this is dropped.
struct Crowd {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(daemon: &Daemon, listeners: usize) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let mut threads = Vec::new();
        for n in 0..listeners {
            let mut listener = Person::named(daemon, &format!("l{n}"));
            listener.joins("den");
            let enough = enough.clone();
            threads.push(thread::spawn(move || {
                let mut bytes = [0; 1 << 16];
                while !enough.load(Ordering::Relaxed) {
                    if listener.read.read(&mut bytes).unwrap_or(0) == 0 {
                        return;
                    }
                }
            }));
        }
        let mut loud = Person::named(daemon, "loud");
        loud.joins("den");
        let ends = enough.clone();
        threads.push(thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let line =
                    json!({"type": "message", "room": "den", "message": "and another thing"});
                loud.write
                    .write_all(format!("{line}\n").repeat(100).as_bytes())
                    .unwrap();
                (0..100).for_each(|_| loud.hears("ack"));
            }
        }));
        Self { enough, threads }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        // The one who talks ends last: the others hear until then.
        for thread in self.threads.drain(..).rev() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}
