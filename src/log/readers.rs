//! Whoever wants to read the store asks here: a few threads with connections of their own, and a
//! line of bounded length before them. Nobody who serves sessions ever waits for a disk.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::keep::Keep;
use super::queued::or_abort;
use crate::store::{Reader, StoreError};

/// Threads that read. A disk that is slow for one need not be slow for all.
const THREADS: usize = 2;
/// Questions that may wait.
const WAITING: usize = 1024;

/// One question. It gets a reader, or why there is none, and says whether the reader is still good.
pub type Question = Box<dyn FnOnce(Result<&Reader, StoreError>) -> Result<(), StoreError> + Send>;

/// The line of questions.
#[derive(Default)]
pub struct Readers {
    line: Mutex<Line>,
    arrived: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Question>,
    is_closed: bool,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

impl Readers {
    /// Starts the threads. Each has its connection before there is a question, so that it needs no
    /// descriptor that may be gone by then.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn start(keep: &Arc<Keep>) -> std::io::Result<Arc<Self>> {
        let readers = Arc::new(Self::default());
        for number in 0..THREADS {
            let (readers, keep) = (readers.clone(), keep.clone());
            // Why there is none, the first question asks again.
            let reader = keep.store.reader().ok();
            std::thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || or_abort(|| readers.run(&keep, reader)))?;
        }
        Ok(readers)
    }

    /// Puts a question at the end of the line. False if the line is full, or nobody reads any more:
    /// then it is not asked.
    pub fn ask(&self, question: Question) -> bool {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = line.waiting.len() < WAITING && !line.is_closed;
        if fits {
            line.waiting.push_back(question);
            drop(line);
            self.arrived.notify_one();
        }
        fits
    }

    /// Questions that wait.
    pub fn len(&self) -> usize {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nobody asks any more.
    pub(super) fn close(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.is_closed = true;
        drop(line);
        self.arrived.notify_all();
    }

    fn run(&self, keep: &Keep, mut reader: Option<Reader>) {
        while let Some(question) = self.next() {
            let answered = match &reader {
                Some(reader) => question(Ok(reader)),
                None => match keep.store.reader() {
                    Ok(fresh) => question(Ok(reader.insert(fresh))),
                    Err(error) => question(Err(error)),
                },
            };
            if let Err(error) = answered {
                keep.reading_failed(&error);
                // Whatever it was, the next question gets a new connection.
                reader = None;
            }
        }
    }

    fn next(&self) -> Option<Question> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .arrived
            .wait_while(line, |line| line.waiting.is_empty() && !line.is_closed);
        let mut line = waited.unwrap_or_else(PoisonError::into_inner);
        line.waiting.pop_front()
    }
}
