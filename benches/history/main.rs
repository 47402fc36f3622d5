//! What keeping history costs, beside the log that others build on.
//!
//! - `pages`: a store of many messages is built; how long a daemon takes to start on it, and to answer
//!   with a page of 100 from anywhere in it. Decides whether anything may look through a store.
//! - `acks`: one author with so many messages under way in one room, and how many are acknowledged in
//!   a second: with `process` and with `disk`, and by NATS JetStream with file storage as it comes and
//!   with `sync_interval: always`, one after another on the same disk. Decides whether the committer's
//!   turns are as large as they should be. JetStream's author hears acks alone; chatd's hears its own
//!   messages too.
//! - `storm`: a crowd comes back at once after a restart, with and without `since`, while a few talk in
//!   another room; how long what they say is on its way. Decides whether whoever reads on from the store
//!   costs those who are live anything: their p99 is to be at most twice that of the same storm without
//!   `since`.
//!
//! ```text
//! cargo bench --bench history -- pages --messages 10000000
//! cargo bench --bench history -- acks --nats PATH --count 200000
//! cargo bench --bench history -- storm --clients 5000 --missed 200
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "nobody pauses the clock of a measurement"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

mod acks;
mod chatd;
mod crowd;
mod live;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the other measurements use more of it"
)]
#[path = "../fanout/machine.rs"]
mod machine;
mod nats;
mod pages;
mod storm;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start, and pages of a large store.
    Pages(Pages),
    /// Publish to ack.
    Acks(Acks),
    /// Many who come back at once.
    Storm(Storm),
}

#[derive(Args, Debug)]
struct Pages {
    /// Messages in the store.
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// Pages that are asked for.
    #[arg(long, default_value_t = 5_000)]
    pages: u32,
    /// Where the store is built, or was: one that has the messages is used again.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Acks {
    /// A nats-server; without it, chatd alone.
    #[arg(long)]
    nats: Option<PathBuf>,
    /// Messages of each run.
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Messages under way at once.
    #[arg(long, default_value_t = 2_000)]
    window: u64,
    /// Runs of each, of which the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// On which disk.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Storm {
    /// How many come.
    #[arg(long, default_value_t = 5_000)]
    clients: usize,
    /// Messages that each has missed at most; at least half of them.
    #[arg(long, default_value_t = 200)]
    missed: u64,
    /// Messages in the store.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Messages that are said meanwhile, each second: a storm is short, and a 99th percentile needs many.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Storms of each kind, of which the median counts.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

fn main() {
    match Cli::parse().what {
        What::Pages(order) => pages::run(&order),
        What::Acks(order) => acks::run(&order),
        What::Storm(order) => storm::run(&order),
    }
}

/// Text of every message: 128 bytes.
const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
