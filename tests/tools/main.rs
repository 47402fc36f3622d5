//! Plays with the tools that people really use: netcat, telnet, curl, promtool, a terminal, the
//! README read by a stranger. `cargo tools` runs them; they are no part of `cargo test`, which needs
//! nothing but Rust and a C compiler.
//!
//! A tool that is missing is a failure. `CHATD_SKIP_TOOLS="telnet promtool"` skips the plays that
//! need one of these, and then the last line says so. An argument runs only the plays whose name
//! contains it. `CHATD_BIN_DIR` names a folder with other binaries than those that Cargo just built.

#![allow(clippy::unwrap_used, reason = "a play stops at the first surprise")]

mod client;
mod intruder;
mod metrics;
mod netcat;
mod readme;
mod stage;
mod telnet;
mod two_fields;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A play, and what has to be installed for it.
struct Play {
    name: &'static str,
    tools: &'static [&'static str],
    run: fn(),
}

macro_rules! plays {
    ($($topic:ident::$play:ident needs [$($tool:literal),*];)+) => {
        &[$(Play {
            name: concat!(stringify!($topic), "::", stringify!($play)),
            tools: &[$($tool),*],
            run: $topic::$play,
        }),+]
    };
}

const PLAYS: &[Play] = plays! {
    netcat::a_pipe_into_netcat_is_said_to_the_end needs ["nc"];
    netcat::two_people_with_netcat_talk needs ["nc"];
    telnet::ctrl_c_in_the_middle_does_not_end_the_talk needs ["nc", "telnet", "script"];
    intruder::a_web_request_says_nothing_on_the_chat_port needs ["nc", "curl"];
    intruder::a_web_request_does_nothing_on_the_admin_port needs ["nc", "curl"];
    client::what_is_typed_stays_whole_while_others_talk needs ["nc", "script"];
    two_fields::a_client_of_two_fields_talks_with_everyone needs ["nc", "python3"];
    metrics::promtool_has_nothing_to_say needs ["curl", "promtool"];
    readme::every_command_of_the_readme_does_what_it_says needs ["nc", "curl", "script", "unshare", "ip"];
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [readme::INSIDE] {
        readme::inside();
        return ExitCode::SUCCESS;
    }
    let wanted = |play: &&Play| {
        let mut filters = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        filters.peek().is_none() || filters.any(|filter| play.name.contains(filter.as_str()))
    };
    run(PLAYS.iter().filter(wanted))
}

fn run<'a>(plays: impl Iterator<Item = &'a Play>) -> ExitCode {
    let allowed = std::env::var("CHATD_SKIP_TOOLS").unwrap_or_default();
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    for play in plays {
        let missing: Vec<_> = play
            .tools
            .iter()
            .filter(|tool| !is_installed(tool))
            .collect();
        if let Some(tool) = missing
            .iter()
            .find(|tool| !allowed.split(' ').any(|word| word == ***tool))
        {
            println!("test {} ... FAILED: {tool} is not installed", play.name);
            failed.push(play.name);
        } else if !missing.is_empty() {
            println!("test {} ... skipped", play.name);
            skipped.push(play.name);
        } else if catch_unwind(play.run).is_ok() {
            println!("test {} ... ok", play.name);
            passed += 1;
        } else {
            println!("test {} ... FAILED", play.name);
            failed.push(play.name);
        }
    }
    let verdict = if failed.is_empty() && passed + skipped.len() > 0 {
        "ok"
    } else {
        "FAILED"
    };
    println!(
        "\ntest result: {verdict}. {passed} passed; {} failed; {} ignored; 0 measured; 0 filtered out",
        failed.len(),
        skipped.len()
    );
    if !skipped.is_empty() {
        println!("SKIPPED: {}", skipped.join(", "));
    }
    if verdict == "ok" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
