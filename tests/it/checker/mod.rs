//! The judge: what a run must keep, from what came over the sockets, from a last reading of history
//! and, where there is one, from the store's file.
//!
//! A [`Record`] is one [`Log`] for each client and one of a late reader, the witness, who read
//! every room from its first number; `file` is how they lie on disk. [`check`] names each broken
//! [`Rule`]; it never guesses: what a record cannot show is not judged here. `golden` makes records
//! that keep every rule and `mutants` breaks them one rule at a time, so that the judge itself is
//! judged.
//!
//! What is promised differs by [`Durability`]. With `none` a restart begins another epoch, and what
//! was acknowledged before may be lost; but who comes back is told so, and numbers of the old epoch
//! still mean one message for all who heard them. With `process` and `disk` nothing is lost, and
//! the epoch stays.

mod file;
mod golden;
mod ledger;
mod log;
mod membership;
mod mutants;
mod pages;
mod private;
mod rules;
mod run;
mod sent;
mod two_fields;

pub(crate) use log::{
    Counters, Dialect, Durability, Entry, Event, Least, Life, Log, PageLine, Position, Record, Row,
    id_of,
};
pub(crate) use rules::tally;
#[cfg(feature = "test-faults")]
pub(crate) use rules::{Rule, check};
