//! The way to the end, and waiting for it.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::args::Drain;
use super::link::{Link, Unanswered};
use super::trouble::Trouble;
use crate::rpc::Code;

/// How often the daemon is asked how far it is.
const ASK: Duration = Duration::from_millis(250);

/// Begins a drain, and waits for its end if that was asked for. A drain that somebody else has begun
/// is one to wait for, too.
pub(super) fn drain(link: &mut Link, order: &Drain, out: &mut dyn Write) -> Result<(), Trouble> {
    let began = Instant::now();
    let seconds = order.deadline.map(|deadline| deadline.as_secs_f64());
    match link.ask("drain", json!({"deadline_seconds": seconds})) {
        Ok(begun) => {
            let left = begun["deadline_seconds"].as_f64().unwrap_or_default();
            say(out, &format!("draining, for at most {left:.0} s"))?;
        }
        Err(Unanswered::Error(error)) if order.wait && error["code"] == Code::State.number() => {
            say(out, "it is draining already")?;
        }
        Err(unanswered) => return Err(unanswered.trouble("drain the daemon")),
    }
    if order.wait {
        wait(link, order.timeout, began, out)
    } else {
        Ok(())
    }
}

fn wait(
    link: &mut Link,
    patience: Duration,
    began: Instant,
    out: &mut dyn Write,
) -> Result<(), Trouble> {
    let mut last = None;
    loop {
        let Ok(status) = link.ask("status", json!({})) else {
            return say(out, "chatd has ended");
        };
        let clients = status["clients"].as_u64();
        if clients != last {
            last = clients;
            say(
                out,
                &format!("{} clients are left", clients.unwrap_or_default()),
            )?;
        }
        if began.elapsed() >= patience {
            let sentence = format!(
                "chatd was still draining after {} s; `chatctl shutdown` ends it at once",
                patience.as_secs()
            );
            return Err(Trouble::TimedOut(sentence));
        }
        if link.is_closed_within(ASK) {
            return say(out, "chatd has ended");
        }
    }
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), Trouble> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| Trouble::of_printing(&error))
}
