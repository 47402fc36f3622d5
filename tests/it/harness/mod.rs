//! The stage: a daemon in a folder of its own, people with raw sockets, and patience.

mod admin;
mod books;
mod cast;
mod chatctl;
mod companion;
mod config;
mod daemon;
mod full;
mod http;
mod metrics;
mod patience;
mod peer;
mod process;
mod relay;

pub(crate) use chatctl::Ctl;
pub(crate) use companion::Companion;
pub(crate) use config::Config;
pub(crate) use daemon::{Daemon, Staging, knows_key, program};
pub(crate) use http::Answer;
pub(crate) use metrics::Metrics;
pub(crate) use patience::{alone, until, within};
pub(crate) use peer::{NARROW_BYTES, Peer};
pub(crate) use relay::Relay;
