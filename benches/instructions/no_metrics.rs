//! What counting costs: this build against one in which nothing is counted.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::report::Report;

/// What `fanout` may cost with metrics over without.
const ALLOWED: f64 = 1.02;

/// Builds the bench without metrics, runs it, and prints the ratios.
///
/// # Errors
/// Counting makes `fanout` too dear, or there is nothing to compare with.
pub(crate) fn compare(with: &Report) -> Result<(), String> {
    let without = without()?;
    if !with.metrics || without.metrics {
        return Err("one build has to count, and the other must not".to_owned());
    }
    println!(
        "{:<10}{:>14}{:>14}{:>8}",
        "", "with metrics", "without", "ratio"
    );
    let mut fanout = None;
    for (name, with) in &with.scenarios {
        let Some(without) = without.scenarios.get(name) else {
            return Err(format!("{name} did not run without metrics"));
        };
        let (with, without) = (
            with.instructions_per_message,
            without.instructions_per_message,
        );
        let ratio = with / without;
        println!("{name:<10}{with:>14.1}{without:>14.1}{ratio:>8.4}");
        if name == "fanout" {
            fanout = Some(ratio);
        }
    }
    match fanout {
        Some(ratio) if ratio < ALLOWED => Ok(()),
        Some(ratio) => Err(format!(
            "counting makes fanout {ratio:.4} times as dear; allowed is less than {ALLOWED}"
        )),
        None => Err("fanout did not run".to_owned()),
    }
}

/// The counts of a build in a folder of its own, so that the programs in this one stay what they are.
fn without() -> Result<Report, String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "bench",
            "--bench",
            "instructions",
            "--features",
            "no-metrics",
        ])
        .arg("--target-dir")
        .arg(folder()?)
        .args(["--", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err("the bench without metrics failed".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("not a report: {error}"))
}

/// `target/no-metrics`, wherever `target` is: this program is `target/release/deps/instructions-*`.
fn folder() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let target = program.ancestors().nth(3);
    let target = target.ok_or("the bench stands outside of cargo's target folder")?;
    Ok(target.join("no-metrics"))
}
