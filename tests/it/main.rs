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
mod dice;
mod harness;
mod load;
#[allow(dead_code, reason = "the suite of chat-client uses all of it")]
#[path = "../client/screen.rs"]
mod screen;

mod answers;
mod archive;
mod bans;
mod basic;
mod books;
mod bytes;
mod cli;
mod clocks;
mod company;
mod console;
mod descriptors;
mod drain;
mod durable;
mod ending;
mod events;
mod hangups;
mod hostile;
mod limits;
mod names;
mod observe;
mod opening;
mod operator;
mod order;
mod pair;
mod past;
mod person;
mod race;
mod reasons;
mod reload;
mod requests;
mod reset;
mod siege;
mod since;
mod sinks;
mod slow;
mod soak;
mod stopped;
mod supervised;
mod text;
mod top;
