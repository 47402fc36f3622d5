//! How soon the control plane answers, and what that costs the chat.
//!
//! It serves one promise: `chatctl status` answers while every worker is saturated, and with a thousand
//! stalled operators, or a thousand readers of events who have stalled, chat is not slower. A real
//! daemon with two workers has 1,000 listeners in a room, as many speakers as it takes to keep both
//! busy, and some who make a thousand mistakes a second, so that there are events to tell; beside it one
//! operator asks for the status twenty times a second, on a connection of its own each time.
//!
//! `cargo bench --bench control`; `-- --seconds 5` says how long each of the five parts takes.
//! CHATD_BIN_DIR names a folder with another chatd.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark lives by the real clock"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const LISTENERS: usize = 1_000;
const SPEAKERS: usize = 8;
const STALLED: usize = 1_000;
/// Messages that a speaker has unanswered.
const WINDOW: usize = 100;
const EVERY: Duration = Duration::from_millis(50);
/// Who makes mistakes.
const CLUMSY: usize = 8;
/// Of one of them, at once, and how often.
const MISTAKES: (usize, Duration) = (3, Duration::from_millis(24));
/// The same in a hurry, as often as it goes.
const HURRIED: usize = 500;
/// Events that a reader has not been told of when it has stalled for good.
const MISSED: f64 = 10.0;
/// How long readers of events may take until then.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let seconds = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--seconds"), Some(seconds)) => seconds.parse().unwrap(),
        _ => 10,
    };
    let time = Duration::from_secs(seconds);
    let daemon = Daemon::start();
    let crowd = Crowd::of(daemon.chat);
    thread::sleep(time / 4); // Until it has settled.

    println!("{LISTENERS} listeners, {SPEAKERS} speakers, 2 workers, {seconds} s each\n");
    println!("| | deliveries/s | workers busy | status p50 ms | p99 ms | max ms |");
    println!("|---|---:|---:|---:|---:|---:|");
    part("nobody asks", &daemon, time, false);
    part("an operator asks 20 times a second", &daemon, time, true);
    let stalled = stall(&daemon.admin);
    part("and 1,000 operators have stalled", &daemon, time, true);
    drop(stalled);
    let readers = stall_readers_of_events(&daemon, &crowd);
    let name = "and 1,000 readers of events have stalled";
    part(name, &daemon, time, true);
    drop(readers);
    // What differs from the second line is the machine's own.
    part("and nobody has stalled any more", &daemon, time, true);
    crowd.leave();
}

fn part(name: &str, daemon: &Daemon, time: Duration, asks: bool) {
    let before = daemon.busy();
    let begun = Instant::now();
    let mut answers = Vec::new();
    while begun.elapsed() < time {
        if asks {
            let asked = Instant::now();
            daemon.status();
            answers.push(asked.elapsed());
        }
        thread::sleep(EVERY);
    }
    let took = begun.elapsed().as_secs_f64();
    let after = daemon.busy();
    let rate = (after.0 - before.0) / took;
    let busy = (after.1 - before.1) / took / 2.0;
    answers.sort_unstable();
    let at = |part: f64| match answers.len() {
        0 => "-".to_owned(),
        many => {
            let place = ((many - 1) as f64 * part).round() as usize;
            format!("{:.2}", answers[place].as_secs_f64() * 1e3)
        }
    };
    println!(
        "| {name} | {rate:.0} | {:.0} % | {} | {} | {} |",
        busy * 100.0,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Operators who ask for much and read nothing.
fn stall(admin: &Path) -> Vec<UnixStream> {
    let question = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"config.show\"}\n".repeat(100);
    let one = |_| {
        let mut operator = UnixStream::connect(admin).unwrap();
        operator.set_nonblocking(true).unwrap();
        // Whoever has lost the seat already cannot be told anything.
        let _ = operator.write(question.as_bytes());
        operator
    };
    (0..STALLED).map(one).collect()
}

/// Operators who want to be told of everything that happens, and stop reading after the first line.
fn stall_readers_of_events(daemon: &Daemon, crowd: &Crowd) -> Vec<UnixStream> {
    let question = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\"}\n";
    let one = |_| {
        let mut operator = UnixStream::connect(&daemon.admin).unwrap();
        operator.write_all(question.as_bytes()).unwrap();
        let mut lines = BufReader::with_capacity(64, operator.try_clone().unwrap()).lines();
        let answer = lines.next().unwrap().unwrap();
        assert!(answer.contains("\"streaming\":true"), "{answer}");
        operator
    };
    let before = daemon.events().1;
    let readers: Vec<_> = (0..STALLED).map(one).collect();
    crowd.hurry.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    loop {
        let (listening, lost) = daemon.events();
        assert_eq!(listening, STALLED as f64, "readers of events");
        if lost - before > STALLED as f64 * MISSED {
            crowd.hurry.store(false, Ordering::Relaxed);
            return readers;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "they are told of everything: {lost}"
        );
        thread::sleep(EVERY);
    }
}

struct Daemon {
    child: Child,
    chat: SocketAddr,
    metrics: SocketAddr,
    admin: PathBuf,
    _folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var_os("CHATD_BIN_DIR").map_or_else(
            || PathBuf::from(env!("CARGO_BIN_EXE_chatd")),
            |folder| Path::new(&folder).join("chatd"),
        );
        let mut command = Command::new(program);
        for key in [
            "server.listen=[\"127.0.0.1:0\"]",
            "server.workers=2",
            "admin.listen=",
            "metrics.listen=127.0.0.1:0",
            "log.level=warn",
            "limits.clients_per_address=unlimited",
            "limits.connect_rate=unlimited",
            "limits.message_rate=unlimited",
            "limits.request_rate=unlimited",
        ] {
            command.args(["--set", key]);
        }
        command
            .env("RUNTIME_DIRECTORY", folder.path())
            .env("STATE_DIRECTORY", folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let place = |name: &str| {
            let start = line.split_once(&format!(" {name}=")).unwrap().1;
            start.split_whitespace().next().unwrap().to_owned()
        };
        Self {
            child,
            chat: place("chat").parse().unwrap(),
            metrics: place("metrics").parse().unwrap(),
            admin: place("admin_socket").into(),
            _folder: folder,
        }
    }

    /// Asks as `chatctl status` does, without the start of a program.
    fn status(&self) {
        let mut operator = UnixStream::connect(&self.admin).unwrap();
        operator
            .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n")
            .unwrap();
        let mut line = String::new();
        BufReader::new(operator).read_line(&mut line).unwrap();
        assert!(line.contains("\"phase\":\"ready\""), "{line}");
    }

    /// Deliveries and seconds of busy workers, so far.
    fn busy(&self) -> (f64, f64) {
        let [live, replayed, busy] = self.numbers([
            "chatd_deliveries_total",
            "chatd_replayed_total",
            "chatd_runtime_busy_seconds_total",
        ]);
        (live + replayed, busy)
    }

    /// Readers of events now, and events that some of them have not been told, so far.
    fn events(&self) -> (f64, f64) {
        let [listening, lost] = self.numbers(["chatd_event_listeners", "chatd_events_lost_total"]);
        (listening, lost)
    }

    fn numbers<const N: usize>(&self, names: [&str; N]) -> [f64; N] {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        names.map(|name| {
            let mut lines = text.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            found.unwrap().parse().unwrap()
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A room in which nobody is ever silent.
struct Crowd {
    enough: Arc<AtomicBool>,
    /// Whether mistakes are made as fast as it goes.
    hurry: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(chat: SocketAddr) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let listeners: Vec<_> = (0..LISTENERS)
            .map(|n| arrive(chat, &format!("l{n}"), true))
            .collect();
        let mut threads = vec![drain(listeners, enough.clone())];
        let hurry = Arc::<AtomicBool>::default();
        for n in 0..CLUMSY {
            let clumsy = arrive(chat, &format!("c{n}"), false);
            let (enough, hurry) = (enough.clone(), hurry.clone());
            threads.push(thread::spawn(move || err(clumsy, &enough, &hurry)));
        }
        for n in 0..SPEAKERS {
            let speaker = arrive(chat, &format!("s{n}"), true);
            let enough = enough.clone();
            threads.push(thread::spawn(move || talk(speaker, &enough)));
        }
        Self {
            enough,
            hurry,
            threads,
        }
    }

    fn leave(self) {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn arrive(chat: SocketAddr, name: &str, joins: bool) -> TcpStream {
    let mut stream = TcpStream::connect(chat).unwrap();
    let hello = json!({"type": "hello", "version": 1, "username": name, "join": joins, "caps": []});
    stream.write_all(format!("{hello}\n").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let welcome: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    stream
}

/// Reads for all listeners, so that the kernel's buffers do not fill.
fn drain(listeners: Vec<TcpStream>, enough: Arc<AtomicBool>) -> JoinHandle<()> {
    for listener in &listeners {
        listener.set_nonblocking(true).unwrap();
    }
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 18];
        while !enough.load(Ordering::Relaxed) {
            for mut listener in &listeners {
                let _ = listener.read(&mut bytes);
            }
        }
    })
}

/// Makes mistakes, never two in a row, and hears each answer before the next ones: nothing of a
/// hurry is left to do when it is over.
fn err(mut clumsy: TcpStream, enough: &AtomicBool, hurry: &AtomicBool) {
    let mut answers = BufReader::new(clumsy.try_clone().unwrap()).lines();
    let (at_once, pause) = MISTAKES;
    while !enough.load(Ordering::Relaxed) {
        let hurries = hurry.load(Ordering::Relaxed);
        let count = if hurries { HURRIED } else { at_once };
        // A ping between two of them: too many in a row would end the session.
        let lines = "{\"type\":\"dance\"}\n{\"type\":\"ping\"}\n".repeat(count);
        clumsy.write_all(lines.as_bytes()).unwrap();
        for _ in 0..2 * count {
            answers.next().unwrap().unwrap();
        }
        if !hurries {
            thread::sleep(pause);
        }
    }
    clumsy.shutdown(std::net::Shutdown::Both).unwrap();
}

/// Says something whenever fewer than [`WINDOW`] messages are unanswered.
fn talk(mut speaker: TcpStream, enough: &AtomicBool) {
    let mut lines = BufReader::new(speaker.try_clone().unwrap());
    let line = format!(
        "{}\n",
        json!({"type": "message", "message": "x".repeat(128)})
    );
    let mut line_in = String::new();
    while !enough.load(Ordering::Relaxed) {
        speaker.write_all(line.repeat(WINDOW).as_bytes()).unwrap();
        let mut unanswered = WINDOW;
        while unanswered > 0 {
            line_in.clear();
            lines.read_line(&mut line_in).unwrap();
            unanswered -= usize::from(line_in.contains("\"type\":\"ack\""));
        }
    }
}
