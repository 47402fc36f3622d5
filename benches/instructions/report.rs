//! What was counted, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chatd::build::BUILD;
use chatd::meter::COUNTS;
use serde::{Deserialize, Serialize};

use crate::callgrind::{self, Counted};
use crate::scenario::Scenario;

/// The counts of all scenarios, and what they depend on besides the code. The baseline is one.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The instruction set.
    pub(crate) arch: String,
    pub(crate) rustc: String,
    pub(crate) valgrind: String,
    /// False in a build with the feature `no-metrics`.
    pub(crate) metrics: bool,
    pub(crate) scenarios: BTreeMap<String, Cost>,
}

/// What one scenario costs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    /// For each message published; for `rest`, for each step.
    pub(crate) instructions_per_message: f64,
    /// The same, for each of those who hear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instructions_per_delivery: Option<f64>,
}

impl Report {
    /// Counts every scenario.
    ///
    /// # Errors
    /// Valgrind is not there, or a scenario failed.
    pub(crate) fn make() -> Result<Self, String> {
        let rest = callgrind::count(Scenario::Rest)?;
        let rest = per(rest.instructions as f64, rest.work.steps);
        let mut scenarios = BTreeMap::new();
        for scenario in Scenario::ALL {
            let cost = match scenario {
                Scenario::Rest => Cost {
                    instructions_per_message: rounded(rest),
                    instructions_per_delivery: None,
                },
                _ => Cost::of(&callgrind::count(scenario)?, rest),
            };
            scenarios.insert(scenario.as_str().to_owned(), cost);
        }
        Ok(Self {
            arch: std::env::consts::ARCH.to_owned(),
            rustc: BUILD.rustc.to_owned(),
            valgrind: callgrind::version()?,
            metrics: COUNTS,
            scenarios,
        })
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "instructions in user space ({}, rustc {}, valgrind {}, metrics {})\n",
            self.arch,
            self.rustc,
            self.valgrind,
            if self.metrics { "on" } else { "off" },
        );
        let _ = writeln!(
            text,
            "{:<10}{:>14}{:>14}",
            "", "per message", "per delivery"
        );
        for (name, cost) in &self.scenarios {
            let delivery = cost
                .instructions_per_delivery
                .map_or(String::new(), |each| format!("{each:.2}"));
            let message = cost.instructions_per_message;
            let _ = writeln!(text, "{name:<10}{message:>14.1}{delivery:>14}");
        }
        text
    }
}

impl Cost {
    fn of(counted: &Counted, rest: f64) -> Self {
        let work = counted.work;
        let instructions = counted.instructions as f64 - rest * work.steps as f64;
        Self {
            instructions_per_message: rounded(per(instructions, work.messages)),
            instructions_per_delivery: (work.deliveries > 0)
                .then(|| rounded(per(instructions, work.deliveries))),
        }
    }
}

fn per(instructions: f64, count: u64) -> f64 {
    instructions / count as f64
}

/// As many places as mean something.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
