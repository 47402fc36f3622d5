//! Descriptors kept back, so that the operator's doors open when there are no others left.
//!
//! Each is an open `/dev/null`. Where `accept` fails for want of descriptors, a door borrows some of
//! them: they are closed, and what they were can be taken. When the connection is over they are
//! opened again, or, if others were faster, as soon as there are descriptors ([`Spares::refill`]).

use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One for the connection, two for files that are open at once for what it asks.
const LOAN: usize = 3;

/// Descriptors kept back. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Spares(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<File>,
    /// How many there should be, less what is lent.
    wanted: usize,
    /// How many there are when none is lent.
    all: usize,
}

/// Descriptors that may be used instead of these. They are kept again when this is dropped.
#[derive(Debug)]
pub struct Loan(Spares);

impl Spares {
    /// Keeps so many connections' descriptors back.
    pub fn for_connections(connections: usize) -> Self {
        // Where there are not so many, those that there are.
        let kept: Vec<_> = (0..connections * LOAN)
            .map_while(|_| useless().ok())
            .collect();
        let all = kept.len();
        let wanted = all;
        Self(Arc::new(Mutex::new(Shelf { kept, wanted, all })))
    }

    /// Opens what is missing, as far as that is possible now. Where there are enough descriptors
    /// again, what is lent is not missed any longer.
    pub fn refill(&self) {
        let mut shelf = self.shelf();
        while shelf.kept.len() < shelf.wanted {
            match useless() {
                Ok(file) => shelf.kept.push(file),
                // The next call tries again.
                Err(_) => return,
            }
        }
        let lent = shelf.all - shelf.wanted;
        // As many again are those that the borrowers may not have taken yet.
        if let Ok(mut free) = (0..2 * lent)
            .map(|_| useless())
            .collect::<io::Result<Vec<_>>>()
        {
            shelf.kept.extend(free.drain(..lent));
            shelf.wanted = shelf.all;
        }
    }

    /// Whether something is lent. Until it is back, or there are others, nobody accepts clients: they
    /// would take what was made free for an operator.
    pub fn are_lent(&self) -> bool {
        let shelf = self.shelf();
        shelf.kept.len() < shelf.all
    }

    /// Makes descriptors free for files that are about to be opened, if there are none.
    pub fn lend_if_none(&self) -> Option<Loan> {
        let free: io::Result<Vec<_>> = (0..LOAN).map(|_| useless()).collect();
        self.lend_for(&free.err()?)
    }

    /// Makes descriptors free, if this error says that there are none.
    pub fn lend_for(&self, error: &io::Error) -> Option<Loan> {
        if !is_out_of_descriptors(error) {
            return None;
        }
        let mut shelf = self.shelf();
        let left = shelf.kept.len().checked_sub(LOAN)?;
        // The lowest: after the limit was lowered (setrlimit(2)), higher ones free nothing.
        shelf
            .kept
            .sort_unstable_by_key(|file| Reverse(file.as_raw_fd()));
        shelf.kept.truncate(left);
        shelf.wanted -= LOAN;
        Some(Loan(self.clone()))
    }

    /// How many are kept now.
    pub fn kept(&self) -> usize {
        self.shelf().kept.len()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut shelf = self.0.shelf();
        shelf.wanted = (shelf.wanted + LOAN).min(shelf.all);
        drop(shelf);
        self.0.refill();
    }
}

fn useless() -> io::Result<File> {
    File::open("/dev/null")
}

/// Whether this process, or the whole machine, has no descriptor left.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_comes_back() {
        let spares = Spares::for_connections(2);
        let out = io::Error::from_raw_os_error(24);
        assert_eq!(spares.kept(), 6);
        let loans = [spares.lend_for(&out), spares.lend_for(&out)];
        assert!(loans.iter().all(Option::is_some));
        assert!(spares.lend_for(&out).is_none(), "there are no more");
        assert!(spares.are_lent());
        drop(loans);
        assert_eq!(spares.kept(), 6);
        assert!(!spares.are_lent());
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert!(spares.lend_for(&gone).is_none());
    }

    #[test]
    fn the_lowest_are_lent_first() {
        let spares = Spares::for_connections(2);
        let numbers = |spares: &Spares| -> Vec<_> {
            let shelf = spares.shelf();
            let mut numbers: Vec<_> = shelf.kept.iter().map(AsRawFd::as_raw_fd).collect();
            numbers.sort_unstable();
            numbers
        };
        let before = numbers(&spares);
        let _loan = spares.lend_for(&io::Error::from_raw_os_error(24));
        assert_eq!(numbers(&spares), before[LOAN..]);
    }

    #[test]
    fn what_is_lent_for_long_is_not_missed_where_there_are_others() {
        let spares = Spares::for_connections(2);
        let loan = spares.lend_for(&io::Error::from_raw_os_error(24));
        assert_eq!(spares.kept(), 3);
        spares.refill();
        assert_eq!((spares.kept(), spares.are_lent()), (6, false));
        drop(loan);
        assert_eq!(spares.kept(), 6);
        assert!(spares.lend_if_none().is_none(), "there are others");
    }
}
