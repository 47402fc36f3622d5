//! The tables, in Markdown, as `docs/performance.md` has them.

use std::fmt::Write;

use super::Report;
use crate::load::Figures;
use crate::stats::{interval, median, spread};
use crate::workload::{ALL, Workload};

/// One column.
struct Column {
    head: &'static str,
    figure: fn(&Figures) -> f64,
    digits: usize,
}

const fn column(head: &'static str, digits: usize, figure: fn(&Figures) -> f64) -> Column {
    Column {
        head,
        figure,
        digits,
    }
}

/// Million deliveries per second.
const RATE: Column = column("M deliveries/s", 2, |f| f.deliveries_per_second / 1e6);
const COST: Column = column("CPU µs/delivery", 3, |f| f.cpu_us_per_delivery);
const P50: Column = column("p50 ms", 2, |f| f.p50_us / 1e3);
const P99: Column = column("p99 ms", 2, |f| f.p99_us / 1e3);
const P999: Column = column("p99.9 ms", 2, |f| f.p999_us / 1e3);
const MAX: Column = column("max ms", 2, |f| f.max_us / 1e3);
const BUSY: Column = column("server busy", 2, |f| f.server_busy);
const LOAD: Column = column("load busy", 2, |f| f.load_busy);
const RSS: Column = column("RSS MiB", 1, |f| f.rss_kib / 1024.0);

const TALK: &[Column] = &[RATE, COST, P50, P99, P999, MAX, BUSY, LOAD, RSS];
const CONNECTS: &[Column] = &[
    column("connects/s", 0, |f| {
        f.connects_per_second.unwrap_or(f64::NAN)
    }),
    column("CPU µs/connect", 1, |f| {
        f.cpu_us_per_connect.unwrap_or(f64::NAN)
    }),
];
const IDLE: &[Column] = &[
    column("KiB/client", 2, |f| f.kib_per_client.unwrap_or(f64::NAN)),
    column("RSS MiB with 10,000", 1, |f| f.rss_kib / 1024.0),
];
const PAIRS: &[Column] = &[
    column("CPU µs/message", 1, |f| f.cpu_us_per_message),
    COST,
    P50,
    P99,
    BUSY,
];

/// The columns that mean something for a workload; the first is the one that ratios are made of.
fn columns(workload: &Workload) -> &'static [Column] {
    match workload.name {
        "C" => CONNECTS,
        "I" => IDLE,
        "W1" | "W2" | "W4" => PAIRS,
        _ => TALK,
    }
}

/// All tables.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    about(report, &mut text);
    for workload in ALL {
        table(report, workload, &mut text);
    }
    claims(report, &mut text);
    text
}

fn about(report: &Report, text: &mut String) {
    let apart = if report.pinned_apart {
        "a CPU each"
    } else {
        "one CPU together"
    };
    let _ = writeln!(
        text,
        "{} × {}, Linux {}; server and load have {apart}.\n",
        report.cpus, report.processor, report.kernel
    );
    let _ = writeln!(
        text,
        "| server | version | its configuration differs from the shipped one in |"
    );
    let _ = writeln!(text, "|---|---|---|");
    for server in &report.servers {
        let differs = server.differs.replace('|', "\\|");
        let _ = writeln!(text, "| {} | {} | {differs} |", server.name, server.version);
    }
}

fn table(report: &Report, workload: &Workload, text: &mut String) {
    let is_there = |name: &&str| {
        report
            .runs
            .iter()
            .any(|run| run.workload == workload.name && run.server == **name)
    };
    let names = report.servers.iter().map(|server| server.name.as_str());
    let names: Vec<&str> = names.filter(|name| is_there(name)).collect();
    if names.is_empty() {
        return;
    }
    let rounds = report.values(workload.name, names[0], |_| 1.0).len();
    let _ = writeln!(
        text,
        "\n### {}: {}\n\nMedians of {rounds} rounds, in brackets the smallest and the largest.\n",
        workload.name, workload.about
    );
    let columns = columns(workload);
    let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
    let _ = writeln!(text, "| server | {} | lost | behind |", heads.join(" | "));
    let _ = writeln!(text, "|---{}|---|---|", "|---:".repeat(columns.len()));
    for name in names {
        let _ = write!(text, "| {name} |");
        for (number, column) in columns.iter().enumerate() {
            let _ = write!(
                text,
                " {} |",
                cell(report, workload.name, name, column, number < 2)
            );
        }
        let runs = report.runs.iter();
        let own = runs.filter(|run| run.workload == workload.name && run.server == name);
        let (lost, behind) = own.fold((0, 0), |(lost, behind), run| {
            (lost + run.figures.lost, behind + run.figures.behind)
        });
        let _ = writeln!(text, " {lost} | {behind} |");
    }
}

fn cell(
    report: &Report,
    workload: &str,
    server: &str,
    column: &Column,
    with_spread: bool,
) -> String {
    let values = report.values(workload, server, column.figure);
    let values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
    if values.is_empty() {
        return "–".to_owned();
    }
    let digits = column.digits;
    let (least, most) = spread(&values);
    let middle = median(&values);
    if with_spread {
        format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
    } else {
        format!("{middle:.digits$}")
    }
}

/// One promise: a ratio within each round, and what it has to be.
struct Claim {
    what: &'static str,
    workload: (&'static str, &'static str),
    /// The best peer where the second is none.
    against: Option<&'static str>,
    figure: fn(&Figures) -> f64,
    more_is_better: bool,
    bound: f64,
}

const fn claim(
    what: &'static str,
    workload: &'static str,
    against: Option<&'static str>,
    figure: fn(&Figures) -> f64,
    bound: f64,
) -> Claim {
    Claim {
        what,
        workload: (workload, workload),
        against,
        figure,
        more_is_better: false,
        bound,
    }
}

impl Claim {
    const fn at_least(mut self) -> Self {
        self.more_is_better = true;
        self
    }

    const fn against_workload(mut self, other: &'static str) -> Self {
        self.workload.1 = other;
        self
    }
}

const CLAIMS: &[Claim] = &[
    claim(
        "S: deliveries/s, to the floor",
        "S",
        Some("floor"),
        |f| f.deliveries_per_second,
        0.8,
    )
    .at_least(),
    claim(
        "S: deliveries/s, to the best peer",
        "S",
        None,
        |f| f.deliveries_per_second,
        5.0,
    )
    .at_least(),
    claim(
        "P: CPU per delivery, to the floor",
        "P",
        Some("floor"),
        |f| f.cpu_us_per_delivery,
        1.05,
    ),
    claim(
        "P: p99, to the floor",
        "P",
        Some("floor"),
        |f| f.p99_us,
        1.2,
    ),
    claim(
        "Q: CPU per delivery, to the best peer",
        "Q",
        None,
        |f| f.cpu_us_per_delivery,
        1.0,
    ),
    claim(
        "R: CPU per delivery, to the best peer",
        "R",
        None,
        |f| f.cpu_us_per_delivery,
        0.8,
    ),
    claim(
        "M: deliveries/s, to S",
        "M",
        Some("chatd"),
        |f| f.deliveries_per_second,
        0.9,
    )
    .at_least()
    .against_workload("S"),
    claim(
        "M: p99 of the readers, to S",
        "M",
        Some("chatd"),
        |f| f.p99_us,
        1.1,
    )
    .against_workload("S"),
    claim(
        "N: CPU per delivery, 10,000 hearers to 100",
        "N10000",
        Some("chatd"),
        |f| f.cpu_us_per_delivery,
        1.2,
    )
    .against_workload("N100"),
    claim(
        "N: CPU per delivery at 100, to the floor",
        "N100",
        Some("floor"),
        |f| f.cpu_us_per_delivery,
        1.2,
    ),
    claim(
        "N: CPU per delivery at 1,000, to the floor",
        "N1000",
        Some("floor"),
        |f| f.cpu_us_per_delivery,
        1.2,
    ),
    claim(
        "N: CPU per delivery at 10,000, to the floor",
        "N10000",
        Some("floor"),
        |f| f.cpu_us_per_delivery,
        1.2,
    ),
    claim(
        "I: KiB per idle client, to the best peer",
        "I",
        None,
        |f| f.kib_per_client.unwrap_or(f64::NAN),
        1.0,
    ),
    claim(
        "C: connects/s, to the best peer",
        "C",
        None,
        |f| f.connects_per_second.unwrap_or(f64::NAN),
        1.0,
    )
    .at_least(),
    claim(
        "W: CPU per message, 4 workers to 1",
        "W4",
        Some("chatd"),
        |f| f.cpu_us_per_message,
        1.3,
    )
    .against_workload("W1"),
];

fn claims(report: &Report, text: &mut String) {
    let _ = writeln!(
        text,
        "\n### Ratios of chatd\n\nWithin each round; medians, and the 95 % interval of the mean.\n"
    );
    let _ = writeln!(
        text,
        "| ratio | to | median | 95 % | aim | |\n|---|---|---:|---:|---:|---|"
    );
    for claim in CLAIMS {
        let against = claim
            .against
            .map(str::to_owned)
            .or_else(|| best_peer(report, claim));
        let Some(against) = against else { continue };
        let ratios = report.ratios(claim.workload, ("chatd", &against), claim.figure);
        if ratios.is_empty() {
            continue;
        }
        let (low, high) = interval(&ratios);
        let middle = median(&ratios);
        let (sign, holds, may) = if claim.more_is_better {
            ("≥", middle >= claim.bound, high >= claim.bound)
        } else {
            ("≤", middle <= claim.bound, low <= claim.bound)
        };
        let verdict = if holds {
            "holds"
        } else if may {
            "within the noise"
        } else {
            "missed"
        };
        let _ = writeln!(
            text,
            "| {} | {against} | {middle:.2} | {low:.2}–{high:.2} | {sign} {} | {verdict} |",
            claim.what, claim.bound
        );
    }
}

/// Who does best of those that are neither chatd nor the floor.
fn best_peer(report: &Report, claim: &Claim) -> Option<String> {
    let names = report.servers.iter().map(|server| &server.name);
    let peers = names.filter(|name| !name.starts_with("chatd") && *name != "floor");
    let with_median = peers.filter_map(|name| {
        let values = report.values(claim.workload.1, name, claim.figure);
        let values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| (median(&values), name.clone()))
    });
    let by_median = |a: &(f64, String), b: &(f64, String)| a.0.total_cmp(&b.0);
    let best = if claim.more_is_better {
        with_median.max_by(by_median)
    } else {
        with_median.min_by(by_median)
    };
    best.map(|(_, name)| name)
}
