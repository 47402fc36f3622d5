//! What a full client does beside talking in rooms: private messages, and pages of history.

use serde_json::json;

use super::full::{Full, Page};
use crate::checker::Event;

impl Full {
    /// Says something to one person alone; the answer comes later. It is never said again: nobody
    /// remembers private messages across a restart.
    pub(crate) async fn whisper(&mut self, to: &str) {
        self.said += 1;
        let id = format!("{}-{}", self.username, self.said);
        let text = format!("{id} is between {} and {to}", self.username);
        self.record.note(Event::Whisper {
            to: to.to_owned(),
            text: text.clone(),
        });
        self.write(json!({ "type": "message", "to": to, "message": text, "cid": id }))
            .await;
    }

    /// Asks for a page of a room's history: what comes after a number, or the latest. Whether there
    /// is more; nothing if the server knows no history, or the connection ended.
    pub(crate) async fn page(&mut self, room: &str, after: Option<u64>) -> Option<bool> {
        const LIMIT: u64 = 100;
        self.mind.with(|state| state.page = Page::default());
        self.record.note(Event::Paging {
            room: room.to_owned(),
            after,
            limit: LIMIT,
        });
        let mut request = json!({
            "type": "history", "room": room, "limit": LIMIT, "label": PAGE_LABEL
        });
        if let Some(after) = after {
            request["after"] = json!(after);
        }
        self.write(request).await;
        self.mind
            .wait("a page", |state| state.page.ended.is_some() || state.closed)
            .await;
        self.mind.with(|state| state.page.ended.take().flatten())
    }

    /// Reads a room's whole history, page by page. False if the server knows none.
    pub(crate) async fn read_history(&mut self, room: &str, head: u64) -> bool {
        let mut after = 0;
        loop {
            match self.page(room, Some(after)).await {
                None => return false,
                Some(false) => return true,
                Some(true) => after = self.last_of_page(),
            }
            assert!(after < head, "more after {after} of {head}");
        }
    }

    fn last_of_page(&self) -> u64 {
        self.mind.with(|state| {
            let last = state.page.lines.last().map(|line| line.seq);
            last.or(state.page.gap.map(|(_, to)| to)).unwrap_or(0)
        })
    }
}

/// What marks the lines of a page.
pub(super) const PAGE_LABEL: &str = "page";
