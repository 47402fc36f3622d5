//! What is counted, and how it is counted for next to nothing.
//!
//! Each thread of the data plane has a [`Meter`] of its own and is the only one that writes to it:
//! a plain load and store, no shared atomic read-modify-write on the hot path. Whoever reads
//! (a scrape, `chatctl status`) adds the meters up into [`Totals`].

mod histogram;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use histogram::{
    Bounds, COMMIT, HANDSHAKE, Histogram, HistogramTotals, LATENCY, LATENESS, LIFETIME, TEXT, TURN,
};

use crate::close::{Ending, Refusal};
use crate::event::GapReason;
use crate::fault::Rejection;
use crate::words::words;

/// Whether anything is counted. Only a build with the feature `no-metrics` does not, so that the
/// price of counting can be measured.
pub const COUNTS: bool = !cfg!(feature = "no-metrics");

/// A number with one writer and any readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only the owner of the meter may call this: two writers would lose counts.
    pub fn add(&self, n: u64) {
        if COUNTS {
            self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Says what it stands at now: for what goes up and down. Only the owner of the meter may.
    pub fn set(&self, n: u64) {
        if COUNTS {
            self.0.store(n, Relaxed);
        }
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

words! {
    /// Why `accept` failed.
    pub enum AcceptError {
        /// Out of file descriptors (EMFILE, ENFILE).
        FdLimit = "fd_limit",
        /// The peer was gone before it was accepted.
        Aborted = "aborted",
        /// Out of memory or buffers.
        Memory = "memory",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What a line that was carried out asked for.
    pub enum Kind {
        /// A message to a room.
        Room = "room",
        /// A message to one person.
        Private = "private",
        /// Any other request.
        Request = "request",
    }
}

macro_rules! meters {
    (
        plain { $($(#[$doc:meta])* $name:ident,)+ }
        labelled { $($(#[$ldoc:meta])* $lname:ident: $label:ty,)+ }
        detailed { $($(#[$ddoc:meta])* $dname:ident: $detail:ty,)+ }
        histograms { $($(#[$hdoc:meta])* $hname:ident: $bounds:ident,)+ }
    ) => {
        /// The counters of one thread. Its thread writes, everybody reads.
        #[derive(Debug)]
        pub struct Meter {
            $($(#[$doc])* pub $name: Counter,)+
            $($(#[$ldoc])* pub $lname: PerLabel<{ <$label>::ALL.len() }>,)+
            $($(#[$ddoc])* pub $dname: PerLabel<{ <$detail>::COUNT }>,)+
            $($(#[$hdoc])* pub $hname: Histogram,)+
        }

        impl Default for Meter {
            fn default() -> Self {
                Self {
                    $($name: Counter::default(),)+
                    $($lname: PerLabel::default(),)+
                    $($dname: PerLabel::default(),)+
                    $($hname: Histogram::new(&$bounds),)+
                }
            }
        }

        /// The sums over all meters at one time.
        #[derive(Clone, Debug)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)+
            $($(#[$ldoc])* pub $lname: Vec<(&'static str, u64)>,)+
            $($(#[$ddoc])* pub $dname: Vec<([&'static str; 2], u64)>,)+
            $($(#[$hdoc])* pub $hname: HistogramTotals,)+
        }

        impl Totals {
            /// Adds up the meters of all threads.
            pub fn of<'a>(meters: impl IntoIterator<Item = &'a Meter>) -> Self {
                let mut sums = Self {
                    $($name: 0,)+
                    $($lname: <$label>::ALL.iter().map(|label| (label.as_str(), 0)).collect(),)+
                    $($dname: <$detail>::all().map(|one| (one.words(), 0)).collect(),)+
                    $($hname: HistogramTotals::new(&$bounds),)+
                };
                for meter in meters {
                    $(sums.$name += meter.$name.get();)+
                    $(for (sum, counter) in sums.$lname.iter_mut().zip(&meter.$lname.0) {
                        sum.1 += counter.get();
                    })+
                    $(for (sum, counter) in sums.$dname.iter_mut().zip(&meter.$dname.0) {
                        sum.1 += counter.get();
                    })+
                    $(sums.$hname.add(&meter.$hname);)+
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
        /// Messages that were not written to a session because they are its own.
        own,
        /// Messages owed to sessions that left or ended before they were written.
        gone,
        /// Messages that sessions asked for with `since`.
        replays_asked,
        /// Of these, written.
        replays_written,
        /// Of these, named in gaps.
        replays_gapped,
        /// Of these, not written when the session left or ended.
        replays_gone,
        /// Lines of presence written.
        presence_deliveries,
        /// Pages of history answered.
        history_pages,
        /// Messages written in pages of history.
        history_messages,
        /// Bytes read from sessions.
        bytes_in,
        /// Bytes written to sessions.
        bytes_out,
        /// Writes to sockets.
        socket_writes,
        /// Times that a session was not read because it was over `limits.message_rate`.
        paced,
        /// For how long these sessions were not read, in microseconds.
        paced_micros,
        /// Bytes of replies that wait for sessions, as of the last look of their lane: goes up and down.
        outbox_bytes,
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
        /// Panics in sessions.
        panics,
    }
    labelled {
        /// Failures of `accept`.
        accept_errors: AcceptError,
        /// Lines carried out.
        received: Kind,
        /// Gaps told to sessions.
        gaps: GapReason,
    }
    detailed {
        /// Connections refused before they became sessions.
        refused: Refusal,
        /// Sessions ended.
        closed: Ending,
        /// Lines refused.
        rejected: Rejection,
    }
    histograms {
        /// From the message's arrival to its bytes being handed to a recipient's socket, sampled.
        delivery_latency: LATENCY,
        /// Texts of messages to rooms and to persons.
        message_size: TEXT,
        /// From accept to the first valid line.
        handshake: HANDSHAKE,
        /// From accept to the end of a session.
        lifetime: LIFETIME,
        /// How late a lane's own clock came: what a session waits for its turn.
        lateness: LATENESS,
    }
}

/// One counter for each value of a closed set, indexed by the value's place in it.
#[derive(Debug)]
pub struct PerLabel<const N: usize>([Counter; N]);

impl<const N: usize> Default for PerLabel<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> PerLabel<N> {
    /// Counts one of this kind. `label` is its place in the closed set.
    ///
    /// # Panics
    /// If there is no such place: a fault of the code, not of input.
    pub fn count(&self, label: usize) {
        if COUNTS {
            self.0[label].add(1);
        }
    }

    /// What each stands at, in the order of the closed set.
    pub fn counts(&self) -> [u64; N] {
        std::array::from_fn(|label| self.0[label].get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::Detail;

    #[test]
    fn totals_add_up_the_meters_of_all_threads() {
        let meters = [Meter::default(), Meter::default()];
        meters[0].bytes_in.add(3);
        meters[1].bytes_in.add(4);
        meters[1].closed.count(Ending::from(Detail::Http).index());
        let totals = Totals::of(&meters);
        assert_eq!(totals.bytes_in, 7);
        assert_eq!(totals.closed.len(), Ending::COUNT);
        let counted: Vec<_> = totals.closed.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [&(["protocol_error", "http"], 1)]);
    }
}
