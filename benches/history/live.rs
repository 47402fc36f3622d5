//! A few who talk, and how long each of their messages is on its way.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::chatd::Chatd;

const ROOM: &str = "live";
/// Members besides the one who speaks.
const LISTENERS: usize = 8;
/// What is read is looked at least so often, to see whether it is over.
const GLANCE: Duration = Duration::from_millis(50);

/// Talk that goes on until it is ended.
pub(crate) struct Live {
    is_over: Arc<AtomicBool>,
    speaker: JoinHandle<()>,
    listeners: Vec<JoinHandle<Histogram<u64>>>,
}

impl Live {
    /// One speaks so many times a second; everybody hears the first words before this returns.
    pub(crate) fn begin(chatd: &Chatd, rate: u32) -> Self {
        let begin = Instant::now();
        let is_over = Arc::new(AtomicBool::new(false));
        let listeners: Vec<TcpStream> = (0..LISTENERS)
            .map(|n| chatd.joined(ROOM, &format!("listener{n}")).0)
            .collect();
        let speaker = chatd.joined(ROOM, "speaker").0;
        let listeners = listeners.into_iter().map(|stream| {
            let is_over = is_over.clone();
            thread::spawn(move || listen(stream, begin, &is_over))
        });
        let listeners = listeners.collect();
        let over = is_over.clone();
        let speaker = thread::spawn(move || speak(speaker, begin, rate, &over));
        Self {
            is_over,
            speaker,
            listeners,
        }
    }

    /// From due to heard, in nanoseconds, of everything that was heard meanwhile.
    pub(crate) fn end(self) -> Histogram<u64> {
        self.is_over.store(true, Ordering::Release);
        self.speaker.join().unwrap();
        let mut all = Histogram::new(3).unwrap();
        for listener in self.listeners {
            all.add(listener.join().unwrap()).unwrap();
        }
        all
    }
}

/// Each text is when it was due: a late speaker does not hide a late hearing.
fn speak(mut stream: TcpStream, begin: Instant, rate: u32, is_over: &AtomicBool) {
    let mut due = begin.elapsed();
    let mut heard = stream.try_clone().unwrap();
    // Its own messages and acks come back; nobody needs them.
    thread::spawn(move || std::io::copy(&mut heard, &mut std::io::sink()));
    while !is_over.load(Ordering::Acquire) {
        due += Duration::from_secs(1) / rate;
        if let Some(wait) = due.checked_sub(begin.elapsed()) {
            thread::sleep(wait);
        }
        let due = due.as_nanos();
        let line =
            format!("{{\"type\":\"message\",\"room\":\"{ROOM}\",\"message\":\"due {due} .\"}}\n");
        stream.write_all(line.as_bytes()).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Both).unwrap();
}

fn listen(stream: TcpStream, begin: Instant, is_over: &AtomicBool) -> Histogram<u64> {
    stream.set_read_timeout(Some(GLANCE)).unwrap();
    let mut lines = BufReader::new(stream);
    let mut delays = Histogram::new(3).unwrap();
    let mut line = String::new();
    while !is_over.load(Ordering::Acquire) {
        match lines.read_line(&mut line) {
            Ok(0) => panic!("sent away: {line}"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            other => other.unwrap(),
        };
        let now = begin.elapsed().as_nanos() as u64;
        let text = line.split_once("\"due ").map(|(_, rest)| rest);
        let due = text.and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        if let Some(due) = due {
            delays.record(now.saturating_sub(due)).unwrap();
        }
        line.clear();
    }
    delays
}
