//! Do the books balance? What members are owed against what became of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Control, Refused};
use crate::books::{Books, Replays, Standing};
use crate::mail::{Mailbox, Note};

/// How long the lanes may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the books are read again because something moved meanwhile.
const READINGS: usize = 5;

/// The books as an operator sees them.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(
    missing_docs,
    reason = "the names are those of `Books`, which documents them; all are messages"
)]
pub struct BooksReport {
    pub owed: u64,
    pub written: u64,
    pub own: u64,
    pub gapped: u64,
    pub gone: u64,
    pub pending: u64,
    /// What is owed and stands nowhere; below 0 what was written and owed to nobody.
    pub difference: i64,
    pub replays_asked: u64,
    pub replays_written: u64,
    pub replays_gapped: u64,
    pub replays_gone: u64,
    pub replays_pending: u64,
    pub replays_difference: i64,
    /// Nothing moved while they were read. If something did, a difference means nothing.
    pub quiet: bool,
    /// They were read at a quiet moment, and both accounts come out at 0.
    pub balanced: bool,
}

impl Control {
    /// Reads the books. Where something moves meanwhile they are read again, a few times.
    ///
    /// # Errors
    /// A lane does not answer within a second.
    pub async fn books(&self) -> Result<BooksReport, Refused> {
        let mut report = self.read_books().await?;
        for _ in 1..READINGS {
            if report.quiet {
                break;
            }
            report = self.read_books().await?;
        }
        Ok(report)
    }

    async fn read_books(&self) -> Result<BooksReport, Refused> {
        let before = self.books_with(Standing::default());
        let standing = self.standing().await?;
        // Nothing moves without being counted.
        let quiet = self.books_with(Standing::default()) == before;
        Ok(BooksReport::of(self.books_with(standing), quiet))
    }

    /// The books when every session has ended and no lane is left to be asked.
    pub fn closing_books(&self) -> BooksReport {
        BooksReport::of(self.books_with(Standing::default()), true)
    }

    /// What is counted, with what the lanes say.
    fn books_with(&self, standing: Standing) -> Books {
        let totals = self.totals();
        let replays = Replays {
            asked: totals.replays_asked,
            written: totals.replays_written + standing.replays_written,
            gapped: totals.replays_gapped,
            gone: totals.replays_gone,
            pending: standing.replays_pending,
        };
        Books {
            owed: self.hub().owed(),
            written: (totals.deliveries + totals.replayed).saturating_sub(replays.written),
            own: totals.own,
            gapped: totals.gap_messages.saturating_sub(replays.gapped),
            gone: totals.gone,
            pending: standing.pending,
            replays,
        }
    }

    async fn standing(&self) -> Result<Standing, Refused> {
        let ask = |lane: &Arc<Mailbox>| {
            let (reply, answer) = oneshot::channel();
            lane.post(Note::Stand(reply));
            timeout(PATIENCE, answer)
        };
        let answers = join_all(self.hub().lanes().iter().map(ask)).await;
        let mut all = Standing::default();
        for answer in answers {
            let Ok(Ok(standing)) = answer else {
                let sentence = "a worker thread does not answer; `chatctl health` says more";
                return Err(Refused::State(sentence.to_owned()));
            };
            all += standing;
        }
        Ok(all)
    }
}

impl BooksReport {
    fn of(books: Books, quiet: bool) -> Self {
        let Books {
            owed,
            written,
            own,
            gapped,
            gone,
            pending,
            replays,
        } = books;
        let (difference, replays_difference) = (books.difference(), replays.difference());
        Self {
            owed,
            written,
            own,
            gapped,
            gone,
            pending,
            difference,
            replays_asked: replays.asked,
            replays_written: replays.written,
            replays_gapped: replays.gapped,
            replays_gone: replays.gone,
            replays_pending: replays.pending,
            replays_difference,
            quiet,
            balanced: quiet && difference == 0 && replays_difference == 0,
        }
    }
}
