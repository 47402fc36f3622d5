//! Everybody comes back at once after a restart, while others talk.
//!
//! The daemon starts on a store, a few talk in a room of their own, and a crowd comes into another room:
//! each connects, says hello and joins; with `since`, each has missed some messages, and the storm is over
//! when the last one has them. The daemon has one processor and the load another; the crowd's thread gives
//! way to those whose delays are measured.

use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Storm;
use crate::chatd::Chatd;
use crate::crowd::{Crowd, Missed};
use crate::live::Live;
use crate::machine::{cpus, on_cpus};
use crate::pages::{self, ROOM};

/// What one storm did to those who talked.
struct Weather {
    delays: Histogram<u64>,
    lasted: Duration,
}

pub(crate) fn run(order: &Storm) {
    allow_many_descriptors();
    let folder = tempfile::tempdir().unwrap();
    pages::build(folder.path(), order.messages);
    let mut p99 = [Vec::new(), Vec::new()];
    for _ in 0..order.rounds {
        for (since, p99) in [false, true].into_iter().zip(&mut p99) {
            let weather = storm(folder.path(), order, since);
            let ms = |quantile: f64| weather.delays.value_at_quantile(quantile) as f64 / 1e6;
            println!(
                "{:>13}: {} came in {:.2} s, {} heard live, p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
                if since { "with since" } else { "without since" },
                order.clients,
                weather.lasted.as_secs_f64(),
                weather.delays.len(),
                ms(0.5),
                ms(0.99),
                weather.delays.max() as f64 / 1e6
            );
            p99.push(ms(0.99));
        }
    }
    let [without, with] = p99.map(median);
    println!("live p99 with since / without: {:.2}", with / without);
}

fn storm(folder: &Path, order: &Storm, since: bool) -> Weather {
    let all = cpus();
    let (server, load) = match all[..] {
        [first, ref rest @ ..] if !rest.is_empty() => (vec![first], rest.to_vec()),
        _ => (all.clone(), all.clone()),
    };
    let settings = [
        "limits.clients_per_address=unlimited",
        "limits.connect_rate=unlimited",
    ];
    let chatd = on_cpus(&server, || Chatd::start_with(folder, "process", &settings));
    on_cpus(&load, || {
        let missed = since.then(|| Missed::of(&chatd, ROOM, order.messages, order.missed));
        // What the look at the missed brought into memory is not to help the crowd.
        let chatd = match &missed {
            None => chatd,
            Some(_) => {
                drop(chatd);
                on_cpus(&server, || Chatd::start_with(folder, "process", &settings))
            }
        };
        let live = Live::begin(&chatd, order.rate);
        let mut crowd = Crowd::new(&chatd.address, ROOM);
        let begin = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Those who listen run before it, as if they were on another machine.
                let _ = rustix::process::nice(10);
                crowd.gather(order.clients, missed.as_ref());
            });
        });
        let lasted = begin.elapsed();
        let delays = live.end();
        Weather { delays, lasted }
    })
}

fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
