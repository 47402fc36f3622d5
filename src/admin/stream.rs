//! What follows some answers: one object on each line, until one of the two has enough.
//!
//! Whoever listens owns their connection from then on; another line from them, or their end, ends
//! it. Who does not read is not written to, and costs nothing but their place.

use serde_json::{Value, json};

use crate::control::{Events, Top, Traced};
use crate::rpc::LONGEST_ANSWER;

/// Bytes of events from which on they are written: a listener who has stopped reading keeps so much.
const AT_ONCE: usize = 4096;

/// What is listened to.
#[derive(Debug)]
pub(super) enum Stream {
    Events(Events),
    Top(Top),
    Trace(Traced),
}

impl Stream {
    /// The next lines, line ends included; none at the end. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let object = match self {
            Self::Events(events) => {
                let mut lines = events.next().await?.as_bytes().to_vec();
                // A crowd of listeners costs a write for many events, not one for each.
                while lines.len() < AT_ONCE
                    && let Some(line) = events.ready()
                {
                    lines.extend_from_slice(line.as_bytes());
                }
                return Some(lines);
            }
            Self::Trace(trace) => trace.next().await?,
            Self::Top(top) => serde_json::to_value(top.next().await).unwrap_or_default(),
        };
        Some(line(&object))
    }
}

fn line(object: &Value) -> Vec<u8> {
    let mut line = object.to_string().into_bytes();
    if line.len() > LONGEST_ANSWER {
        line = json!({"lagged": 1}).to_string().into_bytes();
    }
    line.push(b'\n');
    line
}
