//! System calls that fail as they do once in a year: injected by strace.

use std::fs;

use crate::canary::Canary;
use crate::harness::{Config, Daemon, Staging};
use crate::on_stage;

/// What the kernel answers, and the word under which it is counted.
const ERRORS: &[(&str, &str)] = &[
    ("ENFILE", "fd_limit"),
    ("ECONNABORTED", "aborted"),
    ("ENOMEM", "memory"),
    ("EPERM", "other"),
];

/// Every third call of each thread fails: all come in, each failure is counted, and the daemon rests.
pub(crate) fn accept_fails_and_everybody_comes_in() {
    on_stage(async {
        for (error, word) in ERRORS {
            every_third_accept_fails(error, word).await;
        }
    });
}

async fn every_third_accept_fails(error: &str, word: &str) {
    const CROWD: usize = 30;
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let traced = format!(
        "exec strace -D -f -qq -o {} -e trace=accept4 -e signal=none -e inject=accept4:error={error}:when=1+3 \"$0\" \"$@\"",
        trace.display()
    );
    let chat = Daemon::start_staged(Config::roomy(), Staging::default().after(&traced)).await;
    let mut canary = Canary::arrive(&chat).await;
    let mut crowd = Vec::new();
    for n in 0..CROWD {
        crowd.push(chat.full(&format!("guest{n}")).await);
    }
    assert_eq!(chat.ctl(&["status"]).await.code, 0);
    let metrics = chat.metrics().await;
    let counted = metrics.sum("chatd_accept_errors_total", &[word]);
    assert!(counted >= 5.0, "{error}: {counted}");
    let doors = metrics.sum("chatd_door_accept_errors_total", &[]);
    let injected = fs::read_to_string(&trace).unwrap();
    let injected = injected
        .lines()
        .filter(|line| line.contains("INJECTED") && line.contains(error))
        .count();
    assert!(injected as f64 >= counted + doors, "{error}: {injected}");
    if word != "aborted" {
        chat.logs(&["accept.failed", "\"chat\""]).await;
        chat.logs(&["accept.recovered", "\"chat\""]).await;
    }
    let busy = chat.cpu_time();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let busy = chat.cpu_time() - busy;
    assert!(busy.as_millis() < 700, "{error}: busy for {busy:?}");
    canary.has_heard().await;
    canary.flies_off().await;
    println!("{error}: {injected} injected, {counted} counted as {word}");
}
