//! What the daemon tells about itself without being asked: log lines, numbers, readiness.
//!
//! - [`logs`]: one event, one line, on stderr, never in anybody's way.
//! - [`metrics`]: the catalogue of numbers and their text form.
//! - [`http`]: the read-only door for a monitor.
//!
//! Not here: whoever counts ([`crate::meter`]), and the operator's verbs ([`crate::control`]).

pub mod http;
pub mod logs;
pub mod metrics;
mod observe;

pub use observe::site;
