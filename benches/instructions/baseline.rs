//! The committed counts, and whether these are within them.

use std::fs;
use std::path::PathBuf;

use crate::report::Report;

/// What a scenario may grow by before the check fails.
const ALLOWED: f64 = 0.03;

/// Makes these counts the baseline.
///
/// # Errors
/// The build does not count what a daemon counts, or the file cannot be written.
pub(crate) fn bless(report: &Report) -> Result<(), String> {
    counts_like_a_daemon(report)?;
    let path = path();
    fs::write(&path, report.json() + "\n")
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("blessed: {}", path.display());
    Ok(())
}

/// Whether no scenario grew.
///
/// # Errors
/// Names each scenario that did, or why the two cannot be compared.
pub(crate) fn check(report: &Report) -> Result<(), String> {
    counts_like_a_daemon(report)?;
    let path = path();
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let baseline: Report =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if baseline.arch != report.arch {
        return Err(format!(
            "the baseline is for {}, and this is {}: nothing to compare",
            baseline.arch, report.arch
        ));
    }
    let grown = compare(&baseline, report);
    if grown.is_empty() {
        println!("within {:.0} % of the baseline", ALLOWED * 100.0);
        return Ok(());
    }
    let mut message = grown.join("\n  ");
    for (what, then, now) in [
        ("rustc", &baseline.rustc, &report.rustc),
        ("valgrind", &baseline.valgrind, &report.valgrind),
    ] {
        if then != now {
            message += &format!("\n  (the baseline was made with {what} {then}, this is {now})");
        }
    }
    Err(format!(
        "grown over benches/instructions.json:\n  {message}\n  \
         If that is what it is worth: --bless, and say why in the commit."
    ))
}

/// The scenarios that grew by more than is allowed, or stand on one side only.
fn compare(baseline: &Report, report: &Report) -> Vec<String> {
    let mut grown = Vec::new();
    for (name, now) in &report.scenarios {
        let Some(then) = baseline.scenarios.get(name) else {
            grown.push(format!("{name} has no baseline"));
            continue;
        };
        let (then, now) = (then.instructions_per_message, now.instructions_per_message);
        let growth = now / then - 1.0;
        let percent = growth * 100.0;
        if growth > ALLOWED {
            grown.push(format!("{name}: {then:.1} -> {now:.1} ({percent:+.1} %)"));
        } else if growth < -ALLOWED {
            println!("{name} fell ({percent:+.1} %): --bless keeps it there");
        }
    }
    for name in baseline.scenarios.keys() {
        if !report.scenarios.contains_key(name) {
            grown.push(format!("{name} is in the baseline only"));
        }
    }
    grown
}

fn counts_like_a_daemon(report: &Report) -> Result<(), String> {
    match report.metrics {
        true => Ok(()),
        false => Err("the baseline is for a build with metrics".to_owned()),
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.json")
}
