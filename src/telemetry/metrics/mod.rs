//! The numbers of the daemon in Prometheus' text form.
//!
//! Nothing here is on anybody's hot path: the data plane counts in its own [`crate::meter`], and at a
//! scrape the sums are published to the exporter's recorder through handles that are kept. To add
//! a number: a line in `catalogue.rs`.
//!
//! - Every series exists from the start, at 0; label values come from closed sets only.
//! - The recorder belongs to this object and is not global, so that nothing is counted by accident
//!   and two daemons in one process (tests) do not mix.
//! - Histograms are summed in buckets by the meters themselves; the recorder cannot take those, nor
//!   counters with fractions, so they are written out here. The recorder holds no histogram, and so
//!   needs no upkeep.

mod catalogue;
mod gauges;

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::build::Build;
use crate::meter::{HistogramTotals, Totals};
use catalogue::{Family, Kind, families};
pub use gauges::{AdminRequests, Gauges, HistoryGauges, Worker};

/// The Content-Type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The numbers of one daemon.
pub struct Metrics {
    recorder: PrometheusRecorder,
    /// One for each series of the catalogue, in its order.
    handles: Vec<Handle>,
    process: metrics_process::Collector,
}

enum Handle {
    Counter(Counter),
    Gauge(Gauge),
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("series", &self.handles.len())
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every series. The label values of `gauges` are those that every later scrape has.
    pub fn new(build: &Build, gauges: &Gauges) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let process = metrics_process::Collector::default();
        with_local_recorder(&recorder, || process.describe());
        register(&recorder, &of_start())
            .iter()
            .for_each(|handle| handle.publish(unix_now()));
        register(&recorder, &of_build(build))
            .iter()
            .for_each(|handle| handle.publish(1.0));
        let handles = families(&Totals::of([]), gauges)
            .iter()
            .flat_map(|family| register(&recorder, family))
            .collect();
        Self {
            recorder,
            handles,
            process,
        }
    }

    /// Everything as text ([`CONTENT_TYPE`]). Reads `/proc`, and costs about a millisecond.
    pub fn render(&self, totals: &Totals, gauges: &Gauges) -> String {
        let families = families(totals, gauges);
        let series = families.iter().flat_map(|family| &family.series);
        for (handle, series) in self.handles.iter().zip(series) {
            handle.publish(series.value);
        }
        with_local_recorder(&self.recorder, || self.process.collect());
        let mut text = cpu_seconds_as_counter(self.recorder.handle().render());
        for (name, help, totals) in catalogue::histograms(totals) {
            write_histogram(&mut text, (name, help), totals);
        }
        let turns = gauges.history.turns.iter().flatten();
        for (words, totals) in catalogue::TURNS.into_iter().zip(turns) {
            write_histogram(&mut text, words, totals);
        }
        for (name, help, value) in catalogue::fractions(totals, gauges) {
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            );
        }
        text
    }
}

impl Handle {
    fn publish(&self, value: f64) {
        match self {
            // Never back: a scrape must not see a counter fall.
            Self::Counter(counter) => counter.absolute(value as u64),
            Self::Gauge(gauge) => gauge.set(value),
        }
    }
}

fn of_build(build: &Build) -> Family {
    let labels = vec![
        ("version", build.version),
        ("revision", build.revision),
        ("rustc", build.rustc),
    ];
    Family {
        name: "chatd_build_info",
        kind: Kind::Gauge,
        help: "Always 1; version, revision and compiler of the running binary.",
        series: vec![catalogue::Series { labels, value: 1.0 }],
    }
}

/// Our own idea of when the process began, until the collector knows better: it asks `/proc/stat`,
/// which a sandbox hides (`ProcSubset=pid`).
fn of_start() -> Family {
    Family {
        name: "process_start_time_seconds",
        kind: Kind::Gauge,
        help: "Start time of the process since unix epoch in seconds.",
        series: vec![catalogue::Series {
            labels: vec![],
            value: 0.0,
        }],
    }
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64().floor())
}

fn register(recorder: &PrometheusRecorder, family: &Family) -> Vec<Handle> {
    let metadata = Metadata::new(module_path!(), Level::INFO, None);
    let (name, help) = (family.name.into(), family.help.into());
    match family.kind {
        Kind::Counter => recorder.describe_counter(name, None, help),
        Kind::Gauge => recorder.describe_gauge(name, None, help),
    }
    let one = |series: &catalogue::Series| {
        let labels: Vec<Label> = series
            .labels
            .iter()
            .map(|&(name, value)| Label::from_static_parts(name, value))
            .collect();
        let key = Key::from_parts(family.name, labels);
        match family.kind {
            Kind::Counter => Handle::Counter(recorder.register_counter(&key, &metadata)),
            Kind::Gauge => Handle::Gauge(recorder.register_gauge(&key, &metadata)),
        }
    };
    family.series.iter().map(one).collect()
}

/// The recorder's counters are whole numbers; CPU seconds are not and come as a gauge, which they
/// are not either.
fn cpu_seconds_as_counter(text: String) -> String {
    text.replacen(
        "# TYPE process_cpu_seconds_total gauge",
        "# TYPE process_cpu_seconds_total counter",
        1,
    )
}

/// Writing to a `String` cannot fail.
fn write_histogram(text: &mut String, (name, help): (&str, &str), totals: &HistogramTotals) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    let mut cumulated = 0;
    for (bound, count) in totals.bounds.parts.iter().zip(&totals.buckets) {
        cumulated += count;
        let bound = totals.bounds.units(*bound);
        let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {cumulated}");
    }
    // One reading for both: they must not differ.
    let all = totals.count();
    let sum = totals.bounds.units(totals.sum);
    let _ = writeln!(
        text,
        "{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {sum}\n{name}_count {all}"
    );
}

#[cfg(test)]
mod tests;
