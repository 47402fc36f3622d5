//! The operator's tool, run as a person runs it.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::daemon::{Daemon, program};
use super::patience::within;

/// How one run of `chatctl` ended.
#[derive(Debug)]
pub(crate) struct Ctl {
    /// The exit status.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

impl Ctl {
    /// Runs `chatctl` with these arguments and nothing else.
    pub(crate) async fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let run = tokio::task::spawn_blocking(move || {
            Command::new(program("chatctl"))
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap()
        });
        let output = within("chatctl ends", run).await.unwrap();
        Self {
            code: output.status.code().expect("chatctl was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its standard output as JSON; the run must have gone well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The run failed with this status and a sentence about it.
    pub(crate) fn failed_with(&self, code: i32) {
        assert_eq!(self.code, code, "{self:?}");
        let sentence = self.stderr.trim();
        assert!(
            sentence.len() > 10 && sentence.contains(' '),
            "no sentence: {self:?}"
        );
        assert!(!sentence.contains("panicked"), "{self:?}");
    }
}

impl Daemon {
    /// Runs `chatctl` on this daemon's Unix socket.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> Ctl {
        let socket = [OsString::from("--socket"), self.admin_socket().into()];
        Ctl::run(
            socket
                .into_iter()
                .chain(arguments.iter().map(OsString::from)),
        )
        .await
    }

    /// What `chatctl list-clients` lists.
    pub(crate) async fn listed(&self) -> Vec<Value> {
        let listed = self.ctl(&["--format", "json", "list-clients"]).await.json();
        listed.as_array().expect("list-clients is an array").clone()
    }
}
