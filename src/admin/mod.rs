//! The operator's doors: newline-delimited JSON-RPC 2.0 on a Unix socket and on loopback TCP.
//!
//! - One request, one answer, in order; a request has at most [`rpc::LONGEST_REQUEST`] bytes, an
//!   answer at most [`rpc::LONGEST_ANSWER`]. Unknown fields of a request are ignored, unknown
//!   parameters are not: a misspelt filter must not fit everyone.
//! - Who may change things: on the Unix socket root, the daemon's own user and `admin.write_users`,
//!   by what the kernel says of the peer; on TCP who knows the token. Everybody else who can open
//!   the socket may look.
//! - Every call that changes something is logged once, target `audit`: who, what, what became of it;
//!   the last ones are remembered (`audit.list`). To read what a client writes counts as a change.
//! - `events.subscribe`, `top.subscribe` and `clients.trace` are answered once, and then one object
//!   follows on each line: events, glances, traced lines; `{"lagged":n}` where n are missing. Another
//!   line from the listener ends it.
//! - A bounded number of connections, each with deadlines, so a stuck operator costs nothing.
//!   The doors stay open while the daemon drains.
//!
//! ```text
//! → {"jsonrpc":"2.0","id":1,"method":"clients.kick","params":{"filter":{"username":"bob"}}}
//! ← {"jsonrpc":"2.0","id":1,"result":{"kicked":1,"dry_run":false,"clients":[{"id":7,…}]}}
//! ← {"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no client fits"}}
//! ```
//!
//! Not here: what the verbs do ([`crate::control`]).

mod caller;
mod lines;
mod methods;
mod request;
mod seats;
mod socket;
mod stream;
mod talk;
mod tcp;
mod token;
mod unix;
mod users;

pub use socket::{AdminSocket, OpenError};
pub use tcp::serve_tcp;
pub use token::Token;
pub use unix::serve_unix;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use tcp::Door;

#[cfg(doc)]
use crate::rpc;

#[cfg(test)]
mod tests;
