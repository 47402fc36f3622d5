//! The client: what `chat-client`, tests and benches share.
//!
//! For tests, benches and bots there is [`Connection`] with the words of [`wire`]. The program is
//! [`program::run`]; inside it, from the core outwards:
//!
//! - [`conversation`] decides what is sent and shown. It knows no socket, no clock and no terminal.
//! - `driver` (and `basic` for the two-field dialect) joins it to a socket and a clock.
//! - `front` joins that to whoever is in front of it: `pipe` or `terminal`, whose blocking ends have
//!   threads of their own.
//! - [`render`] is the only way from an [`item::Item`] to text, and escapes everything foreign.
//!
//! Not here: anything of the daemon's own encoder. Client and server must not be wrong together.

pub mod address;
pub mod args;
pub mod backoff;
mod basic;
mod clock;
pub mod command;
pub mod connection;
pub mod conversation;
mod driver;
pub mod exit;
mod front;
pub mod item;
pub mod palette;
mod people;
mod pipe;
pub mod program;
mod prompt;
pub mod render;
mod terminal;
pub mod wire;

pub use connection::Connection;
