//! What the control plane does besides, for as long as the daemon runs.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::control::Control;

/// Once a second: rooms that nobody needs go, bans and values whose time is over too, and what could
/// not be kept of the bans is tried again.
pub(super) async fn sweep(control: Control, stop: CancellationToken) {
    let hub = control.hub().clone();
    let mut second = interval_at(Instant::now(), Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stop.run_until_cancelled(async {
        loop {
            second.tick().await;
            hub.sweep_rooms();
            hub.sweep_bans();
            control.sweep_history();
            control.keep_bans_again().await;
            control.expire_values().await;
            control.spares().refill();
        }
    })
    .await;
}

/// Hands out events to those who listen.
pub(super) async fn hand_out(control: Control, stop: CancellationToken) {
    stop.run_until_cancelled(control.feed().hand_out()).await;
}
