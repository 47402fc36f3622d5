//! How the history fares.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::health::{Check, Level};
use super::{Control, seconds};
use crate::log::PruneReason;
use crate::meter::{COMMIT, HistogramTotals, TURN};
use crate::store::Trouble;

/// From this part of the queue on it is time to look.
const NEAR: f64 = 0.85;
/// With less of the disk free than this part it is time to look.
const SCARCE: f64 = 0.05;

/// The history in numbers.
#[derive(Clone, Debug, Serialize)]
#[allow(
    missing_docs,
    reason = "the names are the documentation of the JSON, units included"
)]
pub struct HistoryReport {
    pub durability: &'static str,
    pub path: Option<String>,
    /// What the store is in, as a word of a closed set; none while messages are kept.
    pub trouble: Option<&'static str>,
    pub trouble_text: Option<String>,
    pub trouble_seconds: Option<f64>,
    pub rooms: usize,
    pub rooms_limit: usize,
    pub messages: u64,
    pub used_bytes: u64,
    pub limit_bytes: Option<u64>,
    pub file_bytes: u64,
    pub wal_bytes: u64,
    /// Of the disk that the file lies on.
    pub disk_free_bytes: u64,
    pub disk_bytes: u64,
    pub queued_messages: usize,
    pub queue_limit: usize,
    pub turns: u64,
    pub committed_messages: u64,
    pub refused_messages: u64,
    pub checkpoints: u64,
    pub checkpoint_errors: u64,
    pub read_errors: u64,
    #[serde(skip)]
    pub errors: Vec<(&'static str, u64)>,
    #[serde(skip)]
    pub pruned: Vec<(&'static str, u64)>,
    #[serde(skip)]
    pub commit_seconds: HistogramTotals,
    #[serde(skip)]
    pub turn_messages: HistogramTotals,
}

impl Control {
    /// The history in numbers. In memory there is none, and all of them are 0.
    pub fn history_report(&self) -> HistoryReport {
        let hub = self.hub();
        let mut report = HistoryReport {
            durability: hub.log.durability().as_str(),
            path: None,
            trouble: None,
            trouble_text: None,
            trouble_seconds: None,
            rooms: 0,
            rooms_limit: 0,
            messages: 0,
            used_bytes: 0,
            limit_bytes: None,
            file_bytes: 0,
            wal_bytes: 0,
            disk_free_bytes: 0,
            disk_bytes: 0,
            queued_messages: 0,
            queue_limit: 0,
            turns: 0,
            committed_messages: 0,
            refused_messages: 0,
            checkpoints: 0,
            checkpoint_errors: 0,
            read_errors: 0,
            errors: Trouble::ALL.iter().map(|one| (one.as_str(), 0)).collect(),
            pruned: PruneReason::ALL
                .iter()
                .map(|one| (one.as_str(), 0))
                .collect(),
            commit_seconds: HistogramTotals::new(&COMMIT),
            turn_messages: HistogramTotals::new(&TURN),
        };
        let (Some(keep), Some((queued, limit))) = (hub.log.kept(), hub.log.queue()) else {
            return report;
        };
        if let Some(trouble) = keep.trouble() {
            report.trouble = Some(trouble.error.trouble.as_str());
            report.trouble_text = Some(trouble.error.text);
            report.trouble_seconds = Some(seconds(trouble.since.elapsed()));
        }
        let (files, meter, shelves) = (keep.store.files(), &keep.meter, keep.shelves());
        let retention = keep.retention();
        report.path = Some(files.database.display().to_string());
        report.rooms = shelves.len();
        report.rooms_limit = retention.rooms;
        report.messages = shelves.iter().map(|shelf| shelf.messages()).sum();
        report.used_bytes = meter.used_bytes.load(Relaxed);
        report.limit_bytes = retention.bytes.map(|bytes| bytes as u64);
        report.file_bytes = files.database_bytes();
        report.wal_bytes = files.wal_bytes();
        if let Some(disk) = files.disk() {
            (report.disk_free_bytes, report.disk_bytes) = (disk.free, disk.total);
        }
        (report.queued_messages, report.queue_limit) = (queued, limit);
        report.commit_seconds.add(&meter.commit_seconds);
        report.turns = report.commit_seconds.count();
        report.turn_messages.add(&meter.turn_messages);
        report.committed_messages = report.turn_messages.sum;
        report.refused_messages = meter.refused.get();
        report.checkpoints = meter.checkpoints.get();
        report.checkpoint_errors = meter.checkpoint_errors.get();
        report.read_errors = keep.read_errors();
        let counts = meter.errors.counts();
        report
            .errors
            .iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| sum.1 = count);
        let counts = meter.pruned.iter().map(|counter| counter.get());
        report
            .pruned
            .iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| sum.1 = count);
        report
    }

    /// Why messages cannot be kept now, if they cannot.
    pub fn history_trouble(&self) -> Option<&'static str> {
        let trouble = self.hub().log.kept()?.trouble()?;
        Some(trouble.error.trouble.as_str())
    }

    pub(super) fn check_history(&self) -> Check {
        let report = self.history_report();
        let check = |level, detail| Check {
            check: "history",
            level,
            detail,
        };
        let Some(path) = report.path else {
            return check(Level::Ok, "in memory alone".to_owned());
        };
        let disk = format!(
            "{} bytes of {} free",
            report.disk_free_bytes, report.disk_bytes
        );
        if let (Some(trouble), Some(text)) = (report.trouble, report.trouble_text) {
            let seconds = report.trouble_seconds.unwrap_or(0.0).round();
            let detail = format!(
                "{trouble} for {seconds} s, messages to rooms are refused: {text} ({path}, {disk})"
            );
            return check(Level::Critical, detail);
        }
        let (queued, limit) = (report.queued_messages, report.queue_limit);
        let is_near = queued as f64 > limit as f64 * NEAR;
        let is_scarce = (report.disk_free_bytes as f64) < report.disk_bytes as f64 * SCARCE;
        let level = if is_near || is_scarce {
            Level::Warning
        } else {
            Level::Ok
        };
        let detail = format!(
            "{} messages of {} rooms, {queued} of {limit} wait, {disk}",
            report.messages, report.rooms
        );
        check(level, detail)
    }

    /// The search is a convenience: nothing that goes wrong with it is critical.
    pub(super) fn check_search(&self) -> Check {
        let (level, detail) = match self.search() {
            None => (
                Level::Ok,
                "nothing is kept that could be searched".to_owned(),
            ),
            Some(search) => match search.trouble() {
                None => (Level::Ok, format!("{} messages behind", search.lag())),
                Some(trouble) => (
                    Level::Warning,
                    format!("does not follow the history: {trouble}"),
                ),
            },
        };
        Check {
            check: "search",
            level,
            detail,
        }
    }
}
