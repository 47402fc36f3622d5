//! What holds whatever comes in.
//!
//! Each function takes any bytes and panics where its property does not hold. The fuzzers in
//! `fuzz/` and the tests below call the same functions, so that they cannot drift apart.
//!
//! What is read back is read by another JSON parser than the daemon's ([`json`]).

mod codec;
mod framer;
mod json;
mod opening;
mod operator;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use codec::codec;
pub use framer::framer;
pub use opening::opening;
pub use operator::operator;
pub use session::session;
pub use settings::settings;
