//! Ending sessions.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{Control, Filter, Refused};
use crate::close::CloseReason;
use crate::hub::Card;

/// So many of the sessions are named in the report; the rest is only counted.
const NAMED: usize = 100;
/// How long a kick waits for the sessions to be gone.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);
/// Longest reason, in bytes: it has to fit into a `bye`.
const LONGEST_REASON: usize = 500;

/// Whom to kick, and what to tell them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KickOrder {
    /// Whom. Nothing said is an error, not everyone.
    pub filter: Filter,
    /// What they read in their `bye`.
    pub reason: Option<String>,
    /// Only say who it would be.
    pub dry_run: bool,
    /// It is meant even if it fits more than one.
    pub many: bool,
}

/// Who was kicked.
#[derive(Clone, Debug, Serialize)]
pub struct KickReport {
    /// How many.
    pub kicked: usize,
    /// Whether it was only a question.
    pub dry_run: bool,
    /// Who; at most 100 of them.
    pub clients: Vec<Kicked>,
}

/// One who was kicked.
#[derive(Clone, Debug, Serialize)]
pub struct Kicked {
    /// The session's id.
    pub id: u64,
    /// What it was called.
    pub username: Option<String>,
    /// Where it came from.
    pub addr: String,
}

impl Control {
    /// Ends the sessions that fit, and returns when they are gone: each reads its `bye` first, and
    /// who does not even read that is waited for no longer than `PATIENCE`.
    ///
    /// # Errors
    /// Nobody fits; several do and `many` was not said; nothing was said at all.
    pub async fn kick(&self, order: &KickOrder) -> Result<KickReport, Refused> {
        let cards = self.order_kick(order)?;
        if !order.dry_run {
            self.until_gone(&cards).await;
        }
        Ok(KickReport {
            kicked: cards.len(),
            dry_run: order.dry_run,
            clients: Kicked::some_of(&cards),
        })
    }

    /// Waits until these sessions are gone, at most as long as they may take to read why.
    pub(super) async fn until_gone(&self, cards: &[Arc<Card>]) {
        let gone = async {
            for card in cards.iter().take(NAMED) {
                while self.hub().card(card.id).is_some() {
                    sleep(LOOK).await;
                }
            }
        };
        // Whoever is left has been told to go, and their lane sees to it.
        let _ = timeout(PATIENCE, gone).await;
    }

    /// Tells the lanes. Each ends its sessions in its next turn.
    fn order_kick(&self, order: &KickOrder) -> Result<Vec<Arc<Card>>, Refused> {
        if order.filter.is_empty() {
            let sentence =
                "say whom to kick: an id, a name, an address range, a room or an idle time";
            return Err(Refused::Invalid(sentence.to_owned()));
        }
        let reason = order.reason.as_deref();
        if reason.is_some_and(|text| text.len() > LONGEST_REASON) {
            return Err(Refused::Invalid(format!(
                "a reason has at most {LONGEST_REASON} bytes"
            )));
        }
        let mut cards = self.matching(&order.filter);
        cards.sort_unstable_by_key(|card| card.id);
        match cards.len() {
            0 => return Err(Refused::NoMatch("no client fits".to_owned())),
            1 => {}
            _ if order.many || order.dry_run => {}
            n => {
                return Err(Refused::Unconfirmed(format!(
                    "{n} clients fit; confirm to kick them all"
                )));
            }
        }
        if !order.dry_run {
            cards
                .iter()
                .for_each(|card| card.close(CloseReason::Kicked, reason.map(Box::from)));
        }
        Ok(cards)
    }
}

impl Kicked {
    /// As many of them as a report names.
    pub(super) fn some_of(cards: &[Arc<Card>]) -> Vec<Self> {
        cards.iter().take(NAMED).map(Self::of).collect()
    }

    fn of(card: &Arc<Card>) -> Self {
        Self {
            id: card.id.0,
            username: card.text().nick.map(|nick| nick.to_string()),
            addr: card.addr.to_string(),
        }
    }
}
