//! Who may not come in: said, taken back, listed, and kept for the next life.
//!
//! A ban is in force before it is kept: whoever is under attack with a full disk is not left
//! without it, but told that it will not outlive the daemon. What could not be kept is tried again.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kick::Kicked;
use super::{BanFile, Control, Refused, rfc3339, seconds};
use crate::ban::{Ban, Whom};
use crate::cidr::Cidr;
use crate::close::Detail;
use crate::hub::Card;
use crate::name::{NameFault, Nick, is_same};

/// Rows in a page when nobody says how many.
const PAGE: usize = 500;
/// Rows in a page at most: a row has at most some 900 bytes.
const MOST: usize = 1000;
/// Longest reason, in bytes: it has to fit into a `bye`.
const LONGEST_REASON: usize = 500;
/// Longest name of who said it, in bytes.
const LONGEST_AUTHOR: usize = 100;

/// Whom to ban, and for how long.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BanOrder {
    /// This name and all that are the same.
    pub nick: Option<String>,
    /// This address or range; IPv6 is widened to a /64 at least.
    pub addr: Option<Cidr>,
    /// Why.
    pub reason: Option<String>,
    /// For how long; for ever if nothing is said.
    pub seconds: Option<f64>,
    /// Only say whom it would hit.
    pub dry_run: bool,
    /// Where the operator sits, to be warned of a ban that hits themselves.
    pub from: Option<IpAddr>,
}

/// What a ban did.
#[derive(Clone, Debug, Serialize)]
pub struct BanReport {
    /// The ban.
    pub ban: BanRow,
    /// Whether it took the place of one about the same.
    pub replaced: bool,
    /// Whether it was only a question.
    pub dry_run: bool,
    /// Whether it will outlive the daemon.
    pub saved: bool,
    /// What the operator should know about it.
    pub warnings: Vec<String>,
    /// How many sessions it ended.
    pub closed: usize,
    /// Whose; at most 100 of them.
    pub clients: Vec<Kicked>,
}

/// Which ban to take back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnbanOrder {
    /// The one about this name.
    pub nick: Option<String>,
    /// The one about this range.
    pub addr: Option<Cidr>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub struct UnbanReport {
    /// The ban that was.
    pub ban: BanRow,
    /// Whether the next life knows.
    pub saved: bool,
    /// What the operator should know about it.
    pub warnings: Vec<String>,
}

/// Which page of the bans.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BanQuery {
    /// Only those that hit this name.
    pub nick: Option<String>,
    /// Only those that hit this address.
    pub addr: Option<IpAddr>,
    /// Rows at most.
    pub limit: Option<usize>,
    /// Where the page before ended: its `next`.
    pub cursor: Option<(i64, String)>,
}

/// Some bans, oldest first, and where the next ones are.
#[derive(Clone, Debug, Serialize)]
pub struct BanPage {
    /// The rows.
    pub bans: Vec<BanRow>,
    /// How many there are, on all pages.
    pub total: usize,
    /// What to ask with for the next page; none after the last one.
    pub next: Option<(i64, String)>,
}

/// A ban as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct BanRow {
    /// `nick` or `address`.
    pub kind: &'static str,
    /// Whom it is about.
    pub whom: String,
    /// Why; empty if nobody said.
    pub reason: String,
    /// Who said it.
    pub by: String,
    /// When.
    pub since: String,
    /// Until when; none is for ever.
    pub until: Option<String>,
    /// How long that is from now.
    pub left_seconds: Option<f64>,
    /// Connections and names that it has refused since the start of the daemon.
    pub refused: u64,
}

/// The bans on disk, and whether they are those in force.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    file: Option<BanFile>,
    /// One writer at a time, so that an older state never follows a newer one.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// The file is older than what is in force.
    behind: AtomicBool,
}

impl Keeping {
    pub(super) fn new(file: Option<BanFile>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }
}

impl Control {
    /// Bans a name or a range, and ends the sessions that it hits. Returns when they are gone, or
    /// when their time to read why is over.
    ///
    /// # Errors
    /// It makes no sense as it was said; `limits.bans` is reached.
    pub async fn ban(&self, order: &BanOrder, by: &str) -> Result<BanReport, Refused> {
        let ban = self.ban_of(order, by)?;
        let warnings = warnings(&ban.whom, order);
        let hub = self.hub();
        let report = |ban: &Ban, replaced, saved, warnings, hit: &[Arc<Card>]| BanReport {
            ban: BanRow::of(ban, (hub.clock)()),
            replaced,
            dry_run: order.dry_run,
            saved,
            warnings,
            closed: hit.len(),
            clients: Kicked::some_of(hit),
        };
        if order.dry_run {
            let replaced = hub.ban_of(&ban.whom).is_some();
            return Ok(report(&ban, replaced, false, warnings, &self.hit_by(&ban)));
        }
        // First in force, then the living: whoever comes between the two meets it at the door.
        let replaced = hub.ban(ban.clone()).map_err(too_many)?.is_some();
        let hit = self.hit_by(&ban);
        self.close_banned(&ban, &hit);
        let (saved, warnings) = self.keep_and_warn(warnings).await;
        self.until_gone(&hit).await;
        Ok(report(&ban, replaced, saved, warnings, &hit))
    }

    /// Takes a ban back.
    ///
    /// # Errors
    /// There is no such ban.
    pub async fn unban(&self, order: &UnbanOrder) -> Result<UnbanReport, Refused> {
        let whom = whom(order.nick.as_deref(), order.addr)?;
        let missing = || Refused::NoMatch(format!("there is no ban of {whom}"));
        let ban = self.hub().unban(&whom).ok_or_else(missing)?;
        let (saved, warnings) = self.keep_and_warn(Vec::new()).await;
        Ok(UnbanReport {
            ban: BanRow::of(&ban, (self.hub().clock)()),
            saved,
            warnings,
        })
    }

    /// A page of the bans that are in force.
    pub fn bans(&self, query: &BanQuery) -> BanPage {
        let now_ms = (self.hub().clock)();
        let mut bans = self.hub().bans();
        bans.retain(|ban| !ban.is_over(now_ms) && query.fits(ban));
        let mut bans: Vec<_> = bans
            .into_iter()
            .map(|ban| ((ban.since_ms, ban.whom.to_string()), ban))
            .collect();
        bans.sort_by(|(a, _), (b, _)| a.cmp(b));
        let total = bans.len();
        let from = query.cursor.as_ref().map_or(0, |cursor| {
            bans.partition_point(|(place, _)| place <= cursor)
        });
        let to = total.min(from + query.limit.unwrap_or(PAGE).clamp(1, MOST));
        let next = (to < total)
            .then(|| bans[..to].last().map(|(place, _)| place.clone()))
            .flatten();
        let page = bans[from..to].iter();
        BanPage {
            bans: page.map(|(_, ban)| BanRow::of(ban, now_ms)).collect(),
            total,
            next,
        }
    }

    /// Whether the bans on disk are those in force.
    pub fn bans_are_kept(&self) -> bool {
        !self.0.bans.behind.load(Ordering::Acquire)
    }

    /// Tries once more to keep what could not be kept.
    pub async fn keep_bans_again(&self) {
        if !self.bans_are_kept() && self.keep_bans().await.is_ok() {
            tracing::info!(event = "bans.kept", "the bans are on disk again");
        }
    }

    fn ban_of(&self, order: &BanOrder, by: &str) -> Result<Ban, Refused> {
        let whom = whom(order.nick.as_deref(), order.addr)?;
        let reason = order.reason.as_deref().filter(|text| !text.is_empty());
        if reason.is_some_and(|text| text.len() > LONGEST_REASON) {
            let sentence = format!("a reason has at most {LONGEST_REASON} bytes");
            return Err(Refused::Invalid(sentence));
        }
        let since_ms = (self.hub().clock)();
        let until_ms = order
            .seconds
            .map(|seconds| until(since_ms, seconds))
            .transpose()?;
        Ok(Ban {
            whom,
            reason: reason.map(Into::into),
            by: by[..by.floor_char_boundary(LONGEST_AUTHOR)].into(),
            since_ms,
            until_ms,
            refused: 0,
        })
    }

    /// The sessions that a ban hits.
    fn hit_by(&self, ban: &Ban) -> Vec<Arc<Card>> {
        let mut cards = self.hub().cards();
        cards.retain(|card| match &ban.whom {
            Whom::Address(range) => range.contains(card.addr.ip()),
            Whom::Nick(nick) => card
                .text()
                .nick
                .is_some_and(|other| is_same(nick.as_str(), other.as_str())),
        });
        cards.sort_unstable_by_key(|card| card.id);
        cards
    }

    fn close_banned(&self, ban: &Ban, hit: &[Arc<Card>]) {
        let detail = match ban.whom {
            Whom::Nick(_) => Detail::BannedNick,
            Whom::Address(_) => Detail::BannedAddress,
        };
        let text = ban.reason.as_ref();
        let text = text.map(|reason| format!("you are banned from this server: {reason}"));
        for card in hit {
            card.close(detail, text.as_deref().map(Box::from));
        }
    }

    async fn keep_and_warn(&self, mut warnings: Vec<String>) -> (bool, Vec<String>) {
        let kept = self.keep_bans().await;
        if let Err(why) = &kept {
            tracing::error!(event = "bans.lost", why, "the bans could not be kept");
            warnings.push(format!("it will not outlive the daemon: {why}"));
        }
        (kept.is_ok(), warnings)
    }

    /// Puts the bans in force on disk.
    async fn keep_bans(&self) -> Result<(), String> {
        let keeping = &self.0.bans;
        keeping.behind.store(true, Ordering::Release);
        let Some(file) = keeping.file.clone() else {
            return Err("there is no state folder to keep it in".to_owned());
        };
        let turn = keeping.writing.clone().lock_owned().await;
        // Taken in turn: nobody who writes later knows less.
        let mut bans = self.hub().bans();
        bans.sort_by_cached_key(|ban| (ban.since_ms, ban.whom.to_string()));
        let path = file.path().display().to_string();
        let spares = self.spares().clone();
        let saved = tokio::task::spawn_blocking(move || {
            let loan = spares.lend_if_none();
            let saved = file.save(&bans);
            drop(loan);
            drop(turn);
            saved
        });
        match saved.await {
            Ok(Ok(())) => {
                keeping.behind.store(false, Ordering::Release);
                Ok(())
            }
            Ok(Err(error)) => Err(format!("cannot write {path}: {error}")),
            Err(_) => Err("the daemon is ending".to_owned()),
        }
    }
}

fn whom(nick: Option<&str>, range: Option<Cidr>) -> Result<Whom, Refused> {
    match (nick, range) {
        (Some(nick), None) => {
            let checked = Nick::new(nick).map_err(|fault| match fault {
                NameFault::Invalid(why) => Refused::Invalid(format!("{nick:?}: {why}")),
                NameFault::Reserved => Refused::Invalid(format!(
                    "{nick:?} is reserved, and a guest has another name each time: ban the address"
                )),
            });
            checked.map(Whom::Nick)
        }
        (None, Some(range)) => Ok(Whom::Address(range.widened())),
        _ => Err(Refused::Invalid(
            "say whom: a nick or an address, and not both".to_owned(),
        )),
    }
}

fn until(since_ms: i64, seconds: f64) -> Result<i64, Refused> {
    let time = Duration::try_from_secs_f64(seconds).ok();
    let time = time.filter(|time| !time.is_zero());
    let ms = time.and_then(|time| i64::try_from(time.as_millis()).ok());
    let until = ms.and_then(|ms| since_ms.checked_add(ms));
    until
        .filter(|&until| !rfc3339(until).is_empty())
        .ok_or_else(|| Refused::Invalid("this is no time that a ban can last".to_owned()))
}

fn too_many(most: usize) -> Refused {
    Refused::State(format!(
        "there are {most} bans, and limits.bans allows no more: take some back, or raise it"
    ))
}

fn warnings(whom: &Whom, order: &BanOrder) -> Vec<String> {
    let mut warnings = Vec::new();
    let Whom::Address(range) = whom else {
        return warnings;
    };
    if order.addr != Some(*range) {
        warnings.push(format!(
            "whoever has one IPv6 address has its whole /64: {range} is banned"
        ));
    }
    if order.from.is_some_and(|from| range.contains(from)) {
        warnings.push("it hits the address that you come from yourself".to_owned());
    }
    let loopback = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    if loopback.iter().any(|address| range.contains(*address)) {
        warnings.push("it hits everybody on the daemon's own machine".to_owned());
    }
    warnings
}

impl BanQuery {
    fn fits(&self, ban: &Ban) -> bool {
        let nick = self.nick.as_deref();
        let hits_nick =
            |nick: &str| matches!(&ban.whom, Whom::Nick(banned) if is_same(banned.as_str(), nick));
        let hits_address =
            |address| matches!(&ban.whom, Whom::Address(range) if range.contains(address));
        nick.is_none_or(hits_nick) && self.addr.is_none_or(hits_address)
    }
}

impl BanRow {
    fn of(ban: &Ban, now_ms: i64) -> Self {
        let left = |until: i64| {
            let left = u64::try_from(until.saturating_sub(now_ms)).unwrap_or(0);
            seconds(Duration::from_millis(left))
        };
        Self {
            kind: match ban.whom {
                Whom::Nick(_) => "nick",
                Whom::Address(_) => "address",
            },
            whom: ban.whom.to_string(),
            reason: ban.reason.as_deref().unwrap_or_default().to_owned(),
            by: ban.by.to_string(),
            since: rfc3339(ban.since_ms),
            until: ban.until_ms.map(rfc3339),
            left_seconds: ban.until_ms.map(left),
            refused: ban.refused,
        }
    }
}
