//! Who changed what: the last calls that were to change something, with what became of them.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{Control, RequestResult, lock, rfc3339};

/// How many calls are remembered; older ones stand in the log only.
pub const AUDIT_KEPT: usize = 256;

/// A call that was to change something.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRow {
    /// When.
    pub time: String,
    /// Who: the user and process as the kernel names them, or the address of who knew the token.
    pub by: String,
    /// The method.
    pub method: String,
    /// Its parameters as JSON, cut off where they are long.
    pub params: String,
    /// `ok`, `error` or `denied`.
    pub result: &'static str,
    /// Why not, if it was not carried out.
    pub why: String,
}

/// Which of the calls that are remembered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditQuery {
    /// Rows at most, newest first.
    pub limit: Option<usize>,
    /// Only calls of this method.
    pub method: Option<String>,
    /// Only calls with this result.
    pub result: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Audit(Mutex<VecDeque<AuditRow>>);

impl Control {
    /// Remembers a call that was to change something, and writes it into the log.
    pub fn audit(&self, by: &str, method: &str, params: &str, result: RequestResult, why: &str) {
        let result = result.as_str();
        tracing::info!(
            target: "audit",
            event = "admin.call",
            method,
            by,
            params,
            result,
            why,
            "an operator's call"
        );
        let mut calls = lock(&self.0.audit.0);
        if calls.len() == AUDIT_KEPT {
            calls.pop_front();
        }
        calls.push_back(AuditRow {
            time: rfc3339((self.0.hub.clock)()),
            by: by.to_owned(),
            method: method.to_owned(),
            params: params.to_owned(),
            result,
            why: why.to_owned(),
        });
    }

    /// The calls that are remembered and fit, newest first.
    pub fn audited(&self, query: &AuditQuery) -> Vec<AuditRow> {
        let fits = |row: &&AuditRow| {
            query.method.as_ref().is_none_or(|word| *word == row.method)
                && query.result.as_ref().is_none_or(|word| word == row.result)
        };
        let calls = lock(&self.0.audit.0);
        let limit = query.limit.unwrap_or(AUDIT_KEPT);
        calls
            .iter()
            .rev()
            .filter(fits)
            .take(limit)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::stage::Stage;

    #[test]
    fn the_last_calls_are_remembered_newest_first() {
        let stage = Stage::new();
        for n in 0..AUDIT_KEPT + 2 {
            let params = n.to_string();
            stage
                .control
                .audit("root", "pause", &params, RequestResult::Ok, "");
        }
        stage
            .control
            .audit("eve", "drain", "{}", RequestResult::Denied, "no");
        let all = stage.control.audited(&AuditQuery::default());
        assert_eq!(all.len(), AUDIT_KEPT);
        assert_eq!((all[0].by.as_str(), all[0].result), ("eve", "denied"));
        assert_eq!(all[AUDIT_KEPT - 1].params, "3");
        let denied = AuditQuery {
            result: Some("denied".to_owned()),
            ..AuditQuery::default()
        };
        assert_eq!(stage.control.audited(&denied).len(), 1);
    }
}
