//! `chatctl history` and `chatctl backup`.
//!
//! Files are written beside their target and put in its place when they are whole; what is read is
//! read through before the daemon hears of it. Either way whoever is killed leaves the old or the new.

mod backup;
mod export;
mod file;
mod import;
mod show;

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::HistoryCommand;
use super::desk::Desk;
use super::trouble::Trouble;

pub(super) use backup::backup;

/// Carries out one of the words behind `history`.
pub(super) fn history(
    desk: &mut Desk<'_>,
    command: &HistoryCommand,
    complaints: &mut dyn Write,
) -> Result<(), Trouble> {
    match command {
        HistoryCommand::Show(order) => show::show(desk, order),
        HistoryCommand::Search(order) => show::search(desk, order, complaints),
        HistoryCommand::Prune(order) => show::prune(desk, order),
        HistoryCommand::Export { room, file } => export::export(desk, room, file),
        HistoryCommand::Import { file, room } => import::import(desk, file, room.as_deref()),
    }
}

/// How far a work is, on a terminal; nothing elsewhere.
fn progress(total: u64, what: &'static str, is_bytes: bool) -> ProgressBar {
    let template = if is_bytes {
        "{prefix} {wide_bar} {bytes}/{total_bytes} {eta}"
    } else {
        "{prefix} {wide_bar} {pos}/{len} {eta}"
    };
    let bar = ProgressBar::new(total).with_prefix(what);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
