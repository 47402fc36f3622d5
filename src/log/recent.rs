//! The messages of a room that are kept in memory: the newest, within `limits.recent_messages` and
//! `limits.recent_bytes`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Draft;
use crate::event::{Message, Seq};
use crate::limits::Limits;

/// Rising without holes; the last one is the room's head.
#[derive(Debug, Default)]
pub(super) struct Recent {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    /// Bytes of all messages that ever were here.
    end: u64,
}

impl Recent {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// What they cost in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of all messages that ever were here.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The oldest number; `head` + 1 when there is none.
    pub(super) fn first(&self, head: Seq) -> Seq {
        let first = self.messages.front();
        first.map_or(head + 1, |message| message.seq)
    }

    /// `from..=to`, in order. May begin later than `from`, and end at `head`.
    pub(super) fn range(&self, from: Seq, to: Seq, head: Seq) -> Vec<Arc<Message>> {
        let first = self.first(head);
        if from > to || to < first || from > head {
            return Vec::new();
        }
        let start = (from.max(first) - first) as usize;
        let stop = (to.min(head) - first) as usize;
        self.messages.range(start..=stop).cloned().collect()
    }

    /// The first number after which at most `bytes` are left.
    pub(super) fn within_bytes(&self, bytes: u64, head: Seq) -> Seq {
        let start = self.end.saturating_sub(bytes);
        let skipped = self
            .messages
            .partition_point(|message| message.end <= start);
        self.first(head) + skipped as u64
    }

    /// Makes a draft the message with the next number.
    pub(super) fn push(&mut self, seq: Seq, time_ms: i64, draft: Draft) -> Arc<Message> {
        let cost = Message::cost(&draft.nick, &draft.text, draft.cid.as_deref());
        self.end += cost as u64;
        self.bytes += cost;
        let message = Arc::new(Message {
            seq,
            end: self.end,
            time_ms,
            author: draft.author,
            nick: draft.nick,
            text: draft.text,
            cid: draft.cid,
        });
        self.messages.push_back(message.clone());
        message
    }

    /// Lets the oldest go until the rest is within the limits. The newest stays, whatever it costs.
    pub(super) fn forget(&mut self, limits: &Limits) {
        while self.messages.len() > limits.recent_messages
            || self.bytes > limits.recent_bytes && self.messages.len() > 1
        {
            if let Some(old) = self.messages.pop_front() {
                self.bytes -= Message::cost(&old.nick, &old.text, old.cid.as_deref());
            }
        }
    }
}
