//! What goes wrong in practice, looked at in one go; each finding names the command that tells more.

use serde_json::{Value, json};

use super::desk::Desk;
use super::render::Column;
use super::show::word;
use super::trouble::Trouble;
use crate::build::BUILD;

const FINDINGS: &[Column] = &[
    Column::new("level", "LEVEL", word),
    Column::new("check", "CHECK", word),
    Column::new("finding", "FINDING", word),
    Column::new("next", "NEXT", word),
];

/// From this part of a limit on it is time to look.
const NEAR: f64 = 0.85;
/// From here on deliveries are slow, in seconds.
const SLOW: f64 = 0.25;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    level: &'static str,
    check: String,
    finding: String,
    next: &'static str,
}

impl Finding {
    fn ok(check: &str, finding: impl Into<String>) -> Self {
        Self::new("ok", check, finding, "")
    }

    fn warning(check: &str, finding: impl Into<String>, next: &'static str) -> Self {
        Self::new("warning", check, finding, next)
    }

    fn new(
        level: &'static str,
        check: &str,
        finding: impl Into<String>,
        next: &'static str,
    ) -> Self {
        Self {
            level,
            check: check.to_owned(),
            finding: finding.into(),
            next,
        }
    }

    fn row(&self) -> Value {
        json!({
            "level": self.level, "check": self.check, "finding": self.finding, "next": self.next,
        })
    }
}

impl Desk<'_> {
    pub(super) fn doctor(&mut self) -> Result<(), Trouble> {
        let doing = "look at the daemon";
        let version = self.call("version", json!({}), doing)?;
        let health = self.call("health", json!({}), doing)?;
        let status = self.call("status", json!({}), doing)?;
        let closed = self.call("clients.closed", json!({"limit": 1000}), doing)?;
        let errors = self.call("errors.list", json!({}), doing)?;
        let mut findings = vec![same_build(&version)];
        findings.extend(healthy(&health));
        findings.extend(looks(&status));
        findings.push(endings(&closed));
        findings.push(bad_lines(&errors));
        // The worst first; within a level as they were looked at.
        let place = |level: &str| {
            ["critical", "warning", "ok"]
                .iter()
                .position(|l| *l == level)
        };
        findings.sort_by_key(|finding| place(finding.level));
        let rows: Vec<_> = findings.iter().map(Finding::row).collect();
        self.print(FINDINGS, &rows)?;
        if findings.iter().any(|finding| finding.level == "critical") {
            return Err(Trouble::Failed("chatd is not well: see above".to_owned()));
        }
        Ok(())
    }
}

fn same_build(version: &Value) -> Finding {
    let daemon = word(&version["version"]);
    if daemon == BUILD.version {
        Finding::ok("build", format!("chatd and chatctl are both {daemon}"))
    } else {
        let finding = format!("chatd is {daemon} and chatctl is {}", BUILD.version);
        Finding::warning("build", finding, "chatctl version")
    }
}

fn healthy(health: &Value) -> Vec<Finding> {
    let checks = health["checks"].as_array();
    let of = |check: &Value| {
        let (name, detail) = (word(&check["check"]), word(&check["detail"]));
        match check["level"].as_str() {
            Some("ok") => Finding::ok(&name, detail),
            Some("warning") => Finding::warning(&name, detail, "chatctl health"),
            _ => Finding::new("critical", &name, detail, "chatctl health"),
        }
    };
    checks.into_iter().flatten().map(of).collect()
}

fn looks(status: &Value) -> Vec<Finding> {
    let number = |name: &str| status[name].as_f64().unwrap_or(0.0);
    let mut findings = Vec::new();
    let mut look = |is_bad: bool, check: &str, finding: String, next| {
        findings.push(if is_bad {
            Finding::warning(check, finding, next)
        } else {
            Finding::ok(check, finding)
        });
    };
    look(
        status["paused"] == true,
        "paused",
        if status["paused"] == true {
            "nobody is let in"
        } else {
            "new connections are let in"
        }
        .to_owned(),
        "chatctl resume",
    );
    let (clients, limit) = (number("clients"), number("clients_limit"));
    look(
        clients > limit * NEAR,
        "room for clients",
        format!("{clients} of {limit}"),
        "chatctl show-config limits.clients",
    );
    let refused = number("refused");
    look(
        refused > 0.0,
        "refused connections",
        format!("{refused} since the start"),
        "chatctl list-closed --refused",
    );
    let p99 = status["delivery_p99_seconds"].as_f64();
    look(
        p99.is_some_and(|p99| p99 > SLOW),
        "delivery",
        p99.map_or("nothing was timed yet".to_owned(), |p99| {
            format!("p99 within {p99} s")
        }),
        "chatctl latency --for 10s",
    );
    let lag = number("lag_msgs_max");
    look(
        lag > 0.0,
        "slow clients",
        format!("the furthest is {lag} messages behind"),
        "chatctl list-clients --sort lag_msgs --reverse",
    );
    let gaps = number("gap_messages");
    look(
        gaps > 0.0,
        "gaps",
        format!("{gaps} messages were skipped since the start"),
        "chatctl list-clients --state behind",
    );
    let pending = status["config_pending_restart_keys"].as_array();
    let pending: Vec<_> = pending.into_iter().flatten().map(word).collect();
    look(
        !pending.is_empty(),
        "restart",
        if pending.is_empty() {
            "no key waits for one".to_owned()
        } else {
            format!("{} wait for one", pending.join(" "))
        },
        "chatctl plan-config",
    );
    look(
        status["config_last_reload"] == "rejected",
        "reload",
        match status["config_last_reload"].as_str() {
            None => "none yet".to_owned(),
            Some(outcome) => format!("the last one was {outcome}"),
        },
        "chatctl plan-config",
    );
    let lost = number("log_lines_dropped");
    look(
        lost > 0.0,
        "log",
        format!("{lost} lines could not be written"),
        "chatctl show-log",
    );
    findings
}

/// Endings that clients did not choose.
fn endings(closed: &Value) -> Finding {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for row in closed["closed"].as_array().into_iter().flatten() {
        let reason = word(&row["reason"]);
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    let ordinary = ["client_quit", "peer_closed"];
    counts.retain(|(reason, _)| !ordinary.contains(&reason.as_str()));
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let list: Vec<_> = counts
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if list.is_empty() {
        Finding::ok("endings", "all of the last ones were chosen by clients")
    } else {
        Finding::warning("endings", list.join(", "), "chatctl list-closed")
    }
}

fn bad_lines(errors: &Value) -> Finding {
    match errors["errors"].as_array().map_or(0, Vec::len) {
        0 => Finding::ok("refused lines", "none"),
        count => {
            let finding = format!("{count} are remembered");
            Finding::warning("refused lines", finding, "chatctl errors")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_that_is_not_well_names_a_command() {
        let status = json!({
            "paused": true, "clients": 99, "clients_limit": 100, "refused": 3,
            "delivery_p99_seconds": 0.5, "lag_msgs_max": 7, "gap_messages": 1,
            "config_pending_restart_keys": ["server.name"], "config_last_reload": "rejected",
            "log_lines_dropped": 2,
        });
        let findings = looks(&status);
        assert_eq!(findings.len(), 9);
        for finding in &findings {
            assert_eq!(finding.level, "warning", "{finding:?}");
            assert!(finding.next.starts_with("chatctl "), "{finding:?}");
        }
        let well = json!({"clients": 1, "clients_limit": 100, "config_last_reload": "applied"});
        assert!(looks(&well).iter().all(|finding| finding.level == "ok"));
    }

    #[test]
    fn endings_that_clients_chose_are_no_finding() {
        let closed = |reasons: &[&str]| {
            let rows: Vec<_> = reasons
                .iter()
                .map(|reason| json!({"reason": reason}))
                .collect();
            endings(&json!({"closed": rows}))
        };
        assert_eq!(closed(&["client_quit", "peer_closed"]).level, "ok");
        let found = closed(&["kicked", "slow_consumer", "slow_consumer"]);
        assert_eq!(found.finding, "slow_consumer 2, kicked 1");
    }
}
