//! What is counted, and how it is counted for next to nothing.
//!
//! Each thread of the data plane has a [`Meter`] of its own and is the only one that writes to it:
//! a plain load and store, no shared atomic read-modify-write on the hot path. Whoever reads
//! (a scrape, `chatctl status`) adds the meters up into [`Totals`].

mod histogram;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use histogram::{Histogram, HistogramTotals, LATENCY_BOUNDS};

use crate::close::{CloseReason, Refusal};
use crate::event::GapReason;
use crate::fault::ErrorCode;

/// A number with one writer and any readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only the owner of the meter may call this: two writers would lose counts.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why `accept` failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AcceptError {
    /// Out of file descriptors (EMFILE, ENFILE).
    FdLimit,
    /// The peer was gone before it was accepted.
    Aborted,
    /// Out of memory or buffers.
    Memory,
    /// Anything else.
    Other,
}

impl AcceptError {
    /// Every cause.
    pub const ALL: &'static [Self] = &[Self::FdLimit, Self::Aborted, Self::Memory, Self::Other];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FdLimit => "fd_limit",
            Self::Aborted => "aborted",
            Self::Memory => "memory",
            Self::Other => "other",
        }
    }
}

/// What a line that was carried out asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A message to a room.
    Room,
    /// A message to one person.
    Private,
    /// Any other request.
    Request,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Room, Self::Private, Self::Request];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Private => "private",
            Self::Request => "request",
        }
    }
}

macro_rules! meters {
    (
        plain { $($(#[$doc:meta])* $name:ident,)+ }
        labelled { $($(#[$ldoc:meta])* $lname:ident: $label:ty,)+ }
    ) => {
        /// The counters of one thread. Its thread writes, everybody reads.
        #[derive(Debug)]
        pub struct Meter {
            $($(#[$doc])* pub $name: Counter,)+
            $($(#[$ldoc])* pub $lname: PerLabel<{ <$label>::ALL.len() }>,)+
            /// From the message's arrival to its bytes being handed to a recipient's socket, sampled.
            pub delivery_latency: Histogram,
        }

        impl Default for Meter {
            fn default() -> Self {
                Self {
                    $($name: Counter::default(),)+
                    $($lname: PerLabel::default(),)+
                    delivery_latency: Histogram::new(&LATENCY_BOUNDS),
                }
            }
        }

        /// The sums over all meters at one time.
        #[derive(Clone, Debug)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)+
            $($(#[$ldoc])* pub $lname: Vec<(&'static str, u64)>,)+
            /// From the message's arrival to its bytes being handed to a recipient's socket, sampled.
            pub delivery_latency: HistogramTotals,
        }

        impl Totals {
            /// Adds up the meters of all threads.
            pub fn of<'a>(meters: impl IntoIterator<Item = &'a Meter>) -> Self {
                let mut sums = Self {
                    $($name: 0,)+
                    $($lname: <$label>::ALL.iter().map(|label| (label.as_str(), 0)).collect(),)+
                    delivery_latency: HistogramTotals::new(&LATENCY_BOUNDS),
                };
                for meter in meters {
                    $(sums.$name += meter.$name.get();)+
                    $(for (sum, counter) in sums.$lname.iter_mut().zip(&meter.$lname.0) {
                        sum.1 += counter.get();
                    })+
                    sums.delivery_latency.add(&meter.delivery_latency);
                }
                sums
            }
        }
    };
}

meters! {
    plain {
        /// Connections accepted, refused ones included.
        accepted,
        /// Messages numbered.
        committed,
        /// Acks sent.
        acks,
        /// Retries that were answered with the first ack.
        duplicates,
        /// Numbered messages written to sessions as they came.
        deliveries,
        /// Numbered messages written to sessions that were behind or came back.
        replayed,
        /// Messages that sessions were told they missed.
        gap_messages,
        /// Lines of presence written.
        presence_deliveries,
        /// Bytes read from sessions.
        bytes_in,
        /// Bytes written to sessions.
        bytes_out,
        /// Writes to sockets.
        socket_writes,
        /// Times that a session was not read because it was over `limits.message_rate`.
        paced,
        /// Times that a session was not read because it had `limits.unacked` messages unanswered.
        unacked_waits,
        /// Times that the log was full and a session had to wait.
        busy_waits,
        /// Times that a session fell behind a room.
        fell_behind,
        /// Times that a held slice was taken away to keep `limits.buffer_bytes`.
        slices_taken,
        /// Times that a lane lagged in the broadcast channel.
        lane_lags,
        /// Last lines that ended without a line end and were discarded.
        unterminated_lines,
        /// Retry ids forgotten before their age to keep `limits.dedup_entries`.
        dedup_evictions,
        /// Panics in sessions.
        panics,
    }
    labelled {
        /// Connections refused before they became sessions.
        refused: Refusal,
        /// Sessions ended.
        closed: CloseReason,
        /// Failures of `accept`.
        accept_errors: AcceptError,
        /// Lines carried out.
        received: Kind,
        /// Lines refused.
        rejected: ErrorCode,
        /// Gaps told to sessions.
        gaps: GapReason,
    }
}

/// One counter for each value of a closed set, indexed by the value's discriminant.
#[derive(Debug)]
pub struct PerLabel<const N: usize>([Counter; N]);

impl<const N: usize> Default for PerLabel<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> PerLabel<N> {
    /// Counts one of this kind. `label` is the discriminant of the closed enum.
    ///
    /// # Panics
    /// If the discriminant is not of the set: a fault of the code, not of input.
    pub fn count(&self, label: usize) {
        self.0[label].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_the_meters_of_all_threads() {
        let meters = [Meter::default(), Meter::default()];
        meters[0].bytes_in.add(3);
        meters[1].bytes_in.add(4);
        meters[1].closed.count(CloseReason::Kicked as usize);
        let totals = Totals::of(&meters);
        assert_eq!(totals.bytes_in, 7);
        assert_eq!(totals.closed.len(), CloseReason::ALL.len());
        assert_eq!(
            totals.closed.iter().find(|(word, _)| *word == "kicked"),
            Some(&("kicked", 1))
        );
    }
}
