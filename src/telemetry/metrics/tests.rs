use std::collections::BTreeSet;

use super::*;
use crate::close::{CloseReason, Refusal};
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
        workers_busy: vec![Duration::from_millis(1500), Duration::from_millis(250)],
        ..Gauges::default()
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
    for reason in CloseReason::ALL {
        assert_line(
            &text,
            &format!("chatd_connections_closed_total{{reason=\"{reason}\"}} 0"),
        );
    }
    for reason in Refusal::ALL {
        assert_line(
            &text,
            &format!("chatd_connections_refused_total{{reason=\"{reason}\"}} 0"),
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
    meter.closed.count(CloseReason::Kicked as usize);
    meter.delivery_latency.observe(Duration::from_micros(60), 2);
    meter.delivery_latency.observe(Duration::from_secs(60), 1);
    let mut gauges = quiet();
    gauges.phase = Phase::Ready;
    gauges.by_dialect[1].1 = 7;
    gauges.lag_max = Duration::from_millis(1500);
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
    meter.refused.count(Refusal::ServerFull as usize);
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
