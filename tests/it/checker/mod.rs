//! The judge: what a record of many clients must keep, from what came over the sockets alone.
//!
//! A [`Record`] is one [`Log`] for each client and one of a late reader, the witness, who read
//! every room from its first number. [`check`] names each broken [`Rule`]; it never guesses: what
//! a record cannot show is not judged here. `golden` makes records that keep every rule and
//! `mutants` breaks them one rule at a time, so that the judge itself is judged.

mod golden;
mod log;
mod membership;
mod mutants;
mod rules;
mod sent;
mod two_fields;
mod witness;

pub(crate) use log::{Dialect, Entry, Event, Log, Position, Record, id_of};
#[cfg(feature = "test-faults")]
pub(crate) use rules::Rule;
pub(crate) use rules::{Violation, check, tally};
