//! What a reload did.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::{self, Change, Loaded};
use crate::control::HeldDoors;
use crate::words::words;

/// What a reload did, or would do: every key is in one of the four lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
    /// Keys that have another value from now on.
    pub applied: Vec<Change>,
    /// Keys that differ from what runs and take a restart.
    pub needs_restart: Vec<Change>,
    /// Keys that differ and change nothing, not at a restart either.
    pub passed_by: Vec<PassedBy>,
    /// How many keys are as they were.
    pub unchanged: usize,
    /// Which.
    pub unchanged_keys: Vec<&'static str>,
    /// Whether nothing was done, only looked at.
    pub dry_run: bool,
}

/// A key whose change changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedBy {
    /// `section.key`.
    pub key: &'static str,
    /// The value until now, as text.
    pub old: String,
    /// The value that is written now, as text.
    pub new: String,
    /// Why, and what to change instead.
    pub why: &'static str,
}

impl ReloadReport {
    /// What lies between two configurations.
    pub(super) fn between(old: &Loaded, new: &Loaded, held: HeldDoors, dry_run: bool) -> Self {
        let changes = config::diff(&old.config, &new.config);
        let changed: Vec<_> = changes.iter().map(|change| change.key).collect();
        let keys = config::rows(old).into_iter().map(|row| row.key);
        let unchanged_keys: Vec<_> = keys.filter(|key| !changed.contains(key)).collect();
        let (mut applied, mut needs_restart, mut passed_by) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match held.why(change.key) {
                Some(why) => passed_by.push(PassedBy {
                    key: change.key,
                    old: change.old,
                    new: change.new,
                    why,
                }),
                None if change.hot => applied.push(change),
                None => needs_restart.push(change),
            }
        }
        Self {
            file: new.file.clone(),
            applied,
            needs_restart,
            passed_by,
            unchanged: unchanged_keys.len(),
            unchanged_keys,
            dry_run,
        }
    }

    /// The word for log, metric and status.
    pub fn outcome(&self) -> Outcome {
        match (self.needs_restart.is_empty(), self.applied.is_empty()) {
            (false, _) => Outcome::RestartRequired,
            (true, false) => Outcome::Applied,
            (true, true) => Outcome::Unchanged,
        }
    }
}

words! {
    /// How a reload ended.
    pub enum Outcome {
        /// Something changed, and nothing is left to do.
        Applied = "applied",
        /// Nothing differs.
        Unchanged = "unchanged",
        /// Something differs that takes a restart.
        RestartRequired = "restart_required",
        /// Something is wrong, and nothing has changed.
        Rejected = "rejected",
    }
}
