//! Own messages on their way: in the order of saying, until each is answered.
//!
//! Rules:
//! - A message leaves the outbox when the server has answered it, and only then.
//! - A message keeps its `cid` however often it is sent, so that a retry is safe.
//! - What is sent is sent in the order of saying.

use std::collections::{BTreeSet, VecDeque};

use crate::client::wire::Request;

/// Own messages whose echo is still expected. Above it the oldest is forgotten: it fell into a gap.
const UNHEARD: usize = 4096;

/// For whom a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The server's default room, whose name is not known yet.
    DefaultRoom,
    Room(String),
    Nick(String),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    number: u64,
    pub(super) target: Target,
    pub(super) text: String,
    sent: bool,
}

#[derive(Debug)]
pub(super) struct Outbox {
    /// Random for each process: nobody else's `cid` begins with it by chance.
    prefix: String,
    next: u64,
    queue: VecDeque<Pending>,
    in_flight: usize,
    /// Numbers of room messages that were sent and not heard yet.
    unheard: BTreeSet<u64>,
}

impl Outbox {
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            next: 1,
            queue: VecDeque::new(),
            in_flight: 0,
            unheard: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, target: Target, text: String) {
        self.queue.push_back(Pending {
            number: self.next,
            target,
            text,
            sent: false,
        });
        self.next += 1;
    }

    /// The next message to send, unless `limit` are unanswered already.
    pub(super) fn send_next(&mut self, limit: usize) -> Option<Request> {
        if self.in_flight >= limit {
            return None;
        }
        let pending = self.queue.iter_mut().find(|pending| !pending.sent)?;
        pending.sent = true;
        self.in_flight += 1;
        if !matches!(pending.target, Target::Nick(_)) {
            self.unheard.insert(pending.number);
            while self.unheard.len() > UNHEARD {
                self.unheard.pop_first();
            }
        }
        Some(request(
            &pending.target,
            &pending.text,
            cid(&self.prefix, pending.number),
        ))
    }

    /// What a message looks like on the wire, to measure it before it is queued.
    pub(super) fn draft(&self, target: &Target, text: &str) -> Request {
        request(target, text, cid(&self.prefix, self.next))
    }

    /// The server has answered this one: it leaves.
    pub(super) fn settle(&mut self, cid: &str) -> Option<Pending> {
        let number = self.number(cid)?;
        let at = self
            .queue
            .iter()
            .position(|pending| pending.number == number)?;
        let pending = self.queue.remove(at)?;
        self.in_flight -= usize::from(pending.sent);
        Some(pending)
    }

    /// The server has refused this one for good: it leaves, and no echo will come.
    pub(super) fn refuse(&mut self, cid: &str) -> Option<Pending> {
        let pending = self.settle(cid)?;
        self.unheard.remove(&pending.number);
        Some(pending)
    }

    /// The server has refused this one for now: it will be sent again.
    pub(super) fn postpone(&mut self, cid: &str) {
        let number = self.number(cid);
        if let Some(pending) = self
            .queue
            .iter_mut()
            .find(|p| p.sent && Some(p.number) == number)
        {
            pending.sent = false;
            self.in_flight -= 1;
        }
    }

    /// The connection is gone: everything unanswered is to be sent again.
    pub(super) fn unsend(&mut self) {
        self.queue
            .iter_mut()
            .for_each(|pending| pending.sent = false);
        self.in_flight = 0;
    }

    /// Whether this is the first time that one of our own messages is heard.
    ///
    /// A second one with the same `cid` is somebody else's who copied it, and no echo.
    pub(super) fn is_echo(&mut self, cid: &str) -> bool {
        self.number(cid)
            .is_some_and(|number| self.unheard.remove(&number))
    }

    fn number(&self, cid: &str) -> Option<u64> {
        cid.strip_prefix(&self.prefix)?
            .strip_prefix('-')?
            .parse()
            .ok()
    }
}

fn cid(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number}")
}

fn request(target: &Target, text: &str, cid: String) -> Request {
    let (room, to) = match target {
        Target::DefaultRoom => (None, None),
        Target::Room(room) => (Some(room.clone()), None),
        Target::Nick(nick) => (None, Some(nick.clone())),
    };
    Request::Message {
        room,
        to,
        message: text.to_owned(),
        cid: Some(cid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(outbox: &mut Outbox, limit: usize) -> Vec<String> {
        std::iter::from_fn(|| outbox.send_next(limit))
            .map(|request| match request {
                Request::Message { message, cid, .. } => format!("{}:{message}", cid.unwrap()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn three() -> Outbox {
        let mut outbox = Outbox::new("x".into());
        for text in ["a", "b", "c"] {
            outbox.push(Target::DefaultRoom, text.into());
        }
        outbox
    }

    #[test]
    fn sends_in_order_and_no_more_than_allowed() {
        let mut outbox = three();
        assert_eq!(texts(&mut outbox, 2), ["x-1:a", "x-2:b"]);
        assert_eq!(outbox.settle("x-1").unwrap().text, "a");
        assert_eq!(texts(&mut outbox, 2), ["x-3:c"]);
        assert!(outbox.settle("x-1").is_none(), "answered once");
        assert!(outbox.settle("y-2").is_none(), "not ours");
        assert!(outbox.settle("x-9").is_none(), "never said");
    }

    #[test]
    fn sends_again_under_the_same_cid_in_the_same_order() {
        let mut outbox = three();
        texts(&mut outbox, 9);
        outbox.settle("x-2");
        outbox.unsend();
        assert_eq!(texts(&mut outbox, 9), ["x-1:a", "x-3:c"]);
    }

    #[test]
    fn what_was_postponed_comes_first() {
        let mut outbox = three();
        assert_eq!(texts(&mut outbox, 2), ["x-1:a", "x-2:b"]);
        outbox.postpone("x-1");
        assert_eq!(texts(&mut outbox, 3), ["x-1:a", "x-3:c"]);
    }

    #[test]
    fn an_echo_is_an_echo_once() {
        let mut outbox = three();
        texts(&mut outbox, 2);
        assert!(outbox.is_echo("x-1"));
        assert!(!outbox.is_echo("x-1"), "somebody copied the cid");
        assert!(!outbox.is_echo("x-3"), "not sent yet");
        outbox.refuse("x-2");
        assert!(!outbox.is_echo("x-2"), "refused");
    }
}
