//! The parts of a conversation that know no sockets: pure values, `now` is a parameter.

mod timers;
mod unanswered;

pub use timers::{Manner, Timers, Verdict};
pub use unanswered::{Pending, Unanswered};
