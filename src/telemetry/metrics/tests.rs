use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::close::{CloseReason, Ending, Refusal};
use crate::fault::Rejection;
use crate::meter::Meter;
use crate::phase::Phase;

const BUILD: Build = Build {
    version: "1.2.3",
    revision: "abc",
    rustc: "1.95.0",
};

fn quiet() -> Gauges {
    Gauges {
        by_dialect: vec![("none", 0), ("basic", 0)],
        by_state: vec![("new", 0), ("live", 0)],
        config_reloads: vec![("applied", 0), ("rejected", 0)],
        admin_requests: vec![AdminRequests {
            access: "read",
            result: "ok",
            count: 0,
        }],
        watchdog_probes: vec![("ok", 0)],
        workers: [1500, 250].map(worker).into(),
        ..Gauges::default()
    }
}

fn worker(busy_ms: u64) -> Worker {
    Worker {
        busy: Duration::from_millis(busy_ms),
        ..Worker::default()
    }
}

fn render(totals: &Totals, gauges: &Gauges) -> String {
    Metrics::new(&BUILD, &quiet()).render(totals, gauges)
}

/// The names and labels of all series.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(
        text.lines().any(|other| other == line),
        "no line {line:?} in\n{text}"
    );
}

#[test]
fn everything_is_there_at_zero_from_the_start() {
    let text = render(&Totals::of([]), &quiet());
    let closed = Ending::all().map(|one| ("connections_closed", one.words()));
    let refused = Refusal::all().map(|one| ("connections_refused", one.words()));
    let rejected = Rejection::all().map(|one| ("messages_rejected", one.words()));
    for (family, [reason, detail]) in closed.chain(refused).chain(rejected) {
        let detail = match detail {
            "" => String::new(),
            detail => format!(",detail=\"{detail}\""),
        };
        assert_line(
            &text,
            &format!("chatd_{family}_total{{reason=\"{reason}\"{detail}}} 0"),
        );
    }
    assert_line(&text, "chatd_delivery_latency_seconds_count 0");
    assert_line(&text, "chatd_phase{phase=\"starting\"} 1");
    assert_line(
        &text,
        "chatd_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95.0\"} 1",
    );
}

#[test]
fn the_sums_and_the_state_are_shown() {
    let meter = Meter::default();
    meter.accepted.add(3);
    meter.bytes_out.add(1 << 40);
    let kicked = Ending::from(CloseReason::Kicked);
    meter.closed.count(kicked.index());
    let latency = &meter.delivery_latency;
    latency.observe_time(Duration::from_micros(60), 2);
    meter.message_size.observe(300, 1);
    meter.paced_micros.add(250_000);
    latency.observe_time(Duration::from_secs(60), 1);
    let mut gauges = quiet();
    gauges.phase = Phase::Ready;
    gauges.by_dialect[1].1 = 7;
    gauges.lag_max = Duration::from_millis(1500);
    gauges.lag_messages_top = [9.0, 4.0, 0.0, 0.0, 0.0];
    let text = render(&Totals::of([&meter]), &gauges);
    for line in [
        "chatd_connections_accepted_total 3",
        "chatd_network_sent_bytes_total 1099511627776",
        "chatd_connections_closed_total{reason=\"kicked\"} 1",
        "chatd_delivery_latency_seconds_bucket{le=\"0.00005\"} 0",
        "chatd_delivery_latency_seconds_bucket{le=\"0.0001\"} 2",
        "chatd_delivery_latency_seconds_bucket{le=\"5\"} 2",
        "chatd_delivery_latency_seconds_bucket{le=\"+Inf\"} 3",
        "chatd_delivery_latency_seconds_sum 60.00012",
        "chatd_delivery_latency_seconds_count 3",
        "chatd_phase{phase=\"ready\"} 1",
        "chatd_phase{phase=\"starting\"} 0",
        "chatd_ready 1",
        "chatd_connections_by_dialect{dialect=\"basic\"} 7",
        "chatd_lag_seconds_max 1.5",
        "chatd_lag_messages{rank=\"2\"} 4",
        "chatd_lag_messages{rank=\"5\"} 0",
        "chatd_message_size_bytes_bucket{le=\"256\"} 0",
        "chatd_message_size_bytes_bucket{le=\"1024\"} 1",
        "chatd_message_size_bytes_sum 300",
        "chatd_paced_seconds_total 0.25",
        "chatd_runtime_workers 2",
        "chatd_runtime_busy_seconds_total 1.75",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn a_busy_daemon_has_the_series_of_a_quiet_one() {
    let metrics = Metrics::new(&BUILD, &quiet());
    let before = metrics.render(&Totals::of([]), &quiet());
    let meter = Meter::default();
    meter.accepted.add(1000);
    meter.refused.count(Refusal::ServerFull.index());
    let after = metrics.render(&Totals::of([&meter]), &quiet());
    assert_eq!(series(&before), series(&after));
    assert!(series(&before).len() > 100);
}

#[test]
fn names_follow_the_habits_of_prometheus() {
    let text = render(&Totals::of([]), &quiet());
    let types: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(types.len() > 50);
    for line in types {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name} is a {kind}"
        );
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} has no help"
        );
        assert!(
            name.starts_with("chatd_") || name.starts_with("process_"),
            "{name}"
        );
    }
}
