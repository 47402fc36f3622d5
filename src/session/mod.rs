//! The parts of a conversation that know no sockets: pure values, `now` is a parameter.

mod pace;
mod timers;
mod unanswered;

pub use pace::Pace;
pub use timers::{Manner, Timers, Verdict};
pub use unanswered::{Pending, Unanswered};
