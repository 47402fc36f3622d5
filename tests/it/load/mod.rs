//! Clients that write down everything they do and hear, for the judge.
//!
//! Each has a task that reads for as long as it is not told to stall; the play drives the rest.

mod actor;
mod asides;
mod client;
mod counters;
mod ear;
mod full;
mod home;
mod mind;
mod peace;
mod recorder;
mod store;
mod two_fields;

pub(crate) use actor::{Actor, curtain, witness};
pub(crate) use client::Stall;
pub(crate) use counters::counters;
pub(crate) use full::Full;
pub(crate) use home::Home;
pub(crate) use peace::end_in_peace;
pub(crate) use recorder::Clock;
pub(crate) use store::rows_of_store;
pub(crate) use two_fields::{TwoFields, Voice};
