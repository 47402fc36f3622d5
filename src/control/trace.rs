//! Looking on at one client for a time.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::{Control, Refused};
use crate::event::SessionId;
use crate::mail::{Note, Onlooker, Trace};

/// The longest time.
const LONGEST: Duration = Duration::from_secs(3600);
/// The time if nobody says how long.
const TIME: f64 = 30.0;

/// Whom to look at, and how closely.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceOrder {
    /// The client.
    pub id: u64,
    /// For how long; half a minute if nobody says, at most an hour.
    pub seconds: Option<f64>,
    /// Lines at most; as many as come if nobody says.
    pub max: Option<u64>,
    /// With the text of the lines: for who may change things, and audited.
    #[serde(default)]
    pub payload: bool,
}

/// The lines of one client, until its time is over or this is dropped.
#[derive(Debug)]
pub struct Traced {
    onlooker: Onlooker,
    until: Instant,
    left: u64,
    _place: OwnedSemaphorePermit,
}

impl Control {
    /// Looks on at a client from now on.
    ///
    /// # Errors
    /// There is no such client, the time makes no sense, or too many look on already.
    pub fn trace(&self, order: &TraceOrder) -> Result<Traced, Refused> {
        let time = Duration::try_from_secs_f64(order.seconds.unwrap_or(TIME));
        let time = time.map_err(|error| Refused::Invalid(format!("seconds: {error}")))?;
        if time.is_zero() || time > LONGEST {
            let longest = LONGEST.as_secs();
            let sentence = format!("seconds: a trace lasts more than 0 and at most {longest}");
            return Err(Refused::Invalid(sentence));
        }
        let id = order.id;
        let card = self.hub().card(SessionId(id));
        let card =
            card.ok_or_else(|| Refused::NoMatch(format!("there is no client with the id {id}")))?;
        let place = self.reader()?;
        let until = Instant::now() + time;
        let (trace, onlooker) = Trace::new(until, order.payload);
        card.lane().post(Note::Trace {
            session: card.id,
            trace: Box::new(trace),
        });
        let (client, payload) = (card.id, order.payload);
        tracing::info!(
            event = "client.traced",
            %client,
            seconds = time.as_secs_f64(),
            payload,
            "an operator looks on at a client"
        );
        Ok(Traced {
            onlooker,
            until,
            left: order.max.unwrap_or(u64::MAX),
            _place: place,
        })
    }
}

impl Traced {
    /// The next line, or `{"lagged":n}`. None when the time is over, the client has gone, another
    /// looks on instead, or enough was seen.
    pub async fn next(&mut self) -> Option<Value> {
        let lost = self.onlooker.take_lost();
        if lost > 0 {
            return Some(json!({"lagged": lost}));
        }
        if self.left == 0 {
            return None;
        }
        // What has come is shown before the end of the time is looked at.
        let line = tokio::select! {
            biased;
            line = self.onlooker.next() => line?,
            () = sleep_until(self.until) => return None,
        };
        self.left -= 1;
        Some(Value::Object(line))
    }
}
