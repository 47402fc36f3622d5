//! chat-client against a server whose every byte the test writes: what crosses the wire, what is
//! printed, how it ends. On a pipe, and on a real pseudo-terminal.

#![allow(clippy::unwrap_used, reason = "in a test, that is an assertion")]

mod basic;
mod hostile;
mod person;
mod pipe;
mod screen;
mod script;
mod server;
