//! This program once more, under valgrind.

use std::env;
use std::fs;
use std::process::Command;

use crate::scenario::{Scenario, Work};

/// Instructions that a scenario took, and what was done for them.
pub(crate) struct Counted {
    pub(crate) instructions: u64,
    pub(crate) work: Work,
}

/// Counts one scenario in a process of its own.
///
/// # Errors
/// Valgrind is not there, or the scenario failed.
pub(crate) fn count(scenario: Scenario) -> Result<Counted, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let out = folder.path().join("callgrind.out");
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg("--toggle-collect=*callgrind_counts*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--scenario", scenario.as_str()])
        // The environment lies on the stack, and moves what is aligned there.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed: {text}", scenario.as_str()));
    }
    let work = Work::told(&String::from_utf8_lossy(&output.stdout));
    let file = fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    match (work, total(&file)) {
        (Some(work), Some(instructions)) if instructions > 0 => Ok(Counted { instructions, work }),
        _ => Err(format!("{}: nothing was counted", scenario.as_str())),
    }
}

/// What a file of callgrind says it collected.
fn total(file: &str) -> Option<u64> {
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// Which valgrind this is.
///
/// # Errors
/// There is none.
pub(crate) fn version() -> Result<String, String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.map_err(|error| format!("cannot start valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().trim_start_matches("valgrind-").to_owned())
}
