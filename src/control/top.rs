//! The daemon as a stream of glances, with the clients that matter most by some measure.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::clients::{ClientRow, Filter};
use super::{Control, Latency, Refused, Status, rfc3339};
use crate::hub::Card;

/// Rows if nobody says how many, and at most.
const ROWS: usize = 50;
const MOST: usize = 500;
/// Between two glances, if nobody says how long.
const INTERVAL: f64 = 1.0;
/// The shortest and the longest time between two glances.
const INTERVALS: std::ops::RangeInclusive<f64> = 0.1..=3600.0;

/// What to look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopOrder {
    /// Which clients.
    pub filter: Filter,
    /// By which measure, largest first.
    pub sort: Measure,
    /// Rows at most; none at all is 0.
    pub limit: Option<usize>,
    /// Between two glances.
    pub interval_seconds: Option<f64>,
}

/// What clients are ranked by.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub enum Measure {
    #[default]
    InRate,
    OutRate,
    OutBytesRate,
    LagMsgs,
    LagSeconds,
    AgeSeconds,
    IdleSeconds,
    InMsgs,
    OutMsgs,
}

/// One glance.
#[derive(Clone, Debug, Serialize)]
pub struct TopView {
    /// When.
    pub time: String,
    /// How long after the one before; 0 for the first.
    pub interval_seconds: f64,
    /// The daemon.
    pub status: Status,
    /// Deliveries since the start.
    pub latency: Latency,
    /// How many clients fit.
    pub total: usize,
    /// The first of them.
    pub clients: Vec<TopRow>,
}

/// A client with its rates since the glance before.
#[derive(Clone, Debug, Serialize)]
pub struct TopRow {
    /// The client.
    #[serde(flatten)]
    pub client: ClientRow,
    /// Messages that it sent, each second.
    pub in_msgs_per_second: f64,
    /// Messages written to it, each second.
    pub out_msgs_per_second: f64,
    /// Bytes written to it, each second.
    pub out_bytes_per_second: f64,
}

/// What a client had sent and been sent at the glance before.
#[derive(Clone, Copy, Debug)]
struct Counts {
    in_msgs: u64,
    out_msgs: u64,
    out_bytes: u64,
}

impl Counts {
    fn of(card: &Card) -> Self {
        Self {
            in_msgs: card.in_msgs.get(),
            out_msgs: card.out_msgs.get(),
            out_bytes: card.out_bytes.get(),
        }
    }
}

/// Glances until this is dropped.
#[derive(Debug)]
pub struct Top {
    control: Control,
    order: TopOrder,
    interval: Duration,
    due: Instant,
    last: Option<Instant>,
    /// Of every client that fits: bounded by `limits.clients`.
    before: HashMap<u64, Counts>,
    _place: OwnedSemaphorePermit,
}

impl Control {
    /// Looks at the daemon from now on.
    ///
    /// # Errors
    /// The interval makes no sense, or too many look already.
    pub fn top(&self, order: TopOrder) -> Result<Top, Refused> {
        let interval = order.interval_seconds.unwrap_or(INTERVAL);
        if !INTERVALS.contains(&interval) {
            let (least, most) = (INTERVALS.start(), INTERVALS.end());
            let sentence = format!("interval_seconds is between {least} and {most}");
            return Err(Refused::Invalid(sentence));
        }
        Ok(Top {
            control: self.clone(),
            order,
            interval: Duration::from_secs_f64(interval),
            due: Instant::now(),
            last: None,
            before: HashMap::new(),
            _place: self.reader()?,
        })
    }
}

impl Top {
    /// The next glance, when it is time for it. Who is slow to ask misses some.
    pub async fn next(&mut self) -> TopView {
        sleep_until(self.due).await;
        let now = Instant::now();
        self.due = now + self.interval;
        let passed = self
            .last
            .replace(now)
            .map_or(Duration::ZERO, |last| now - last);
        let cards = self.control.matching(&self.order.filter);
        let total = cards.len();
        let mut ranked: Vec<_> = cards
            .iter()
            .map(|card| {
                let row = self.row(card, passed);
                (self.order.sort.of(&row), row)
            })
            .collect();
        self.before = cards
            .iter()
            .map(|card| (card.id.0, Counts::of(card)))
            .collect();
        ranked.sort_by(|(a, one), (b, other)| {
            b.total_cmp(a).then(one.client.id.cmp(&other.client.id))
        });
        let limit = self.order.limit.unwrap_or(ROWS).min(MOST);
        TopView {
            time: rfc3339((self.control.hub().clock)()),
            interval_seconds: passed.as_secs_f64(),
            status: self.control.status(),
            latency: self.control.latency(),
            total,
            clients: ranked.into_iter().take(limit).map(|(_, row)| row).collect(),
        }
    }

    fn row(&self, card: &Card, passed: Duration) -> TopRow {
        let now = Counts::of(card);
        let before = self.before.get(&card.id.0).copied();
        let rate = |count: fn(&Counts) -> u64| match &before {
            Some(before) if !passed.is_zero() => {
                count(&now).saturating_sub(count(before)) as f64 / passed.as_secs_f64()
            }
            _ => 0.0,
        };
        TopRow {
            in_msgs_per_second: rate(|counts| counts.in_msgs),
            out_msgs_per_second: rate(|counts| counts.out_msgs),
            out_bytes_per_second: rate(|counts| counts.out_bytes),
            client: ClientRow::of(card),
        }
    }
}

impl Measure {
    fn of(self, row: &TopRow) -> f64 {
        match self {
            Self::InRate => row.in_msgs_per_second,
            Self::OutRate => row.out_msgs_per_second,
            Self::OutBytesRate => row.out_bytes_per_second,
            Self::LagMsgs => row.client.lag_msgs as f64,
            Self::LagSeconds => row.client.lag_seconds,
            Self::AgeSeconds => row.client.age_seconds,
            Self::IdleSeconds => row.client.idle_seconds,
            Self::InMsgs => row.client.in_msgs as f64,
            Self::OutMsgs => row.client.out_msgs as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::stage::Stage;

    #[tokio::test(start_paused = true)]
    async fn clients_are_ranked_by_their_rate_since_the_glance_before() {
        let stage = Stage::new();
        let (alice, bob) = (
            stage.join("alice", "10.0.0.1:1"),
            stage.join("bob", "10.0.0.2:1"),
        );
        alice.in_msgs.add(1000);
        let mut top = stage.control.top(TopOrder::default()).unwrap();
        let first = top.next().await;
        assert_eq!(first.clients[0].in_msgs_per_second, 0.0);
        assert_eq!(
            first.clients[0].client.id, alice.id.0,
            "nobody has a rate: by id"
        );
        bob.in_msgs.add(30);
        alice.in_msgs.add(10);
        let second = top.next().await;
        let ranked: Vec<_> = second
            .clients
            .iter()
            .map(|row| (row.client.id, row.in_msgs_per_second))
            .collect();
        assert_eq!(ranked, [(bob.id.0, 30.0), (alice.id.0, 10.0)]);
        assert_eq!(second.interval_seconds, 1.0);
    }
}
