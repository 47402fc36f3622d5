//! The client: what `chat-client`, tests and benches share.
pub mod command;
pub mod connection;
pub mod conversation;
pub mod exit;
pub mod item;
pub mod wire;

pub use connection::Connection;
