//! Where a fault is found, and under which words.

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
    /// Nobody was refused anything, but it is counted: the family, one label of it, and what stands
    /// in the log if anything does.
    Counted(&'static str, &'static str, &'static str),
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
            Self::Counted(family, label, _) => (family, vec![label.to_owned()]),
        }
    }

    /// What stands in its line of the log, if it has one.
    fn words(self) -> Vec<String> {
        let words = match self {
            Self::Closed(reason, detail) => ["client.closed", reason, detail],
            Self::Refused(reason, detail) => ["connection.refused", reason, detail],
            Self::Rejected(code, detail) => ["line.rejected", code, detail],
            Self::Accept(_) => ["accept.failed", "chat", ""],
            Self::Reloads => ["config.reloaded", "", ""],
            Self::Counted(_, _, event) => [event, "", ""],
        };
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.map(|word| format!("\"{word}\"")).collect()
    }

    /// The list of `chatctl` in which it stands, if it stands in one, and its words there.
    fn list(self) -> Option<(&'static [&'static str], [&'static str; 2])> {
        match self {
            Self::Closed(reason, detail) => Some((&["list-closed"], [reason, detail])),
            Self::Refused(reason, detail) => {
                Some((&["list-closed", "--refused"], [reason, detail]))
            }
            Self::Rejected(code, detail) => Some((&["errors"], [code, detail])),
            _ => None,
        }
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
            (words.is_empty() || news.lines().any(has_all)).then_some(())
        })
        .await;
        if let Some((list, [reason, detail])) = self.list() {
            let mut arguments = vec!["--format", "json"];
            arguments.extend(list);
            arguments.extend(["--reason", reason]);
            if !detail.is_empty() {
                arguments.extend(["--detail", detail]);
            }
            let listed = chat.ctl(&arguments).await.json();
            let rows = listed.as_array().unwrap();
            assert!(
                rows.iter().any(|row| row["reason"] == reason),
                "{self:?} is not among {listed}"
            );
        }
    }
}
