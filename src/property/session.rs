//! Three people at one lane.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::json::Tree;
use crate::escape::visible;
use crate::hub::Hub;
use crate::lane::{ARRIVALS, Arrival, Peer, Start, run};
use crate::limits::{ENVELOPE, Limits};
use crate::name::RoomName;
use crate::phase::Phase;
use crate::wire::{DAEMON, WILL_TIMING_MARK};

/// Between two steps.
const NEXT: u8 = 0x1e;
/// More steps tell nothing new.
const STEPS: usize = 64;
/// Bytes that each person's connection holds unread: two that read well, and a slow one.
const ROOM: [usize; 3] = [64 * 1024, 64 * 1024, 256];
/// How long somebody may take to begin, and how long a step takes that is none.
const HELLO: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(3);
const HOUR: Duration = Duration::from_secs(3600);

/// Whatever three people send, in whatever pieces, and whenever they hang up: what each hears is
/// whole valid lines of one dialect, in order, with the farewell last; who has not ended a line
/// hears nothing but what others say; and when all have gone, nothing is left of them.
///
/// The input is steps with the byte 0x1e between. A step is a letter and bytes: `A`, `B`, `C` say
/// the bytes, `a`, `b`, `c` hang up, anything else lets time pass: longer than a
/// first line may take.
pub fn session(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, perform(input));
}

/// Narrow limits, so that they are met.
fn limits() -> Limits {
    Limits {
        line: 1024,
        message: 300,
        bad_lines: 5,
        rooms_per_client: 3,
        unacked: 8,
        outbox: 8 * 1024,
        recent_messages: 16,
        hello_timeout: HELLO,
        line_timeout: HOUR,
        ..Limits::default()
    }
}

async fn perform(input: &[u8]) {
    let limits = limits();
    let lobby = RoomName::new("lobby").expect("a name");
    let hub = Hub::new("test", limits.clone(), lobby, || 1_700_000_000_000);
    hub.open_default_room().expect("room for one room");
    let (door, arrivals) = mpsc::channel(ARRIVALS);
    let lane = spawn_local(run(Start {
        hub: hub.clone(),
        mailbox: Arc::default(),
        number: 0,
        handouts: hub.log.subscribe(1).remove(0),
        arrivals,
    }));
    hub.set_phase(Phase::Ready);
    let mut guests = Vec::new();
    for room in ROOM {
        guests.push(Guest::arrive(&hub, &door, room).await);
    }
    for step in input.split(|byte| *byte == NEXT).take(STEPS) {
        let Some((who, bytes)) = step.split_first() else {
            continue;
        };
        match who {
            b'A'..=b'C' => guests[usize::from(who - b'A')].says(bytes).await,
            b'a'..=b'c' => guests[usize::from(who - b'a')].hangs_up(),
            _ => sleep(PAUSE).await,
        }
        settle().await;
    }
    for guest in &guests {
        guest.heard_nothing_of_its_own(&limits);
    }
    for guest in &mut guests {
        guest.goes().await;
        guest.heard_whole_lines(&limits);
    }
    let left = timeout(HOUR, hub.empty()).await;
    assert!(left.is_ok(), "{} sessions are left", hub.sessions());
    assert_eq!(hub.gauges().listeners, 0);
    for name in guests.iter().flat_map(Guest::names) {
        assert!(hub.by_nick(&name).is_empty(), "{name} is not free");
    }
    hub.set_phase(Phase::Stopped);
    let ended = timeout(HOUR, lane).await;
    assert!(ended.is_ok_and(|ended| ended.is_ok()), "the lane goes on");
    assert_eq!(hub.gauges().buffer_bytes, 0);
}

/// Lets everything happen that can happen now: paused time moves only when nobody has work.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

struct Guest {
    /// None after hanging up.
    write: Option<WriteHalf<DuplexStream>>,
    reader: JoinHandle<()>,
    said: Vec<u8>,
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Guest {
    async fn arrive(hub: &Arc<Hub>, door: &mpsc::Sender<Arrival>, room: usize) -> Self {
        let (here, there) = tokio::io::duplex(room);
        let addr = ([127, 0, 0, 1], 9).into();
        let arrival = Arrival {
            peer: Peer::Memory(there),
            addr,
            place: hub.admit(addr.ip()),
        };
        let taken = door.send(arrival).await;
        assert!(taken.is_ok(), "the lane takes it in");
        let (read, write) = tokio::io::split(here);
        let heard = Rc::default();
        Self {
            write: Some(write),
            reader: spawn_local(listen(read, Rc::clone(&heard))),
            said: Vec::new(),
            heard,
        }
    }

    /// Says what the other side takes within a second.
    async fn says(&mut self, bytes: &[u8]) {
        if let Some(write) = &mut self.write {
            self.said.extend_from_slice(bytes);
            let _ = timeout(Duration::from_secs(1), write.write_all(bytes)).await;
        }
    }

    fn hangs_up(&mut self) {
        self.write = None;
        self.reader.abort();
    }

    /// Stops talking and hears the rest.
    async fn goes(&mut self) {
        if let Some(write) = &mut self.write {
            let _ = write.shutdown().await;
            let ended = timeout(HOUR, &mut self.reader).await;
            assert!(ended.is_ok(), "who stops talking is not let go");
        }
    }

    /// Who has not ended a line, and may still do so, hears what others say to the default room.
    fn heard_nothing_of_its_own(&self, limits: &Limits) {
        if self.write.is_none() || self.said.contains(&b'\n') || self.said.len() > limits.line {
            return;
        }
        let heard = self.heard.borrow();
        for line in &whole_lines(&heard) {
            let line = Tree::of_daemon(line);
            if !self.said.is_empty() && line.text("code") == Some("hello_timeout") {
                continue;
            }
            assert_eq!(line.keys(), ["username", "message"], "it speaks first");
            let skipped = line
                .text("message")
                .is_some_and(|text| text.contains("skipped"));
            assert!(
                line.text("username") != Some(DAEMON) || skipped,
                "it speaks first"
            );
        }
    }

    fn heard_whole_lines(&self, limits: &Limits) {
        if self.write.is_some() {
            judge(&whole_lines(&self.heard.borrow()), limits);
        }
    }

    /// The names that it was given.
    fn names(&self) -> Vec<String> {
        let heard = self.heard.borrow();
        let named = |line: &str| {
            let tree = Tree::read(line.as_bytes())?;
            let is_name = matches!(tree.text("type"), Some("welcome" | "nick"));
            tree.text("username").filter(|_| is_name).map(str::to_owned)
        };
        let text = String::from_utf8_lossy(&heard);
        text.lines().filter_map(named).collect()
    }
}

async fn listen(mut read: ReadHalf<DuplexStream>, heard: Rc<RefCell<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        heard.borrow_mut().extend_from_slice(&buffer[..count]);
    }
}

/// The lines, and nothing half. Telnet's marks stand between them and are no lines.
fn whole_lines(heard: &[u8]) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut rest = heard;
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(&WILL_TIMING_MARK) {
            Some(after) => rest = after,
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let text = String::from_utf8(bytes).expect("what is heard is UTF-8");
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.pop().as_deref(), Some(""), "half a line in {text:?}");
    lines
}

/// One dialect, whole lines in order, the farewell last.
fn judge(lines: &[String], limits: &Limits) {
    let (mut is_text, mut has_ended) = (false, false);
    let mut heads = HashMap::new();
    for line in lines {
        assert!(!has_ended, "after the farewell: {line:?}");
        assert!(line.len() <= limits.line + ENVELOPE, "{} bytes", line.len());
        assert!(!line.contains(char::is_control), "{line:?}");
        if !line.starts_with('{') {
            is_text = true;
            assert!(line.starts_with(['<', '*', '!', '-', '[']), "{line:?}");
            assert_eq!(&visible(line), line);
            continue;
        }
        assert!(!is_text, "an object among text: {line:?}");
        let object = Tree::of_daemon(line);
        has_ended = object.text("type") == Some("bye");
        is_next(&object, &mut heads);
    }
}

/// Numbers follow each other in each room, but for what a gap names.
fn is_next(line: &Tree<'_>, heads: &mut HashMap<String, i64>) {
    let Some(room) = line.text("room") else {
        return;
    };
    match line.text("type") {
        Some("joined") => {
            // Who is in the room already is answered, and nothing moves.
            let seq = line.number("seq").expect("a number");
            heads.entry(room.to_owned()).or_insert(seq);
        }
        Some("parted") => drop(heads.remove(room)),
        Some("gap") => {
            let to = line.number("to").unwrap_or(-1);
            heads.insert(room.to_owned(), to);
        }
        Some("message") => {
            let seq = line.number("seq").expect("a number");
            let head = heads.insert(room.to_owned(), seq).expect("joined first");
            assert!(head < 0 || seq == head + 1, "{seq} after {head}");
        }
        _ => {}
    }
}
