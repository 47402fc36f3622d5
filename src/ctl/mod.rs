//! `chatctl`: the operator's hand on a running daemon.
//!
//! - One connection, a few requests of [`crate::rpc`], an answer on standard output.
//! - A table on a terminal and tab-separated otherwise, unless `--format` says; JSON is stable:
//!   names carry their units, lists are arrays.
//! - What others wrote (names, programs, reasons) never reaches a terminal raw.
//! - Each failure is one sentence on standard error: what was being done, on what, and what to do. The
//!   exit statuses are in [`Trouble`].
//!
//! Not here: what the daemon does; this knows only what goes over the wire.

mod args;
mod ban;
mod beside;
mod config;
mod desk;
mod doctor;
mod drain;
mod history;
mod latency;
mod link;
mod list;
mod page;
mod pulse;
mod render;
mod run;
mod show;
mod status;
mod stream;
mod top;
mod trouble;
mod watch;
mod whom;

pub use run::{command, run};
pub use trouble::Trouble;
