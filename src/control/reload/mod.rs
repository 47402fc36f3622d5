//! Reading the configuration again: all or nothing, and every key accounted for.

mod history;
mod rejected;
mod report;

use super::adjust::Held;
use super::{Control, ReloadTold, lock};
use crate::config::{self, Change, Loaded};
use crate::limits::Limits;
pub(super) use history::History;
pub use rejected::{FaultRow, Rejected};
pub(super) use report::Outcome;
pub use report::{PassedBy, ReloadReport};

/// Tells that a reload begins and, when this is dropped, that it has ended, however it did.
struct Told<'a>(&'a ReloadTold);

impl<'a> Told<'a> {
    fn begin(told: &'a ReloadTold) -> Self {
        told(true);
        Self(told)
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0(false);
    }
}

impl Control {
    /// Reads the sources again and applies every key that needs no restart, or changes nothing at
    /// all. The log tells the same as the answer. With `strict` a key that takes a restart is a
    /// reason to change nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the new configuration.
    pub async fn reload(&self, strict: bool) -> Result<ReloadReport, Rejected> {
        let _turn = self.0.reloads.turn.lock().await;
        let _told = Told::begin(&self.0.reload_told);
        let result = match self.planned(strict).await {
            Ok(new) => self.adopt(&new, self.held(), false),
            Err(rejected) => Err(rejected),
        };
        match &result {
            Ok(report) => self.note_reloaded(report),
            Err(rejected) => self.note_rejected(rejected),
        }
        result
    }

    /// What a reload would do now. New listeners are opened and closed again, so that an address that
    /// cannot be had is told too.
    ///
    /// # Errors
    /// As of [`Control::reload`].
    pub async fn plan(&self, strict: bool) -> Result<ReloadReport, Rejected> {
        let _turn = self.0.reloads.turn.lock().await;
        let new = self.planned(strict).await?;
        self.adopt(&new, self.held(), true)
    }

    /// What stands in the sources now.
    async fn planned(&self, strict: bool) -> Result<Loaded, Rejected> {
        let new = self.read_again().await?;
        if strict {
            let changes = config::diff(&self.live().config, &new.config);
            let held = self.held_doors();
            if let Some((key, why)) = changes
                .iter()
                .find_map(|change| Some((change.key, held.why(change.key)?)))
            {
                return Err(Rejected::unfit(format!("{key}: {why}")));
            }
            let waiting: Vec<_> = changes
                .iter()
                .filter(|change| !change.hot)
                .map(|change| change.key)
                .collect();
            if !waiting.is_empty() {
                let keys = waiting.join(", ");
                return Err(Rejected::unfit(format!(
                    "{keys}: takes a restart, and a strict reload does not leave anything waiting"
                )));
            }
        }
        Ok(new)
    }

    /// The configuration without what was set while the daemon runs.
    pub(super) fn base(&self) -> Loaded {
        lock(&self.0.base).clone()
    }

    pub(super) fn held(&self) -> Vec<Held> {
        lock(&self.0.held).clone()
    }

    /// Reloads by outcome, in a fixed order.
    pub fn reload_counts(&self) -> Vec<(&'static str, u64)> {
        self.0.reloads.counts()
    }

    /// Whether the last load or reload was good.
    pub fn last_load_was_good(&self) -> bool {
        self.0.reloads.last().outcome != Some(Outcome::Rejected)
    }

    /// When a load was last good, in milliseconds since 1970 UTC.
    pub fn last_good_load_ms(&self) -> i64 {
        self.0.reloads.last().good_ms
    }

    /// Keys that take a restart, as of the last good load.
    pub fn pending_restart_keys(&self) -> Vec<&'static str> {
        self.0.reloads.last().pending
    }

    /// On a thread that may wait: the file may lie on a slow disk.
    async fn read_again(&self) -> Result<Loaded, Rejected> {
        let sources = self.0.sources.clone();
        let spares = self.spares().clone();
        let read = tokio::task::spawn_blocking(move || {
            let _loan = spares.lend_if_none();
            config::load(&sources)
        });
        match read.await {
            Ok(loaded) => loaded.map_err(|faults| Rejected::from(&faults)),
            Err(error) => Err(Rejected::unfit(format!(
                "reading the configuration failed: {error}"
            ))),
        }
    }

    /// Puts another configuration in force, with values that are set while the daemon runs. Everything
    /// that can fail comes before everything that changes.
    pub(super) fn adopt(
        &self,
        base: &Loaded,
        held: Vec<Held>,
        dry_run: bool,
    ) -> Result<ReloadReport, Rejected> {
        let old = self.live();
        let values: Vec<_> = held.iter().map(|held| held.value.clone()).collect();
        let wrong = |faults| Rejected::from(&faults);
        let new = base.with_runtime(&values).map_err(wrong)?;
        let merged = old.merge_hot(&new);
        let limits: Limits = (self.0.fit_limits)(&merged).map_err(Rejected::unfit)?;
        let doors = self.open_doors(&old, &merged).map_err(Rejected::unfit)?;
        let report = ReloadReport::between(&old, &new, self.held_doors(), dry_run);
        if dry_run {
            return Ok(report);
        }
        if merged.config.log.level != old.config.log.level {
            (self.0.log.set_level)(&merged.config.log.level).map_err(Rejected::unfit)?;
        }
        (self.0.log.set_addresses)(merged.config.log.addresses);
        if limits != *self.0.hub.limits() {
            self.0.hub.set_limits(limits);
        }
        if merged.config.history != old.config.history {
            self.0.hub.set_retention(merged.config.history.retention());
        }
        if let Some(opened) = doors {
            *lock(&self.0.doors) = opened.use_them();
        }
        let base = self.base().merge_hot(base);
        *lock(&self.0.base) = base;
        *lock(&self.0.held) = held;
        *lock(&self.0.live) = merged;
        Ok(report)
    }

    fn note_reloaded(&self, report: &ReloadReport) {
        let outcome = report.outcome();
        let waiting = report.needs_restart.iter().map(|change| change.key);
        let now_ms = (self.0.hub.clock)();
        self.0.reloads.note_good(outcome, now_ms, waiting.collect());
        self.note_changes(report);
        for change in &report.needs_restart {
            let Change { key, old, new, .. } = change;
            tracing::warn!(
                event = "config.needs_restart",
                key,
                old,
                new,
                "a key differs and takes a restart"
            );
        }
        for PassedBy { key, old, new, why } in &report.passed_by {
            tracing::warn!(
                event = "config.passed_by",
                key,
                old,
                new,
                why,
                "a key differs and changes nothing"
            );
        }
        tracing::info!(
            event = "config.reloaded",
            result = outcome.as_str(),
            applied = report.applied.len() as u64,
            needs_restart = report.needs_restart.len() as u64,
            "the configuration was read again"
        );
    }

    /// Tells the log which keys have another value.
    pub(super) fn note_changes(&self, report: &ReloadReport) {
        for Change { key, old, new, .. } in &report.applied {
            tracing::info!(
                event = "config.changed",
                key,
                old,
                new,
                "a key has another value"
            );
        }
    }

    fn note_rejected(&self, rejected: &Rejected) {
        self.0.reloads.note(Outcome::Rejected);
        for fault in &rejected.faults {
            tracing::error!(event = "config.fault", "{}", fault.headline);
        }
        tracing::error!(
            event = "config.rejected",
            faults = rejected.total as u64,
            "the configuration was not reloaded: nothing has changed"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::control::stage::Stage;

    #[tokio::test]
    async fn a_plan_changes_nothing_and_a_strict_reload_leaves_nothing_waiting() {
        let stage = Stage::new();
        let text = "[limits]\nmessage = \"2000B\"\n[server]\nname = \"a\"\n";
        fs::write(stage.file(), text).unwrap();
        let plan = stage.control.plan(false).await.unwrap();
        assert_eq!(
            (plan.applied.len(), plan.needs_restart.len(), plan.dry_run),
            (1, 1, true)
        );
        assert_eq!(stage.control.hub().limits().message, 4000);
        assert_eq!(stage.control.pending_restart_keys(), [""; 0]);
        let strict = stage.control.reload(true).await.unwrap_err();
        assert!(strict.to_string().contains("server.name"), "{strict}");
        assert_eq!(stage.control.hub().limits().message, 4000);
        let done = stage.control.reload(false).await.unwrap();
        let keys = |changes: &[crate::config::Change]| -> Vec<_> {
            changes.iter().map(|change| change.key).collect()
        };
        assert_eq!(keys(&plan.applied), keys(&done.applied));
        let all = done.applied.len() + done.needs_restart.len() + done.unchanged_keys.len();
        assert_eq!(all, stage.control.config_show().len());
    }

    #[tokio::test]
    async fn a_good_file_is_applied_and_what_takes_a_restart_is_named() {
        let stage = Stage::with_file("[limits]\nmessage = \"4000B\"\n");
        let report = stage.control.reload(false).await.unwrap();
        assert_eq!((report.applied.len(), report.needs_restart.len()), (0, 0));
        assert_eq!(report.outcome().as_str(), "unchanged");

        let text =
            "[limits]\nmessage = \"2000B\"\n[log]\nlevel = \"debug\"\n[server]\nname = \"a\"\n";
        fs::write(stage.file(), text).unwrap();
        let report = stage.control.reload(false).await.unwrap();
        let keys: Vec<_> = report.applied.iter().map(|change| change.key).collect();
        assert_eq!(keys, ["log.level", "limits.message"]);
        assert_eq!(report.needs_restart[0].key, "server.name");
        assert_eq!(stage.control.hub().limits().message, 2000);
        assert_eq!(stage.levels(), ["debug"]);
        assert_eq!(stage.control.pending_restart_keys(), ["server.name"]);
        assert_eq!(stage.control.live().config.server.name, "chatd");
    }

    #[tokio::test]
    async fn one_fault_and_nothing_changes() {
        let stage = Stage::with_file("");
        let text = "[limits]\nmessage = \"2000B\"\nlin = 3\n[log]\nlevel = \"debug\"\n";
        fs::write(stage.file(), text).unwrap();
        let rejected = stage.control.reload(false).await.unwrap_err();
        let place = format!("{}:3:1", stage.file().display());
        assert_eq!(rejected.faults[0].place, place);
        assert!(rejected.to_string().contains("limits.lin"), "{rejected}");
        assert_eq!(stage.control.hub().limits().message, 4000);
        assert_eq!(stage.levels(), [""; 0]);
        assert!(!stage.control.last_load_was_good());
        let count = |word| {
            stage
                .control
                .reload_counts()
                .into_iter()
                .find(|(w, _)| *w == word)
        };
        assert_eq!(count("rejected"), Some(("rejected", 1)));
        fs::write(stage.file(), "").unwrap();
        stage.control.reload(false).await.unwrap();
        assert!(stage.control.last_load_was_good());
    }

    #[tokio::test]
    async fn limits_that_do_not_fit_the_machine_change_nothing() {
        let stage = Stage::with_file("");
        let text = "[limits]\nclients = 1000000\n[log]\nlevel = \"debug\"\n";
        fs::write(stage.file(), text).unwrap();
        let rejected = stage.control.reload(false).await.unwrap_err();
        assert_eq!(rejected.to_string(), "too many clients for this machine");
        assert_eq!(stage.control.hub().limits().clients, 10_000);
        assert_eq!(stage.levels(), [""; 0]);
    }
}
