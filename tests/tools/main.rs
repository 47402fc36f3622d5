//! Plays with the tools that people really use: netcat, telnet, curl, promtool, a browser, a terminal,
//! the README read by a stranger. `cargo tools` runs them; they are no part of `cargo test`, which needs
//! nothing but Rust and a C compiler.
//!
//! A tool that is missing is a failure. `CHATD_SKIP_TOOLS="telnet promtool"` skips the plays that
//! need one of these, and then the last line says so. An argument runs only the plays whose name
//! contains it. `CHATD_BIN_DIR` names a folder with other binaries than those that Cargo just built.

#![allow(clippy::unwrap_used, reason = "a play stops at the first surprise")]

mod browser;
mod client;
mod clock;
mod container;
mod disk;
mod drill;
mod evader;
mod far;
mod faults;
mod intruder;
mod metrics;
mod midway;
mod netcat;
mod plain_user;
mod prometheus;
mod readme;
mod short;
mod stage;
mod telnet;
mod two_fields;

// The stage of the other plays, for those that are about sockets.
#[allow(dead_code, reason = "the other plays use what these do not")]
#[path = "../it/siege/canary.rs"]
mod canary;
#[allow(
    dead_code,
    unused_imports,
    reason = "the other plays use what these do not"
)]
#[path = "../it/harness/mod.rs"]
mod harness;

use std::panic::catch_unwind;
use std::process::{Command, ExitCode};

/// Where a play can run.
#[derive(PartialEq)]
enum Place {
    /// On free ports, in folders of its own.
    Anywhere,
    /// On fixed ports and with a system's folders: in a namespace of its own.
    Alone,
}

/// A play, and what has to be installed for it.
struct Play {
    name: &'static str,
    tools: &'static [&'static str],
    place: Place,
    run: fn(),
}

macro_rules! plays {
    ($($place:ident $topic:ident::$play:ident needs [$($tool:literal),*];)+) => {
        &[$(Play {
            name: concat!(stringify!($topic), "::", stringify!($play)),
            tools: &[$($tool),*],
            place: Place::$place,
            run: $topic::$play,
        }),+]
    };
}

const PLAYS: &[Play] = plays! {
    Anywhere netcat::a_pipe_into_netcat_is_said_to_the_end needs ["nc"];
    Anywhere netcat::two_people_with_netcat_talk needs ["nc"];
    Anywhere telnet::ctrl_c_in_the_middle_does_not_end_the_talk needs ["nc", "telnet", "script"];
    Anywhere intruder::a_web_request_says_nothing_on_the_chat_port needs ["nc", "curl"];
    Anywhere intruder::a_web_request_does_nothing_on_the_admin_port needs ["nc", "curl"];
    Anywhere browser::a_page_says_nothing_on_the_chat_port needs ["nc", "curl", "chromium"];
    Anywhere browser::a_page_commands_nothing_on_the_admin_port needs ["nc", "curl", "chromium"];
    Anywhere client::what_is_typed_stays_whole_while_others_talk needs ["nc", "script"];
    Anywhere two_fields::a_client_of_two_fields_talks_with_everyone needs ["nc", "python3"];
    Anywhere two_fields::a_client_of_two_fields_understands_why_it_has_to_leave needs ["nc", "python3"];
    Anywhere metrics::promtool_has_nothing_to_say needs ["curl", "promtool"];
    Anywhere prometheus::has_no_complaint_about_the_rules needs ["promtool"];
    Anywhere prometheus::answers_every_query_of_the_dashboard needs ["nc", "curl", "prometheus"];
    Anywhere prometheus::every_runbook_can_be_followed needs ["nc"];
    Anywhere faults::accept_fails_and_everybody_comes_in needs ["strace"];
    Anywhere clock::jumps_and_time_goes_on needs ["faketime"];
    Anywhere short::of_memory_and_the_limits_hold needs ["memory-cgroup"];
    Anywhere short::of_a_processor_and_nobody_is_sent_away needs ["taskset", "chrt"];
    Alone evader::finds_every_way_back_shut needs ["unshare", "ip"];
    Alone evader::has_no_more_places_for_more_addresses needs ["unshare", "ip"];
    Alone far::who_is_cut_off_is_noticed_and_named needs ["unshare", "ip", "nc"];
    Alone container::is_what_the_dockerfile_says needs ["unshare", "ip", "setpriv"];
    Anywhere disk::an_ack_comes_after_what_it_promises needs ["strace", "curl", "sleep", "kill"];
    Anywhere disk::each_write_may_fail_and_nobody_is_lied_to needs ["strace", "curl", "sleep", "kill"];
    Anywhere midway::of_a_migration_is_the_old_or_the_new_and_the_next_start_has_everything needs ["strace"];
    Alone disk::a_full_disk_loses_nothing_that_was_acknowledged needs ["unshare", "ip", "mount", "curl", "sleep"];
    Alone disk::after_another_boot_the_numbers_begin_a_new_life_unless_they_are_on_the_disk needs ["unshare", "ip", "mount"];
    Anywhere drill::each_question_has_a_command_that_answers needs [];
    Alone drill::the_handbook_finds_the_cause needs ["unshare", "ip", "mount", "curl", "script"];
    Alone plain_user::needs_no_flag_and_no_file needs ["unshare", "ip", "setpriv"];
    Alone readme::does_what_it_says needs ["unshare", "ip", "nc", "curl", "script"];
};

/// Not a program, but what the kernel has to offer.
const MEMORY_CGROUP: &str = "memory-cgroup";

/// The argument before the name of a play that is already alone.
const ALONE: &str = "--alone";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [ALONE, name] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let play = PLAYS
            .iter()
            .find(|play| play.name == name)
            .expect("a play of this name");
        (play.run)();
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |play: &&Play| {
        filters.is_empty() || filters.iter().any(|filter| play.name.contains(*filter))
    };
    report(PLAYS.iter().filter(is_wanted))
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped,
}

fn report<'a>(plays: impl Iterator<Item = &'a Play>) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, Vec::new());
    for play in plays {
        let verdict = match outcome(play) {
            Outcome::Passed => {
                passed += 1;
                "ok".to_owned()
            }
            Outcome::Failed(why) => {
                failed += 1;
                format!("FAILED: {why}")
            }
            Outcome::Skipped => {
                skipped.push(play.name);
                "skipped".to_owned()
            }
        };
        println!("test {} ... {verdict}", play.name);
    }
    let is_good = failed == 0 && passed + skipped.len() > 0;
    let verdict = if is_good { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {} ignored",
        skipped.len()
    );
    if !skipped.is_empty() {
        println!("SKIPPED: {}", skipped.join(", "));
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn outcome(play: &Play) -> Outcome {
    let allowed = std::env::var("CHATD_SKIP_TOOLS").unwrap_or_default();
    let is_allowed = |tool: &str| allowed.split_whitespace().any(|word| word == tool);
    let missing: Vec<&str> = play
        .tools
        .iter()
        .copied()
        .filter(|tool| !is_installed(tool))
        .collect();
    if let Some(tool) = missing.iter().find(|tool| !is_allowed(tool)) {
        Outcome::Failed(format!("{tool} is not installed"))
    } else if !missing.is_empty() || play.tools.iter().any(|tool| is_allowed(tool)) {
        Outcome::Skipped
    } else if catch_unwind(|| {
        if play.place == Place::Alone {
            alone(play.name)
        } else {
            (play.run)()
        }
    })
    .is_ok()
    {
        Outcome::Passed
    } else {
        Outcome::Failed("see above".to_owned())
    }
}

/// Runs a play that is about sockets.
fn on_stage(play: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(play);
}

/// Runs a play in a namespace without a network, where the folders of a system daemon are empty and
/// everything ends with the play.
fn alone(name: &str) {
    let prepare = "ip link set lo up
        mount -t tmpfs none /run && mount -t tmpfs none /var/lib
        exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args([
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    command
        .args(["bash", "-euc", prepare])
        .arg(std::env::current_exe().unwrap())
        .args([ALONE, name]);
    let status = command.status().unwrap();
    assert!(
        status.success(),
        "{name}: {status} (a namespace needs root)"
    );
}

fn is_installed(tool: &str) -> bool {
    if tool == MEMORY_CGROUP {
        return short::has_ceilings();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
