//! Where a fault is found, and under which words.

use serde_json::json;

use crate::harness::{Daemon, until};

/// The words of one fault, from closed sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Sessions ended: the reason, and what exactly.
    Closed(&'static str, &'static str),
    /// Connections that never became sessions: the same.
    Refused(&'static str, &'static str),
    /// Lines that were refused: the code, and what exactly.
    Rejected(&'static str, &'static str),
    /// `accept` failed: the cause.
    Accept(&'static str),
    /// The configuration was read again.
    Reloads,
}

impl Found {
    /// How often it has happened so far, by the metrics.
    pub(super) async fn count(self, chat: &Daemon) -> u64 {
        let metrics = chat.metrics().await;
        let (family, labels) = self.series();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        metrics.sum(family, &labels) as u64
    }

    fn series(self) -> (&'static str, Vec<String>) {
        let labels = |names: [&str; 2], words: [&str; 2]| {
            let pairs = names.into_iter().zip(words);
            pairs
                .filter(|(_, word)| !word.is_empty())
                .map(|(name, word)| format!("{name}=\"{word}\""))
                .collect()
        };
        let detailed = |reason, detail| labels(["reason", "detail"], [reason, detail]);
        match self {
            Self::Closed(reason, detail) => {
                ("chatd_connections_closed_total", detailed(reason, detail))
            }
            Self::Refused(reason, detail) => {
                ("chatd_connections_refused_total", detailed(reason, detail))
            }
            Self::Rejected(code, detail) => {
                ("chatd_messages_rejected_total", detailed(code, detail))
            }
            Self::Accept(cause) => (
                "chatd_accept_errors_total",
                labels(["error", ""], [cause, ""]),
            ),
            Self::Reloads => ("chatd_config_reloads_total", Vec::new()),
        }
    }

    /// What stands in its line of the log.
    fn words(self) -> Vec<&'static str> {
        let words = match self {
            Self::Closed(reason, detail) => ["\"client.closed\"", reason, detail],
            Self::Refused(reason, detail) => ["\"connection.refused\"", reason, detail],
            Self::Rejected(code, detail) => ["\"line.rejected\"", code, detail],
            Self::Accept(_) => ["\"accept.failed\"", "\"chat\"", ""],
            Self::Reloads => ["\"config.reloaded\"", "", ""],
        };
        words.into_iter().filter(|word| !word.is_empty()).collect()
    }

    /// Waits until all who look find it `times` times more than `before`; the log, from its byte
    /// `log` on.
    pub(super) async fn by_everybody(self, chat: &Daemon, before: u64, times: u64, log: usize) {
        until(&format!("{self:?} {times} times"), async || {
            (self.count(chat).await >= before + times).then_some(())
        })
        .await;
        let words = self.words();
        until(&format!("{words:?} in the log"), async || {
            let news = chat.stderr().get(log..).unwrap_or_default().to_owned();
            let has_all = |line: &str| words.iter().all(|word| line.contains(word));
            news.lines().any(has_all).then_some(())
        })
        .await;
        if let Self::Closed(reason, detail) = self {
            let listed = chat.ctl(&["--format", "json", "list-closed"]).await.json();
            let rows = listed.as_array().unwrap();
            let is_it =
                |row: &&serde_json::Value| row["reason"] == reason && row["detail"] == detail;
            let query = json!({ "reason": reason, "detail": detail });
            let asked = chat.ask("clients.closed", query).await;
            assert!(
                rows.iter().any(|row| is_it(&row)) || !asked["closed"][0].is_null(),
                "{self:?} is not among {listed}"
            );
        }
    }
}
