//! Who sits at the operators' socket: a bounded number, and always room for one more.
//!
//! When all seats are taken, whoever comes gets that of the operator from whom nothing was heard and
//! who took nothing for the longest. So a crowd that has stalled keeps nobody out, and whoever
//! reads what he is told stays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The seats. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Vec<Taken>>>,
    most: usize,
}

#[derive(Debug)]
struct Taken {
    number: u64,
    last: Instant,
    leave: CancellationToken,
}

/// One seat; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    number: u64,
    leave: CancellationToken,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        let taken = Arc::default();
        Self { taken, most }
    }

    /// Takes a seat, and whether somebody else has to leave for it.
    pub(super) fn take(&self) -> (Seat, bool) {
        let mut taken = self.lock();
        // Who has to leave counts no more, however long it takes.
        let full = taken.len() == self.most;
        if full && let Some(at) = quietest(&taken) {
            taken.remove(at).leave.cancel();
        }
        let number = taken.last().map_or(0, |last| last.number + 1);
        let leave = CancellationToken::new();
        taken.push(Taken {
            number,
            last: Instant::now(),
            leave: leave.clone(),
        });
        let seats = self.clone();
        (
            Seat {
                seats,
                number,
                leave,
            },
            full,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Something was heard from whoever sits here, or taken.
    pub(super) fn stir(&self) {
        let mut taken = self.seats.lock();
        if let Some(own) = taken.iter_mut().find(|taken| taken.number == self.number) {
            own.last = Instant::now();
        }
    }

    /// Ends when somebody else needs the seat.
    pub(super) async fn lost(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats
            .lock()
            .retain(|taken| taken.number != self.number);
    }
}

fn quietest(taken: &[Taken]) -> Option<usize> {
    (0..taken.len()).min_by_key(|at| taken[*at].last)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_quietest_makes_place() {
        let seats = Seats::new(3);
        let mut sitting = Vec::new();
        for _ in 0..3 {
            let (seat, made_place) = seats.take();
            assert!(!made_place);
            sitting.push(seat);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        sitting[0].stir();
        let (fourth, made_place) = seats.take();
        assert!(made_place);
        let gone = |seat: &Seat| seat.leave.is_cancelled();
        let left: Vec<bool> = sitting.iter().map(gone).collect();
        assert_eq!(left, [false, true, false]);
        sitting[1].lost().await;
        drop(fourth);
        assert!(!seats.take().1, "a seat is free again");
        drop(sitting);
        assert_eq!(seats.lock().len(), 0);
    }
}
