//! Which servers meet which workloads, how often, and what is written of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::load::Figures;
use crate::machine;
use crate::report::{self, Report, Run};
use crate::subject::{Kind, Subject};
use crate::tongue::Tongue;
use crate::workload::{ALL, Workload};

/// Measures fan-out: chatd beside a bare epoll floor and other servers.
#[derive(Debug, Parser)]
struct Options {
    /// Workloads, as S,P,Q; N and W mean all of theirs.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<String>,
    /// Servers, as chatd,floor,redis.
    #[arg(long, value_delimiter = ',')]
    server: Vec<String>,
    /// Rounds; each has every server once in every workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each run is measured.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// chatd to measure, instead of the one that was built with this.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_chatd"))]
    chatd: PathBuf,
    /// A nats-server beside the one that is installed.
    #[arg(long, env = "NATS_SERVER")]
    nats: Option<PathBuf>,
    /// Writes the result as JSON; a file that is there gets the new workloads.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draws cost per delivery against the number of hearers.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Prints the tables of a result and measures nothing.
    #[arg(long)]
    show: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Measures as the command line says. False if something was wrong with what was heard.
///
/// # Errors
/// A server does not start, or a file cannot be written.
pub fn run() -> io::Result<bool> {
    let options = Options::parse();
    if let Some(file) = &options.show {
        let report = Report::read(file)?;
        print!("{}", report::tables(&report));
        return Ok(true);
    }
    let subjects = subjects(&options);
    let workloads: Vec<&Workload> = ALL
        .iter()
        .filter(|one| wanted(&options.workload, one.name))
        .collect();
    let cpus = machine::cpus();
    let (load_cpu, server_cpu) = (cpus[0], cpus[cpus.len() - 1]);
    let mut report = Report::new(&subjects, server_cpu != load_cpu);
    for round in 0..options.rounds {
        machine::on_cpus(&[load_cpu], || {
            for workload in &workloads {
                report.runs.extend(meet(
                    &subjects,
                    workload,
                    round,
                    server_cpu,
                    options.seconds,
                ));
            }
        });
        // A long measurement that is cut off leaves the rounds that it has finished.
        if let Some(file) = &options.json {
            report = report.merge_into(file)?;
        }
    }
    let all_well = report.runs.iter().all(|run| run.figures.wrong.is_empty());
    print!("{}", report::tables(&report));
    if let Some(file) = &options.svg {
        std::fs::write(file, report::plot(&report))?;
    }
    Ok(all_well)
}

/// One workload, once for every server that it suits.
fn meet(
    subjects: &[Subject],
    workload: &Workload,
    round: usize,
    cpu: usize,
    seconds: f64,
) -> Vec<Run> {
    let mut line = 0;
    let mut runs = Vec::new();
    for subject in subjects.iter().filter(|subject| workload.suits(subject)) {
        let figures = measure(subject, workload, cpu, seconds, line);
        if subject.tongue == Tongue::Full {
            line = figures.line_bytes.round() as usize;
        }
        eprintln!(
            "{round} {:6} {:12} {}",
            workload.name,
            subject.name,
            brief(&figures)
        );
        runs.push(Run {
            round,
            workload: workload.name.to_owned(),
            server: subject.name.clone(),
            figures,
        });
    }
    runs
}

/// One server, one workload, once. The floor is fed lines as long as chatd's.
fn measure(
    subject: &Subject,
    workload: &Workload,
    cpu: usize,
    seconds: f64,
    line: usize,
) -> Figures {
    let tongue = match subject.tongue {
        Tongue::Lines(len) => Tongue::Lines(if line > 0 { line } else { len }),
        tongue => tongue,
    };
    let measured = subject
        .start(&[cpu], workload.workers())
        .and_then(|server| workload.run(&server, tongue, Duration::from_secs_f64(seconds)));
    measured.unwrap_or_else(|error| Figures {
        wrong: vec![error.to_string()],
        ..Figures::default()
    })
}

fn subjects(options: &Options) -> Vec<Subject> {
    let this = std::env::current_exe().ok();
    let all = [
        // First, so that the floor knows how long its lines are.
        Subject::find(Kind::Chatd, Tongue::Full, Some(options.chatd.clone())),
        Subject::find(Kind::Chatd, Tongue::Basic, Some(options.chatd.clone())),
        Subject::find(Kind::Chatd, Tongue::Text, Some(options.chatd.clone())),
        Subject::find(Kind::Floor, Tongue::Lines(190), this),
        Subject::find(Kind::Redis, Tongue::Resp, None),
        options
            .nats
            .clone()
            .and_then(|nats| Subject::find(Kind::Nats, Tongue::Nats, Some(nats))),
        Subject::find(Kind::NatsDebian, Tongue::Nats, None),
        Subject::find(Kind::Mosquitto, Tongue::Mqtt, None),
        Subject::find(Kind::Ngircd, Tongue::Irc, None),
    ];
    let known = all.into_iter().flatten();
    known
        .filter(|subject| options.server.is_empty() || options.server.contains(&subject.name))
        .collect()
}

fn wanted(asked: &[String], name: &str) -> bool {
    let family = name.trim_end_matches(|last: char| last.is_ascii_digit());
    asked.is_empty() || asked.iter().any(|asked| asked == name || asked == family)
}

fn brief(figures: &Figures) -> String {
    let mut text = format!(
        "{:9.0}/s {:7.3} us/delivery ({:2.0}% sys) p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0} us, server {:.2} load {:.2}, {:.0} KiB, line {:.0}",
        figures.deliveries_per_second,
        figures.cpu_us_per_delivery,
        figures.system_share * 100.0,
        figures.p50_us,
        figures.p99_us,
        figures.p999_us,
        figures.max_us,
        figures.server_busy,
        figures.load_busy,
        figures.rss_kib,
        figures.line_bytes,
    );
    let extra = [
        ("probe p99 us", figures.probe_p99_us),
        ("connects/s", figures.connects_per_second),
        ("us/connect", figures.cpu_us_per_connect),
        ("KiB/client", figures.kib_per_client),
    ];
    for (name, value) in extra
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)))
    {
        text.push_str(&format!(", {name} {value:.2}"));
    }
    if figures.lost > 0 || figures.behind > 0 || figures.gapped > 0 {
        text.push_str(&format!(
            ", lost {} behind {} gapped {}",
            figures.lost, figures.behind, figures.gapped
        ));
    }
    for wrong in &figures.wrong {
        text.push_str("\n  WRONG ");
        text.push_str(wrong);
    }
    text
}
