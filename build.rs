//! Tells the program which commit and compiler it comes from (`chatctl version`, `chatd_build_info`).

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CHATD_REVISION");
    let revision = env::var("CHATD_REVISION").ok().or_else(revision);
    println!(
        "cargo::rustc-env=CHATD_REVISION={}",
        revision.as_deref().unwrap_or("unknown")
    );
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = said(&rustc, &["--version"]);
    let number = version.as_deref().and_then(|text| text.split(' ').nth(1));
    println!(
        "cargo::rustc-env=CHATD_RUSTC={}",
        number.unwrap_or("unknown")
    );
}

/// The commit of a release build. A debug build has none, so that a commit does not rebuild it.
fn revision() -> Option<String> {
    if env::var("PROFILE").as_deref() != Ok("release") {
        return Some("debug".to_owned());
    }
    let log = said("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    said("git", &["rev-parse", "--short=12", "HEAD"])
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
