//! Is it well? Named checks, each with a sentence.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::timeout;

use super::Control;
use crate::phase::Phase;

/// How long a lane may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// From this part of a limit on it is time to look.
const NEAR: f64 = 0.85;

/// How well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work.
    Critical,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub check: &'static str,
    /// How well.
    pub level: Level,
    /// What was found.
    pub detail: String,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The worst of the checks.
    pub level: Level,
    /// Each.
    pub checks: Vec<Check>,
}

impl Control {
    /// Looks at everything; takes at most a second.
    pub async fn health(&self) -> Health {
        let checks = vec![
            self.check_phase(),
            self.check_doors(),
            self.check_lanes().await,
            self.check_probes(),
            self.check_clients(),
            self.check_buffers(),
            self.check_descriptors(),
            self.check_log(),
            self.check_bans(),
            self.check_history(),
            self.check_search(),
            self.check_config(),
        ];
        let level = checks
            .iter()
            .map(|check| check.level)
            .max()
            .unwrap_or(Level::Critical);
        Health { level, checks }
    }

    fn check_phase(&self) -> Check {
        let phase = self.phase();
        let level = match phase {
            Phase::Ready => Level::Ok,
            Phase::Starting | Phase::Draining => Level::Warning,
            Phase::Stopped => Level::Critical,
        };
        Check {
            check: "phase",
            level,
            detail: phase.to_string(),
        }
    }

    fn check_doors(&self) -> Check {
        let doors = self.doors();
        let chat: Vec<_> = doors
            .iter()
            .filter(|door| door.door == "chat")
            .map(|door| door.address.as_str())
            .collect();
        let (level, detail) = match chat.as_slice() {
            [] => (Level::Critical, "no chat listener".to_owned()),
            chat => (Level::Ok, chat.join(" ")),
        };
        Check {
            check: "listeners",
            level,
            detail,
        }
    }

    /// Every lane is asked and has to answer in its next turn.
    async fn check_lanes(&self) -> Check {
        let lanes = self.hub().lanes();
        let asked = lanes.len();
        let answers = join_all(lanes.iter().map(|lane| timeout(PATIENCE, lane.answers())));
        let answered = answers.await.iter().filter(|answer| answer.is_ok()).count();
        let level = if answered == asked && asked > 0 {
            Level::Ok
        } else {
            Level::Critical
        };
        Check {
            check: "lanes",
            level,
            detail: format!("{answered} of {asked} answer"),
        }
    }

    /// What the watchdog has found. Without systemd nobody looks, and nothing is wrong.
    fn check_probes(&self) -> Check {
        let failed = self.watch().failed();
        let sentences: Vec<_> = failed.iter().map(ToString::to_string).collect();
        let (level, detail) = match sentences.as_slice() {
            [] => {
                let (_, sent) = self.watch().counts()[0];
                (Level::Ok, format!("{sent} came back"))
            }
            sentences => (Level::Critical, sentences.join("; ")),
        };
        Check {
            check: "probes",
            level,
            detail,
        }
    }

    fn check_bans(&self) -> Check {
        let (there, most) = (self.hub().ban_count(), self.hub().limits().bans);
        let (level, sentence) = if !self.bans_are_kept() {
            (
                Level::Critical,
                "they could not be written and will not outlive the daemon",
            )
        } else if there as f64 > most as f64 * NEAR {
            (Level::Warning, "limits.bans is near")
        } else {
            (Level::Ok, "in force")
        };
        Check {
            check: "bans",
            level,
            detail: format!("{there}: {sentence}"),
        }
    }

    fn check_clients(&self) -> Check {
        let limits = self.hub().limits();
        share("clients", self.hub().sessions(), limits.clients, "clients")
    }

    fn check_buffers(&self) -> Check {
        let limits = self.hub().limits();
        share(
            "buffers",
            self.hub().gauges().buffer_bytes,
            limits.buffer_bytes,
            "bytes",
        )
    }

    fn check_log(&self) -> Check {
        let lost = (self.0.log.dropped)();
        let level = if lost == 0 { Level::Ok } else { Level::Warning };
        Check {
            check: "log",
            level,
            detail: format!("{lost} lines lost since the start"),
        }
    }

    fn check_config(&self) -> Check {
        let pending = self.pending_restart_keys();
        let (level, detail) = if !self.last_load_was_good() {
            (Level::Warning, "the last reload was rejected".to_owned())
        } else if pending.is_empty() {
            (Level::Ok, "as in the file".to_owned())
        } else {
            (
                Level::Warning,
                format!("needs a restart: {}", pending.join(" ")),
            )
        };
        Check {
            check: "config",
            level,
            detail,
        }
    }
}

impl Control {
    fn check_descriptors(&self) -> Check {
        let _loan = self.spares().lend_if_none();
        count_descriptors()
    }
}

fn count_descriptors() -> Check {
    let open = std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    let limit = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| soft_limit(&text));
    match (open, limit) {
        (Ok(open), Some(limit)) => share("descriptors", open, limit, "open"),
        _ => Check {
            check: "descriptors",
            level: Level::Warning,
            detail: "cannot be read here".to_owned(),
        },
    }
}

/// `Max open files            1024                 524288               files`
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn share(check: &'static str, used: usize, limit: usize, unit: &str) -> Check {
    let near = used as f64 >= limit as f64 * NEAR;
    let level = if near { Level::Warning } else { Level::Ok };
    Check {
        check,
        level,
        detail: format!("{used} of {limit} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::stage::Stage;
    use crate::control::{FailedProbe, ProbeResult};

    #[tokio::test]
    async fn a_lane_that_does_not_answer_is_critical() {
        let stage = Stage::new();
        stage.control.hub().set_phase(Phase::Ready);
        stage.control.add_door("chat", "127.0.0.1:1");
        let find = |health: &Health, name| {
            health
                .checks
                .iter()
                .find(|check| check.check == name)
                .unwrap()
                .clone()
        };
        let (well, ()) = tokio::join!(stage.control.health(), stage.lane_turn());
        assert_eq!(find(&well, "lanes").level, Level::Ok, "{well:?}");
        assert_eq!(find(&well, "phase").level, Level::Ok);
        assert_eq!(find(&well, "probes").level, Level::Ok);
        let lost = FailedProbe {
            lane: 0,
            step: ProbeResult::Message,
            error: "nothing came back".to_owned(),
        };
        stage.control.watch().note(1, vec![lost]);
        tokio::time::pause();
        let stuck = stage.control.health().await;
        assert_eq!(find(&stuck, "lanes").detail, "0 of 1 answer");
        assert_eq!(stuck.level, Level::Critical);
        let probes = "lane 0 failed at message: nothing came back";
        assert_eq!(find(&stuck, "probes").detail, probes);
    }

    #[test]
    fn near_a_limit_is_a_warning() {
        assert_eq!(share("x", 84, 100, "").level, Level::Ok);
        assert_eq!(share("x", 85, 100, "").level, Level::Warning);
        assert_eq!(
            soft_limit("Max open files    1024    4096   files\n"),
            Some(1024)
        );
        assert_eq!(count_descriptors().level, Level::Ok);
    }
}
