//! What the daemon pushes, read on a thread of its own.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use serde_json::{Value, json};

use crate::ctl::args::Top;
use crate::ctl::link::{Heard, Link};
use crate::ctl::trouble::Trouble;
use crate::ctl::whom::filter;

/// Glances that may wait for the screen.
const WAITING: usize = 4;
/// Clients that are asked for: more than a screen holds, so that a filter finds some.
const CLIENTS: usize = 500;

/// A stream of glances. It ends when this is dropped.
pub(super) struct Glances(Receiver<Result<Value, Trouble>>);

/// What there is to see.
pub(super) enum Seen {
    Glance(Box<Value>),
    Nothing,
}

/// What is asked of the daemon.
pub(super) fn params(order: &Top, limit: usize) -> Value {
    json!({
        "filter": filter(None, &order.which), "sort": order.sort.as_str(), "limit": limit,
        "interval_seconds": order.interval.as_secs_f64(),
    })
}

impl Glances {
    /// Begins to look.
    pub(super) fn open(mut link: Link, order: &Top) -> Result<Self, Trouble> {
        link.call(
            "top.subscribe",
            params(order, CLIENTS),
            "look at the daemon",
        )?;
        let (to, from) = sync_channel(WAITING);
        thread::spawn(move || {
            loop {
                let glance = match link.listen(None) {
                    Ok(Heard::Object(glance)) => Ok(glance),
                    Ok(Heard::Silence) => continue,
                    Ok(Heard::End) => Err(gone()),
                    Err(trouble) => Err(trouble),
                };
                let is_last = glance.is_err();
                // Nobody looks any more: so does nobody wait for the rest.
                if to.send(glance).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self(from))
    }

    /// The newest glance, if there is one that was not seen.
    pub(super) fn next(&self) -> Result<Seen, Trouble> {
        match self.0.try_recv() {
            Ok(glance) => glance.map(|glance| Seen::Glance(Box::new(glance))),
            Err(TryRecvError::Empty) => Ok(Seen::Nothing),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> Trouble {
    Trouble::Failed("chatd has ended".to_owned())
}
