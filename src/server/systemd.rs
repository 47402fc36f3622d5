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
    say(&[NotifyState::Ready, NotifyState::Status(&line(&control))]);
    let mut phases = control.hub().phase_changes();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => say(&[NotifyState::Status(&line(&control))]),
            changed = phases.changed() => {
                if changed.is_err() {
                    return;
                }
                if *phases.borrow_and_update() >= Phase::Draining {
                    say(&[NotifyState::Stopping, NotifyState::Status(&line(&control))]);
                }
            }
        }
    }
}

fn line(control: &Control) -> String {
    let (phase, sessions) = (control.phase(), control.hub().sessions());
    match control.time_left() {
        Some(left) => format!(
            "{phase}: {sessions} clients left, at most {} s",
            left.as_secs()
        ),
        None => format!("{phase}: {sessions} clients"),
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(event = "systemd.unheard", %error);
    }
}
