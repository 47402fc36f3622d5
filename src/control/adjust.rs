//! Values that are set while the daemon runs, for a time or as long as it runs. The file is never
//! written; what is set here wins over it, survives a reload, and goes with the process.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::{Control, Refused, Rejected, ReloadReport, lock, rfc3339};
use crate::config::{self, RuntimeValue};

/// The key that `log.set` sets.
const LEVEL: &str = "log.level";

/// A value to set, or to give up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetOrder {
    /// `section.key`.
    pub key: String,
    /// What would stand behind `--set section.key=`; none gives up what was set here before.
    pub value: Option<String>,
    /// For how long; without it, as long as the daemon runs.
    pub seconds: Option<f64>,
    /// Only say what it would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// A level to log at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOrder {
    /// The level, or directives; none goes back to what is configured.
    pub level: Option<String>,
    /// For how long; without it, as long as the daemon runs.
    pub seconds: Option<f64>,
}

impl LogOrder {
    /// The same as an order about a key.
    pub fn of_key(self) -> SetOrder {
        SetOrder {
            key: LEVEL.to_owned(),
            value: self.level,
            seconds: self.seconds,
            dry_run: false,
        }
    }
}

/// A value that is set, and when it goes.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) value: RuntimeValue,
    until: Option<Instant>,
}

/// Why a value was not set.
#[derive(Debug)]
pub enum Unset {
    /// It makes no sense as it was said, or not while the daemon runs.
    Refused(Refused),
    /// The value is wrong.
    Rejected(Rejected),
}

impl Control {
    /// Sets a key while the daemon runs, or gives up what was set before.
    ///
    /// # Errors
    /// There is no such key, the value is wrong, it takes a restart or somebody else has the say:
    /// nothing has changed.
    pub async fn set(&self, order: &SetOrder) -> Result<ReloadReport, Unset> {
        let _turn = self.0.reloads.turn.lock().await;
        let held = self.held_with(order).map_err(Unset::Refused)?;
        let base = self.base();
        let report = self
            .adopt(&base, held, order.dry_run)
            .map_err(Unset::Rejected)?;
        if !order.dry_run {
            self.note_changes(&report);
        }
        Ok(report)
    }

    /// Gives up the values whose time is over.
    pub async fn expire_values(&self) {
        let now = Instant::now();
        let is_over = |held: &Held| held.until.is_some_and(|until| until <= now);
        if !lock(&self.0.held).iter().any(is_over) {
            return;
        }
        let _turn = self.0.reloads.turn.lock().await;
        let (over, left): (Vec<_>, Vec<_>) = lock(&self.0.held).iter().cloned().partition(is_over);
        match self.adopt(&self.base(), left, false) {
            Ok(report) => {
                for held in over {
                    let key = held.value.key;
                    tracing::info!(
                        event = "config.expired",
                        key,
                        "a value is as configured again"
                    );
                }
                self.note_changes(&report);
            }
            // What was configured once is not wrong now; but the machine may have changed. It is
            // tried again.
            Err(rejected) => {
                tracing::warn!(event = "config.unexpired", why = %rejected, "a value could not go back");
            }
        }
    }

    fn held_with(&self, order: &SetOrder) -> Result<Vec<Held>, Refused> {
        let key = order.key.trim();
        if config::is_hot(key) == Some(false) {
            let sentence = format!("{key} takes a restart: write it into the file");
            return Err(Refused::State(sentence));
        }
        if let Some(why) = self.held_doors().why(key) {
            return Err(Refused::State(format!("{key}: {why}")));
        }
        let mut held = lock(&self.0.held).clone();
        let before = held.len();
        held.retain(|held| held.value.key != key);
        let Some(value) = &order.value else {
            if held.len() == before {
                return Err(Refused::NoMatch(format!("{key} was not set by set-config")));
            }
            return Ok(held);
        };
        let time = order.seconds.map(Duration::try_from_secs_f64).transpose();
        let time = time.map_err(|error| Refused::Invalid(format!("seconds: {error}")))?;
        let until = time.map(|time| Instant::now() + time);
        let shown = time.map(|time| {
            let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            rfc3339((self.0.hub.clock)().saturating_add(ms))
        });
        held.push(Held {
            value: RuntimeValue {
                key: key.to_owned(),
                value: value.clone(),
                until: shown,
            },
            until,
        });
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::control::stage::Stage;

    fn order(key: &str, value: Option<&str>, seconds: Option<f64>) -> SetOrder {
        SetOrder {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            seconds,
            dry_run: false,
        }
    }

    fn row(stage: &Stage, key: &str) -> (String, String) {
        let rows = stage.control.config_show();
        let row = rows.into_iter().find(|row| row.key == key).unwrap();
        (row.value, row.origin)
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_for_a_time_is_shown_as_such_and_goes_by_itself() {
        let stage = Stage::with_file("[limits]\nmessage = \"3000B\"\n");
        stage.control.reload(false).await.unwrap();
        let set = order("limits.message", Some("2000B"), Some(60.0));
        let report = stage.control.set(&set).await.unwrap();
        assert_eq!(report.applied[0].new, "2000B");
        assert_eq!(stage.control.hub().limits().message, 2000);
        let (value, origin) = row(&stage, "limits.message");
        assert_eq!(value, "2000B");
        assert!(
            origin.starts_with("set-config until 1970-01-01T00:17:40"),
            "{origin}"
        );

        // A reload reads the file, and what is set wins.
        fs::write(
            stage.file(),
            "[limits]\nmessage = \"3500B\"\nline = \"32KiB\"\n",
        )
        .unwrap();
        stage.control.reload(false).await.unwrap();
        assert_eq!(stage.control.hub().limits().message, 2000);
        assert_eq!(stage.control.hub().limits().line, 32 * 1024);

        stage.control.expire_values().await;
        assert_eq!(stage.control.hub().limits().message, 2000);
        tokio::time::advance(Duration::from_secs(61)).await;
        stage.control.expire_values().await;
        assert_eq!(stage.control.hub().limits().message, 3500);
        assert!(row(&stage, "limits.message").1.contains("chatd.toml:2"));
    }

    #[tokio::test]
    async fn what_is_wrong_changes_nothing_and_an_unread_file_stays_unread() {
        let stage = Stage::new();
        fs::write(stage.file(), "[limits]\nline = \"32KiB\"\n").unwrap();
        for (key, value) in [
            ("limits.mesage", "2000B"),
            ("limits.message", "lots"),
            ("limits.message", "64KiB"),
            ("limits.clients", "1000000"),
        ] {
            let set = order(key, Some(value), None);
            let unset = stage.control.set(&set).await.unwrap_err();
            assert!(matches!(unset, Unset::Rejected(_)), "{key}: {unset:?}");
        }
        let restart = order("server.name", Some("a"), None);
        let unset = stage.control.set(&restart).await.unwrap_err();
        assert!(
            matches!(unset, Unset::Refused(Refused::State(_))),
            "{unset:?}"
        );
        let good = order("limits.message", Some("100B"), None);
        stage.control.set(&good).await.unwrap();
        assert_eq!(stage.control.hub().limits().message, 100);
        assert_eq!(stage.control.hub().limits().line, 16 * 1024);
        let reset = order("limits.message", None, None);
        stage.control.set(&reset).await.unwrap();
        assert_eq!(stage.control.hub().limits().message, 4000);
        let twice = stage.control.set(&reset).await.unwrap_err();
        assert!(
            matches!(twice, Unset::Refused(Refused::NoMatch(_))),
            "{twice:?}"
        );
    }
}
