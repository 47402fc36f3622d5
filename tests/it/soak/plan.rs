//! What a run is to go through.

use std::time::Duration;

use crate::checker::Durability;
use crate::harness::{Config, knows_key};

/// One run, repeatable but for the machine's own timing.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where its record is kept.
    pub(super) name: &'static str,
    /// How often something goes wrong.
    pub(super) cycles: usize,
    /// What may go wrong; in each cycle one of these.
    pub(super) faults: Vec<Fault>,
    /// What the daemon is to promise.
    pub(super) durability: Durability,
    /// The same seed, the same dice.
    pub(super) seed: u64,
    /// Which promise the daemon breaks on purpose, in a build that can.
    pub(super) sabotage: Option<&'static str>,
}

/// What happens to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL, and another start.
    Kill,
    /// SIGSTOP for a while, then SIGCONT.
    Stop,
    /// Nothing: people are kicked, hang up and stop reading as in every cycle.
    Nothing,
}

impl Plan {
    /// A short run for every day.
    pub(super) fn short(name: &'static str, cycles: usize, fault: Fault) -> Self {
        Self {
            name,
            cycles,
            faults: vec![fault],
            durability: Durability::None,
            seed: 1,
            sabotage: None,
        }
    }

    /// As the environment says: `CHATD_SOAK_CYCLES` (20), `CHATD_SOAK_SEED` (1),
    /// `CHATD_SOAK_DURABILITY` (`none`, `process`, `disk`), `CHATD_SOAK_FAULTS` (`kill,stop`).
    pub(super) fn of_environment() -> Self {
        let word = |name: &str, default: &str| {
            std::env::var(format!("CHATD_SOAK_{name}")).unwrap_or_else(|_| default.to_owned())
        };
        let faults = word("FAULTS", "kill,stop");
        Self {
            name: "soak",
            cycles: word("CYCLES", "20").parse().expect("a number of cycles"),
            faults: faults.split(',').map(Fault::of).collect(),
            durability: durability(&word("DURABILITY", "none")),
            seed: word("SEED", "1").parse().expect("a seed is a number"),
            sabotage: None,
        }
    }

    /// Everything is kept that the late reader has to find, and who stops reading soon misses some.
    pub(super) fn config(&self) -> Config {
        let config = Config::roomy()
            .limit("socket_buffer", "8KiB")
            .limit("lag_bytes", "64KiB")
            .limit("recent_bytes", "512MiB")
            .limit("recent_messages", 10_000_000)
            .limit("write_stall", "120s")
            .limit("ping_interval", "1h");
        let word = match self.durability {
            Durability::None => "none",
            Durability::Process => "process",
            Durability::Disk => "disk",
        };
        if knows_key("durability") {
            return config
                .set("history.durability", word)
                .set("history.max_messages", "unlimited")
                .set("history.max_bytes", "unlimited");
        }
        assert_eq!(self.durability, Durability::None, "this chatd has no store");
        config
    }

    /// How long the daemon stands still at most.
    pub(super) const LONGEST_STOP: Duration = Duration::from_millis(400);
}

impl Fault {
    fn of(word: &str) -> Self {
        match word {
            "kill" => Self::Kill,
            "stop" => Self::Stop,
            "nothing" => Self::Nothing,
            other => panic!("CHATD_SOAK_FAULTS: there is no fault {other:?}"),
        }
    }
}

fn durability(word: &str) -> Durability {
    match word {
        "none" => Durability::None,
        "process" => Durability::Process,
        "disk" => Durability::Disk,
        other => panic!("CHATD_SOAK_DURABILITY: there is no durability {other:?}"),
    }
}
