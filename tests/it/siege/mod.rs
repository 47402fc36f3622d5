//! The siege: one daemon, one fault after another, and a pair that goes on talking all the while.
//!
//! Each fault proves that it happened, and is found under its own words by whoever looks: in the
//! metrics, in `chatctl list-closed` and in the log. Afterwards nothing is left of it: descriptors,
//! sessions, threads and memory are back where they were.

mod bytes;
mod canary;
mod crowds;
mod found;
mod hands;
mod paces;
mod rest;
mod rooms;

use futures_util::future::LocalBoxFuture;

use crate::harness::{Config, Daemon, alone};
pub(crate) use canary::Canary;
use found::Found;
use rest::Rest;

/// One thing that goes wrong.
pub(crate) struct Fault {
    name: String,
    /// What is configured otherwise while it lasts.
    limits: fn(Config) -> Config,
    /// Where it is found.
    found: Found,
    /// Whether others are served without delay meanwhile.
    delays: Delays,
    run: Box<Run>,
}

/// Lets it happen. How often it is to be found at least.
type Run = dyn for<'a> Fn(&'a Daemon) -> LocalBoxFuture<'a, u64>;

/// Who else waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delays {
    Nobody,
    /// The daemon itself stands still.
    Everybody,
}

impl Fault {
    fn new(
        name: impl Into<String>,
        found: Found,
        run: impl for<'a> Fn(&'a Daemon) -> LocalBoxFuture<'a, u64> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            limits: |config| config,
            found,
            delays: Delays::Nobody,
            run: Box::new(run),
        }
    }

    fn with(self, limits: fn(Config) -> Config) -> Self {
        Self { limits, ..self }
    }

    fn delaying_everybody(self) -> Self {
        Self {
            delays: Delays::Everybody,
            ..self
        }
    }

    /// Lets it happen to a daemon at rest, and judges what came of it.
    async fn happens(&self, chat: &Daemon, canary: &mut Canary, rest: &Rest) {
        let name = &self.name;
        let calm = canary.hears_calmly().await;
        let before = self.found.count(chat).await;
        let log = chat.stderr().len();
        reconfigure(chat, (self.limits)(peace())).await;
        let times = (self.run)(chat).await;
        assert!(times > 0, "{name}: it did not happen");
        self.found.by_everybody(chat, before, times, log).await;
        reconfigure(chat, peace()).await;
        let siege = canary.has_heard().await;
        let log = chat.stderr()[log..].to_owned();
        assert!(!log.contains("panic"), "{name}: {log}");
        let rested = rest.comes_back(chat, name).await;
        println!("{name:<44} {times:>6} times  p99 {calm:>8.1?} then {siege:>8.1?}  {rested}");
        if self.delays == Delays::Nobody {
            assert!(
                siege <= canary::tolerable(calm),
                "{name}: others waited {siege:?}, and {calm:?} before"
            );
        }
    }
}

/// How the daemon is configured between faults.
fn peace() -> Config {
    Config::roomy()
        .set("log.level", "debug")
        .limit("clients", 2000)
        .limit("listeners", 1000)
        .limit("socket_buffer", "16KiB")
}

async fn reconfigure(chat: &Daemon, config: Config) {
    chat.rewrite_config(&config);
    let reload = chat.ctl(&["reload"]).await;
    assert_eq!(reload.code, 0, "{reload:?}");
}

#[tokio::test]
async fn fault_after_fault_and_the_talk_goes_on() {
    let _alone = alone().await;
    let chat = Daemon::start(peace()).await;
    let mut canary = Canary::arrive(&chat).await;
    reconfigure(&chat, peace()).await;
    crowds::has_been_here(&chat).await;
    let rest = Rest::of(&chat).await;
    let kinds = [
        bytes::faults(),
        crowds::faults(),
        paces::faults(),
        rooms::faults(),
        hands::faults(),
    ];
    let faults: Vec<Fault> = kinds.into_iter().flatten().collect();
    assert!(faults.len() > 50, "{}", faults.len());
    for fault in &faults {
        fault.happens(&chat, &mut canary, &rest).await;
    }
    canary.flies_off().await;
    let metrics = chat.metrics().await;
    assert_eq!(metrics.sum("chatd_session_panics_total", &[]), 0.0);
    assert_eq!(metrics.sum("chatd_gap_messages_total", &[]), 0.0);
}
