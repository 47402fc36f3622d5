//! Prometheus' own opinion of the metrics.

use std::fs::File;
use std::process::Command;

use crate::stage::{Daemon, succeeds};

pub(crate) fn promtool_has_nothing_to_say() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let scrape = folder.path().join("scrape");
    let url = format!("http://{}/metrics", daemon.metrics);
    let curl = [
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "10",
        "--output",
    ];
    succeeds(Command::new("curl").args(curl).arg(&scrape).arg(url));
    assert!(
        std::fs::read_to_string(&scrape)
            .unwrap()
            .contains("chatd_build_info")
    );

    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdin(File::open(&scrape).unwrap());
    let output = promtool.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
}
