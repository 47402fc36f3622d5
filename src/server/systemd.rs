//! What systemd is told. Outside systemd nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::phase::Phase;

/// How often `systemctl status` gets a new line.
const EVERY: Duration = Duration::from_secs(10);

/// READY now, a line of status now and then, STOPPING when the daemon drains.
pub(super) async fn tell(control: Control, stop: CancellationToken) {
    let mut line = Line::new(control.clone());
    say(&[NotifyState::Ready, NotifyState::Status(&line.text(EVERY))]);
    let mut phases = control.hub().phase_changes();
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // While it drains, whoever waits for it wants to see how far it is.
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let drains = control.phase() >= Phase::Draining;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick(), if !drains => say(&[NotifyState::Status(&line.text(EVERY))]),
            _ = second.tick(), if drains => say(&[NotifyState::Status(&line.text(EVERY))]),
            changed = phases.changed() => {
                if changed.is_err() {
                    return;
                }
                if *phases.borrow_and_update() >= Phase::Draining {
                    say(&[NotifyState::Stopping, NotifyState::Status(&line.text(EVERY))]);
                }
            }
        }
    }
}

/// A reload begins, or has ended; with both, the unit may be of `Type=notify-reload`. READY also ends
/// a reload that was refused: the daemon runs, as it did before.
pub(super) fn tell_reload(begins: bool) {
    if !begins {
        return say(&[NotifyState::Ready]);
    }
    match NotifyState::monotonic_usec_now() {
        // In one datagram: systemd compares the time with that of its own request.
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(event = "systemd.unheard", %error),
    }
}

/// What `systemctl status` shows.
struct Line {
    control: Control,
    committed: u64,
}

impl Line {
    fn new(control: Control) -> Self {
        let committed = control.totals().committed;
        Self { control, committed }
    }

    /// The line, after so much time since the last.
    fn text(&mut self, since: Duration) -> String {
        let control = &self.control;
        let (phase, sessions) = (control.phase(), control.hub().sessions());
        if let Some(left) = control.time_left() {
            let left = left.as_secs();
            return format!("{phase}: {sessions} clients left, at most {left} s");
        }
        let committed = control.totals().committed;
        let news = committed - std::mem::replace(&mut self.committed, committed);
        let rate = news as f64 / since.as_secs_f64();
        let behind = control.census().behind;
        format!("{phase}: {sessions} clients, {rate:.1} messages/s, {behind} behind")
    }
}

pub(super) fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(event = "systemd.unheard", %error);
    }
}
