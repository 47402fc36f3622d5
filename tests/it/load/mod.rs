//! Clients that write down everything they do and hear, for the judge.
//!
//! Each has a task that reads for as long as it is not told to stall; the play drives the rest.

mod client;
mod ear;
mod full;
mod mind;
mod recorder;
mod two_fields;

pub(crate) use client::Stall;
pub(crate) use full::Full;
pub(crate) use recorder::Clock;
pub(crate) use two_fields::{TwoFields, Voice};
