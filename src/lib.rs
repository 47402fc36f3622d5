//! chatd: a chat daemon that tells its operator everything and loses nothing in silence.
//!
//! The library holds everything that the three programs share; the programs in `src/bin` are thin.
//! `ARCHITECTURE.md` is the map: the modules stand on floors, and a module uses lower floors and
//! its own folder only.
//!
//! Normative for the chat protocol is [`wire`]; every bound of the daemon is a field of
//! [`limits::Limits`]; every way a connection ends is a [`close::CloseReason`].

pub mod admin;
pub mod backoff;
pub mod ban;
pub mod books;
pub mod build;
pub mod cidr;
pub mod client;
pub mod close;
pub mod config;
pub mod control;
pub mod ctl;
pub mod escape;
pub mod event;
pub mod fault;
pub mod feed;
pub mod hub;
pub mod lane;
pub mod limits;
pub mod listen;
pub mod log;
pub mod mail;
pub mod manual;
pub mod meter;
pub mod name;
pub mod pace;
pub mod phase;
pub mod places;
#[cfg(any(test, feature = "fuzzing"))]
pub mod property;
pub mod retention;
pub mod rpc;
#[cfg(feature = "test-faults")]
pub mod sabotage;
pub mod search;
pub mod server;
pub mod session;
pub mod spares;
pub mod store;
pub mod telemetry;
pub mod wire;
mod words;
