//! The operator's verbs as a handle.

mod backoff;

pub use backoff::Backoff;
