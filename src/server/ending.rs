//! How the daemon ends.

use crate::control::{BooksReport, Control};

/// Waits until the daemon is to end and everybody has gone, or the deadline is over.
pub(super) async fn drained(control: &Control) {
    let mut stopping = control.stopping();
    let hub = control.hub().clone();
    loop {
        let deadline = stopping
            .borrow_and_update()
            .map(|stopping| stopping.deadline);
        let Some(deadline) = deadline else {
            if stopping.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            () = hub.empty() => return,
            () = tokio::time::sleep_until(deadline) => {
                let left = hub.sessions();
                tracing::warn!(event = "daemon.drain_overdue", sessions = left, "closing whoever is left");
                return;
            }
            _ = stopping.changed() => {}
        }
    }
}

/// The last line of the books: everybody has gone, and nothing may be owed that stands nowhere.
pub(super) fn close_books(control: &Control) {
    let books = control.closing_books();
    let BooksReport {
        owed,
        written,
        own,
        gapped,
        gone,
        difference,
        replays_difference,
        ..
    } = books;
    if books.balanced {
        tracing::info!(
            event = "books.closed",
            owed,
            written,
            own,
            gapped,
            gone,
            difference
        );
    } else {
        tracing::error!(
            event = "books.closed",
            owed,
            written,
            own,
            gapped,
            gone,
            difference,
            replays_difference,
            "the books do not balance: messages were lost or written twice"
        );
    }
}
