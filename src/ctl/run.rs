//! From the command line to the exit status; and the commands that are one question.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};

use clap::{CommandFactory, Parser};
use serde_json::json;

use super::args::{Cli, Command, Kick};
use super::ban;
use super::desk::Desk;
use super::drain::drain;
use super::history;
use super::link::Link;
use super::render::{Column, Look};
use super::show::word;
use super::top;
use super::trouble::Trouble;
use super::whom::{KICKED, filter, merge, one};
use crate::build::BUILD;
use crate::places::Surroundings;

/// Runs `chatctl` to its end; the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(words) => {
            // Where its own words cannot be printed, the status has to do.
            drop(words.print());
            return if words.exit_code() == 0 { 0 } else { 2 };
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut complaints = io::stderr().lock();
    let done = carry_out(&cli, &mut out, &mut complaints)
        .and_then(|()| out.flush().map_err(|error| Trouble::of_printing(&error)));
    match done {
        Ok(()) => 0,
        Err(trouble) => {
            if let Trouble::Signal(signal) = trouble {
                // Whoever waits for this process is to see what ended it.
                drop(signal_hook::low_level::emulate_default_handler(signal));
            }
            let sentence = trouble.to_string();
            if !sentence.is_empty() {
                drop(out.flush());
                drop(writeln!(complaints, "chatctl: {sentence}"));
            }
            trouble.exit()
        }
    }
}

/// The command line of `chatctl`, for its manual and its completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn carry_out(cli: &Cli, out: &mut dyn Write, complaints: &mut dyn Write) -> Result<(), Trouble> {
    let look = Look::of(cli.format);
    if let Command::Completion { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "chatctl", &mut &mut *out);
        return Ok(());
    }
    let link = Link::open(&cli.at, &Surroundings::of_process())?;
    let mut desk = Desk { link, look, out };
    match &cli.command {
        Command::Status => desk.status(),
        Command::Health => desk.health(),
        Command::ListClients(order) => desk.list_clients(order),
        Command::ShowClient { whom } => desk.show_client(whom),
        Command::ListClosed(order) => desk.list_closed(order),
        Command::Kick(order) => desk.kick(order),
        Command::Ban(order) => ban::ban(&mut desk, order, complaints),
        Command::Unban(order) => ban::unban(&mut desk, order, complaints),
        Command::ListBans(order) => ban::list(&mut desk, order),
        Command::ListRooms(order) => desk.list_rooms(order),
        Command::ShowRoom { room } => desk.show_room(room),
        Command::Top(order) => top::top(desk, &cli.at, order),
        Command::Watch(order) => desk.watch(order),
        Command::Events(order) => desk.events(order),
        Command::Trace(order) => desk.trace(order),
        Command::Audit(order) => desk.audit(order),
        Command::Latency { time } => desk.latency(*time),
        Command::Errors(order) => desk.errors(order),
        Command::Doctor => desk.doctor(),
        Command::Books => desk.books(),
        Command::Broadcast { room, text } => desk.broadcast(text, room.as_deref()),
        Command::ShowConfig { key } => desk.show_config(key.as_deref()),
        Command::History(command) => history::history(&mut desk, command, complaints),
        Command::Backup { file } => history::backup(&mut desk, file),
        Command::PlanConfig(order) => desk.plan_config(order, complaints),
        Command::SetConfig(order) => desk.set_config(order, complaints),
        Command::Reload(order) => desk.reload(order, complaints),
        Command::ShowLog => desk.show_log(),
        Command::SetLog(order) => desk.set_log(order, complaints),
        Command::Pause => desk.pause("pause"),
        Command::Resume => desk.pause("resume"),
        // It needs no daemon, and was answered above.
        Command::Completion { .. } => Ok(()),
        Command::Drain(order) => drain(&mut desk.link, order, desk.out),
        Command::Shutdown => desk.shutdown(),
        Command::Version => desk.version(),
    }
}

const CHECKS: &[Column] = &[
    Column::new("check", "CHECK", word),
    Column::new("level", "LEVEL", word),
    Column::new("detail", "DETAIL", word),
];

impl Desk<'_> {
    fn status(&mut self) -> Result<(), Trouble> {
        let status = self.call("status", json!({}), "see the status")?;
        if self.look != Look::Table {
            return self.print_object(&status);
        }
        super::status::print(self.out, &status).map_err(|error| Trouble::of_printing(&error))
    }

    fn health(&mut self) -> Result<(), Trouble> {
        let health = self.call("health", json!({}), "see how it is")?;
        if self.is_for_people() {
            self.print(
                CHECKS,
                health["checks"].as_array().map_or(&[], Vec::as_slice),
            )?;
        } else {
            self.print_object(&health)?;
        }
        if health["level"] == "critical" {
            return Err(Trouble::Failed(
                "chatd is not well: see the critical checks".to_owned(),
            ));
        }
        Ok(())
    }

    fn kick(&mut self, order: &Kick) -> Result<(), Trouble> {
        let mut filter = filter(None, &order.which);
        if let Some(whom) = &order.whom {
            merge(&mut filter, one(whom));
        }
        let params = json!({
            "filter": filter, "reason": order.reason, "dry_run": order.dry_run, "many": order.yes,
        });
        let doing = order
            .whom
            .as_ref()
            .map_or_else(|| "kick them".to_owned(), |whom| format!("kick {whom}"));
        let report =
            self.call("clients.kick", params, &doing)
                .map_err(|trouble| match trouble {
                    Trouble::Usage(sentence) if sentence.contains("confirm") => {
                        Trouble::Usage(format!("{sentence} with --yes, or see them with --dry-run"))
                    }
                    other => other,
                })?;
        if !self.is_for_people() {
            return self.print_object(&report);
        }
        self.print(
            KICKED,
            report["clients"].as_array().map_or(&[], Vec::as_slice),
        )?;
        let (did, n) = (
            if order.dry_run {
                "would be kicked"
            } else {
                "kicked"
            },
            &report["kicked"],
        );
        if self.look == Look::Table {
            self.say(&format!("{n} {did}"))
        } else {
            Ok(())
        }
    }

    fn books(&mut self) -> Result<(), Trouble> {
        let books = self.call("books", json!({}), "read the books")?;
        self.print_object(&books)?;
        if books["quiet"] == true && books["balanced"] == false {
            let sentence = "the books do not balance: this is a fault of chatd, please report it";
            return Err(Trouble::Failed(sentence.to_owned()));
        }
        Ok(())
    }

    fn broadcast(&mut self, text: &str, room: Option<&str>) -> Result<(), Trouble> {
        let report = self.call(
            "broadcast",
            json!({"text": text, "room": room}),
            "broadcast",
        )?;
        if !self.is_for_people() {
            return self.print_object(&report);
        }
        let n = &report["clients"];
        self.say(&format!("told {n} clients"))
    }

    fn pause(&mut self, method: &str) -> Result<(), Trouble> {
        let report = self.call(method, json!({}), method)?;
        if !self.is_for_people() {
            return self.print_object(&report);
        }
        let already = if report["changed"] == true {
            ""
        } else {
            "already "
        };
        let clients = &report["clients"];
        if report["paused"] == true {
            self.say(&format!(
                "{already}paused: nobody is let in, {clients} clients stay"
            ))
        } else {
            self.say(&format!("{already}open: new connections are let in"))
        }
    }

    fn shutdown(&mut self) -> Result<(), Trouble> {
        let report = self.call("shutdown", json!({}), "shut it down")?;
        if self.is_for_people() {
            self.say("chatd is ending")
        } else {
            self.print_object(&report)
        }
    }

    fn version(&mut self) -> Result<(), Trouble> {
        let daemon = self.call("version", json!({}), "ask for its version")?;
        let ours = json!({
            "name": "chatctl", "version": BUILD.version, "revision": BUILD.revision, "rustc": BUILD.rustc,
        });
        if !self.is_for_people() {
            return self.print_object(&json!({"chatctl": ours, "chatd": daemon}));
        }
        for one in [&ours, &daemon] {
            let (name, version, revision) = (
                word(&one["name"]),
                word(&one["version"]),
                word(&one["revision"]),
            );
            self.say(&format!("{name} {version} ({revision})"))?;
        }
        Ok(())
    }
}
