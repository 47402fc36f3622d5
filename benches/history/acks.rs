//! Publish to ack, with so many under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use crate::chatd::Chatd;
use crate::nats::Nats;
use crate::{Acks, TEXT};

const ROOM: &str = "room";

/// What is measured: its name, and one run of it.
type Subject<'a> = (&'static str, Box<dyn Fn(&Path) -> f64 + 'a>);

pub(crate) fn run(order: &Acks) {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for durability in ["none", "process", "disk"] {
        subjects.push((
            durability,
            Box::new(move |folder| {
                let chatd = Chatd::start(folder, durability);
                let line = format!(
                    "{{\"type\":\"message\",\"room\":\"{ROOM}\",\"message\":\"{TEXT}\"}}\n"
                );
                rate(
                    chatd.member(ROOM),
                    line.as_bytes(),
                    b"{\"type\":\"ack\"",
                    order,
                )
            }),
        ));
    }
    for (name, sync) in [("jetstream", None), ("jetstream always", Some("always"))] {
        if let Some(program) = &order.nats {
            subjects.push((
                name,
                Box::new(move |folder| {
                    let nats = Nats::start(program, folder, sync);
                    let line = format!("PUB s inbox {}\r\n{TEXT}\r\n", TEXT.len());
                    rate(nats.author(), line.as_bytes(), b"MSG inbox ", order)
                }),
            ));
        }
    }
    let mut rates = vec![Vec::new(); subjects.len()];
    // In turn, so that what the machine does meanwhile hits all of them.
    for _ in 0..order.rounds {
        for ((_, measure), rates) in subjects.iter().zip(&mut rates) {
            let folder = match &order.folder {
                Some(folder) => tempfile::tempdir_in(folder).unwrap(),
                None => tempfile::tempdir().unwrap(),
            };
            rates.push(measure(folder.path()));
        }
    }
    let medians: Vec<f64> = rates.into_iter().map(median).collect();
    for ((name, _), median) in subjects.iter().zip(&medians) {
        println!("{name:>16}: {median:>9.0} acks/s");
    }
    println!("process / none: {:.2}", medians[1] / medians[0]);
    if let [_, process, disk, default, always] = medians[..] {
        println!("process / jetstream: {:.2}", process / default);
        println!("disk / jetstream always: {:.1}", disk / always);
    }
}

/// Acknowledged messages in a second.
fn rate(mut stream: TcpStream, line: &[u8], ack: &[u8], order: &Acks) -> f64 {
    let (mut sent, mut acked) = (0, 0);
    let mut heard = vec![0; 1 << 18];
    let mut tail = Vec::new();
    let begin = Instant::now();
    while acked < order.count {
        let more = order
            .window
            .saturating_sub(sent - acked)
            .min(order.count - sent);
        if more > 0 {
            stream.write_all(&line.repeat(more as usize)).unwrap();
            sent += more;
        }
        let count = stream.read(&mut heard).unwrap();
        assert_ne!(count, 0, "the server closed after {acked} acks");
        tail.extend_from_slice(&heard[..count]);
        let whole = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
        let marks = memchr::memmem::find_iter(&tail[..whole], ack);
        acked += marks.count() as u64;
        tail.drain(..whole);
    }
    order.count as f64 / begin.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
