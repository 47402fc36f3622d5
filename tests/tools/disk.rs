//! Disks that fill up, fail and are slow; and what the daemon asks of the kernel before it says yes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{Daemon, own, succeeds};

/// Somebody of the full dialect in one room.
struct Person(BufReader<TcpStream>);

impl Person {
    fn joins(daemon: &Daemon, nick: &str) -> Self {
        let stream = TcpStream::connect(daemon.chat).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut person = Self(BufReader::new(stream));
        person.says(&json!({"type":"hello","version":1,"username":nick,"caps":[]}));
        person.hears("welcome");
        person.says(&json!({"type":"join","room":"den"}));
        person.hears("joined");
        person
    }

    fn says(&mut self, object: &Value) {
        let line = format!("{object}\n");
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
    }

    fn object(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn hears(&mut self, kind: &str) -> Value {
        loop {
            let object = self.object();
            if object["type"] == kind {
                return object;
            }
        }
    }

    /// Says a text and waits for the answer: whether it was taken.
    fn publishes(&mut self, text: &str) -> bool {
        self.says(&json!({"type":"message","room":"den","message":text}));
        loop {
            let object = self.object();
            match object["type"].as_str() {
                Some("ack") => return true,
                Some("error") => {
                    assert_eq!(object["code"], "store_unavailable", "{object}");
                    assert!(object["retry_after_ms"].as_u64().unwrap() > 0, "{object}");
                    return false;
                }
                _ => {}
            }
        }
    }
}

/// Every text that the store has, in order, once the daemon is asked from its first number.
fn history(daemon: &Daemon, epoch: &str) -> Vec<String> {
    // Whoever read before may still be there.
    static READERS: AtomicUsize = AtomicUsize::new(0);
    let n = READERS.fetch_add(1, Ordering::Relaxed);
    let mut reader = Person::joins(daemon, &format!("reader{n}"));
    reader.says(&json!({"type":"part","room":"den"}));
    reader.hears("parted");
    reader.says(&json!({"type":"join","room":"den","since":{"epoch":epoch,"seq":0}}));
    let head = reader.hears("joined")["seq"].as_u64().unwrap();
    (0..head)
        .map(|_| {
            reader.hears("message")["message"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The same past the daemon, which may know more than its store.
fn file(daemon: &Daemon) -> Vec<String> {
    let path = daemon.config().with_file_name("history.db");
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut texts = file
        .prepare("SELECT text FROM messages ORDER BY id")
        .unwrap();
    let texts = texts.query_map([], |row| row.get(0)).unwrap();
    texts.map(Result::unwrap).collect()
}

fn epoch(daemon: &Daemon) -> String {
    let mut person = Person::joins(daemon, "asker");
    person.says(&json!({"type":"join","room":"den"}));
    person.hears("joined")["epoch"].as_str().unwrap().to_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        // What it waits for announces itself to nobody.
        succeeds(Command::new("sleep").arg("0.1"));
    }
    panic!("waited in vain: {what}");
}

fn is_ready(daemon: &Daemon) -> bool {
    let url = format!("http://{}/readyz", daemon.metrics);
    let output = Command::new("curl").args(["-sf", &url]).output().unwrap();
    output.status.success()
}

/// A small disk of its own fills up while people talk, and is emptied again.
pub(crate) fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().to_str().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=8m", "none", disk];
    succeeds(Command::new("mount").args(mount));
    let path = format!("history.path={disk}/history.db");
    let fast = "limits.message_rate=unlimited";
    let daemon = Daemon::start_by(Command::new(own("chatd")), &[&path, fast]);
    let mut alice = Person::joins(&daemon, "alice");
    let mut taken = Vec::new();
    let text = |n: usize| format!("{n} {}", "x".repeat(3000));
    let mut refused = 0;
    for n in 0..4000 {
        if alice.publishes(&text(n)) {
            taken.push(text(n));
        } else {
            refused += 1;
        }
        if refused == 3 {
            break;
        }
    }
    assert!(refused == 3, "8 MiB are full by now");
    until("it says that it is not ready", || !is_ready(&daemon));
    let health = Command::new(own("chatctl"))
        .args(["--addr", &daemon.admin.to_string()])
        .args(["--token-file", &daemon.token_file()])
        .arg("health")
        .output()
        .unwrap();
    let health = String::from_utf8(health.stdout).unwrap();
    assert!(health.contains("disk_full"), "{health}");
    let epoch = epoch(&daemon);
    assert_eq!(history(&daemon, &epoch), taken, "reading goes on");

    succeeds(Command::new("mount").args(["-o", "remount,size=64m", disk]));
    until("it recovers by itself", || is_ready(&daemon));
    assert!(alice.publishes("there is room again"));
    taken.push("there is room again".to_owned());
    assert_eq!(history(&daemon, &epoch), taken);
    drop(daemon);
    succeeds(Command::new("umount").args(["-l", disk]));
}

/// The machine goes down in the middle: what `process` promised may be gone, and numbers could come
/// twice, so they begin a new life. What `disk` promised is there.
pub(crate) fn after_another_boot_the_numbers_begin_a_new_life_unless_they_are_on_the_disk() {
    for (durability, goes_on) in [("process", false), ("disk", true)] {
        let depth = format!("history.durability={durability}");
        let path = format!("history.path=/var/lib/{durability}.db");
        let start = || Daemon::start_by(Command::new(own("chatd")), &[&depth, &path]);
        let daemon = start();
        let mut alice = Person::joins(&daemon, "alice");
        assert!(alice.publishes("before"));
        let before = epoch(&daemon);
        // Killed, and started in the same boot.
        drop(daemon);
        let daemon = start();
        assert_eq!(epoch(&daemon), before, "{durability}");
        drop(daemon);
        let other = format!("/run/{durability}-boot");
        std::fs::write(&other, format!("{durability}-another-boot\n")).unwrap();
        let boot = "/proc/sys/kernel/random/boot_id";
        succeeds(Command::new("mount").args(["--bind", &other, boot]));
        assert_eq!(epoch(&start()) == before, goes_on, "{durability}");
        succeeds(Command::new("umount").arg(boot));
    }
}

/// The n-th write or sync of the committer fails, for every n until none is hit.
pub(crate) fn each_write_may_fail_and_nobody_is_lied_to() {
    let calls = [
        ("pwrite64", "EIO", 15),
        ("pwrite64", "ENOSPC", 15),
        ("fdatasync", "EIO", 3),
    ];
    // All at once: what takes time is that a store in trouble is left alone for a second.
    std::thread::scope(|scope| {
        for (call, error, least) in calls {
            scope.spawn(move || {
                let hits = each_fails_once(call, error);
                println!("{call} {error}: {hits} hits");
                assert!(hits >= least, "only {hits} failures of {call} hit anything");
            });
        }
    });
}

/// How many failures hit something: the next one would not.
fn each_fails_once(call: &str, error: &str) -> usize {
    let fast = "limits.message_rate=unlimited";
    let settings = ["history.durability=disk", fast];
    let daemon = Daemon::start_by(Command::new(own("chatd")), &settings);
    let mut alice = Person::joins(&daemon, "alice");
    assert!(alice.publishes("before"));
    let epoch = epoch(&daemon);
    let mut taken = vec!["before".to_owned()];
    for n in 1.. {
        let failure = Failure::of_the(n, call, error, &daemon);
        for text in [1, 2, 3].map(|part| format!("line {n}.{part}")) {
            if alice.publishes(&text) {
                taken.push(text);
            } else {
                until("it recovers by itself", || is_ready(&daemon));
            }
        }
        let is_hit = failure.has_hit();
        until("it recovers by itself", || is_ready(&daemon));
        assert_eq!(history(&daemon, &epoch), taken, "{call} {error} at {n}");
        assert_eq!(file(&daemon), taken, "{call} {error} at {n}: the file");
        if !is_hit {
            return n - 1;
        }
    }
    unreachable!("numbers do not end")
}

/// One call of the committer that will fail, and strace that sees to it.
struct Failure {
    strace: Child,
    folder: TempDir,
}

impl Failure {
    fn of_the(n: usize, call: &str, error: &str, daemon: &Daemon) -> Self {
        let committer = thread_of(daemon.pid(), "committer");
        let folder = tempfile::tempdir().unwrap();
        let inject = format!("inject={call}:error={error}:when={n}");
        let strace = Command::new("strace")
            .args(["-qq", "-o"])
            .arg(folder.path().join("trace"))
            .args(["-e", &format!("trace={call}"), "-e", &inject])
            .args(["-p", &committer.to_string()])
            .spawn()
            .unwrap();
        until("strace watches", || is_traced(daemon.pid(), committer));
        Self { strace, folder }
    }

    /// Whether it happened. From here on it will not.
    fn has_hit(mut self) -> bool {
        succeeds(Command::new("kill").args(["-INT", &self.strace.id().to_string()]));
        self.strace.wait().unwrap();
        let trace = std::fs::read_to_string(self.folder.path().join("trace")).unwrap();
        trace.contains("(INJECTED)")
    }
}

/// The thread of this name.
fn thread_of(process: u32, name: &str) -> u32 {
    let folder = format!("/proc/{process}/task");
    let threads = std::fs::read_dir(folder).unwrap();
    let found = threads.map(|thread| thread.unwrap().path()).find(|path| {
        let comm = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        comm.trim() == name
    });
    let path = found.unwrap_or_else(|| panic!("there is no thread {name}"));
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

fn is_traced(process: u32, thread: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/task/{thread}/status"));
    let status = status.unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
}

/// With `disk` every ack comes after the sync that covers it; with `process` the committer never
/// syncs, and every ack comes after the write of its commit.
pub(crate) fn an_ack_comes_after_what_it_promises() {
    const MESSAGES: usize = 50;
    for (durability, syncs) in [("disk", true), ("process", false)] {
        let setting = format!("history.durability={durability}");
        let settings = [setting.as_str(), "limits.message_rate=unlimited"];
        let daemon = Daemon::start_by(Command::new(own("chatd")), &settings);
        let mut alice = Person::joins(&daemon, "alice");
        assert!(alice.publishes("before"));
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-s", "64", "-y", "-o"])
            .arg(&trace)
            .args([
                "-e",
                "trace=pwrite64,fdatasync,fsync,sendto,write,writev,sendmsg",
            ])
            .args(["-p", &daemon.pid().to_string()])
            .spawn()
            .unwrap();
        let committer = thread_of(daemon.pid(), "committer");
        until("strace watches", || is_traced(daemon.pid(), committer));
        for n in 0..MESSAGES {
            assert!(alice.publishes(&format!("line {n}")));
        }
        succeeds(Command::new("kill").args(["-INT", &strace.id().to_string()]));
        strace.wait().unwrap();
        judge(&trace, committer, syncs, MESSAGES);
    }
}

fn judge(trace: &Path, committer: u32, syncs: bool, messages: usize) {
    let text = std::fs::read_to_string(trace).unwrap();
    let (mut is_kept, mut acks, mut synced) = (false, 0, 0);
    for line in text.lines() {
        let is_committer = line.starts_with(&committer.to_string());
        let is_done = !line.contains("unfinished");
        if is_committer && line.contains("sync") {
            synced += 1;
            is_kept |= syncs && is_done;
        }
        if is_committer && line.contains("pwrite64") && line.contains("-wal") {
            // Everything before the last sync, or the last write, is what counts.
            is_kept = !syncs;
        }
        // Answers are JSON; strace shows their quotes escaped.
        if line.contains("\\\"type\\\":\\\"ack\\\"") {
            acks += 1;
            assert!(is_kept, "an ack before its commit: {line}");
            is_kept = false;
        }
    }
    assert!(acks >= messages, "only {acks} acks were seen of {messages}");
    if syncs {
        assert!(synced >= messages, "{synced} syncs for {messages} messages");
    } else {
        assert_eq!(synced, 0, "the committer waited for the disk");
    }
}
