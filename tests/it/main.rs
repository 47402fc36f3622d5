//! Black-box plays against the real programs: sockets, signals and command lines, nothing else.
//!
//! What the server sends is read with `serde_json` or by eye, never with the library's own
//! decoder, so that the two ends cannot be wrong together. Each file is one topic; `harness` holds
//! the machinery, `load` the recording clients and `checker` the rules that a record must keep.
//!
//! `CHATD_BIN_DIR` names a folder with release binaries to play against instead of the ones that
//! Cargo just built. `CHATD_TEST_FAULT` is handed to every daemon as `CHATD_FAULT` (a build with
//! the feature `test-faults` reads it), so that the whole suite can run on a slow committer.

#![allow(clippy::unwrap_used, reason = "a play stops at the first surprise")]

mod checker;
mod harness;
mod load;

mod basic;
mod cli;
mod clocks;
mod company;
mod drain;
mod ending;
mod events;
mod limits;
mod observe;
mod opening;
mod operator;
mod order;
mod pair;
mod person;
mod race;
mod requests;
mod since;
mod slow;
mod text;
