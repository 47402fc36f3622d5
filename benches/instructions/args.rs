//! What is asked for.

use crate::scenario::Scenario;

/// The command line.
pub(crate) struct Args {
    pub(crate) mode: Mode,
    /// JSON instead of a table.
    pub(crate) json: bool,
    /// Fail where a scenario grew over the baseline.
    pub(crate) check: bool,
    /// Make these counts the baseline.
    pub(crate) bless: bool,
    /// Fail where counting costs too much.
    pub(crate) against_no_metrics: bool,
}

pub(crate) enum Mode {
    /// Count every scenario.
    Count,
    /// Run one scenario: how the bench calls itself under callgrind.
    Scenario(Scenario),
    /// Run every scenario once, uncounted: `cargo test --benches`.
    Smoke,
}

impl Args {
    /// # Errors
    /// An argument that is not known.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            mode: Mode::Smoke,
            json: false,
            check: false,
            bless: false,
            against_no_metrics: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo's own word for `cargo bench`.
                "--bench" => parsed.mode = Mode::Count,
                "--json" => parsed.json = true,
                "--check" => parsed.check = true,
                "--bless" => parsed.bless = true,
                "--against-no-metrics" => parsed.against_no_metrics = true,
                "--scenario" => {
                    let name = args.next().unwrap_or_default();
                    let scenario = Scenario::named(&name).ok_or("no such scenario")?;
                    parsed.mode = Mode::Scenario(scenario);
                }
                other => return Err(format!("`{other}` is not known")),
            }
        }
        Ok(parsed)
    }
}
