//! What was measured, as JSON, as tables, and as a plot.

mod plot;
mod table;

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use plot::plot;
pub use table::tables;

use crate::load::Figures;
use crate::machine;
use crate::subject::{self, Kind, Subject};

/// One run of one server under one workload.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    /// Runs of one round may be compared with each other.
    pub round: usize,
    /// The workload's name.
    pub workload: String,
    /// The server's name.
    pub server: String,
    /// What was measured.
    pub figures: Figures,
}

/// A server as it was measured.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// As the tables call it.
    pub name: String,
    /// What it says of itself.
    pub version: String,
    /// In what its configuration differs from the shipped one.
    pub differs: String,
}

/// Everything that was measured, and on what.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The day, in seconds since 1970 UTC.
    pub measured_at: u64,
    /// The processor.
    pub processor: String,
    /// CPUs that could be used.
    pub cpus: usize,
    /// Whether server and load had a CPU each.
    pub pinned_apart: bool,
    /// The kernel.
    pub kernel: String,
    /// Who took part.
    pub servers: Vec<Server>,
    /// All runs.
    pub runs: Vec<Run>,
}

impl Report {
    /// Nothing measured yet.
    pub fn new(subjects: &[Subject], pinned_apart: bool) -> Self {
        let server = |subject: &Subject| Server {
            name: subject.name.clone(),
            version: match subject.kind {
                Kind::Floor => "a bare epoll program".to_owned(),
                _ => subject.version.clone(),
            },
            differs: subject::differences(subject.kind),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            measured_at: since.map_or(0, |since| since.as_secs()),
            processor: machine::model(),
            cpus: machine::cpus().len(),
            pinned_apart,
            kernel: machine::kernel(),
            servers: subjects.iter().map(server).collect(),
            runs: Vec::new(),
        }
    }

    /// A report that was written before.
    ///
    /// # Errors
    /// The file cannot be read, or is none.
    pub fn read(file: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }

    /// Writes it to a file, in which workloads that were not measured now stay as they were.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn merge_into(mut self, file: &Path) -> io::Result<Self> {
        if file.exists() {
            let before = Self::read(file)?;
            let stays = |run: &Run| !self.runs.iter().any(|new| new.workload == run.workload);
            let kept: Vec<Run> = before.runs.into_iter().filter(stays).collect();
            self.runs.splice(0..0, kept);
            for server in before.servers {
                if !self.servers.iter().any(|known| known.name == server.name) {
                    self.servers.push(server);
                }
            }
        }
        let mut text = serde_json::to_vec(&self)?;
        text.push(b'\n');
        std::fs::write(file, text)?;
        Ok(self)
    }

    /// One figure of all runs of a server under a workload, by round.
    fn values(
        &self,
        workload: &str,
        server: &str,
        figure: impl Fn(&Figures) -> f64,
    ) -> Vec<(usize, f64)> {
        let runs = self.runs.iter();
        let wanted = runs.filter(|run| run.workload == workload && run.server == server);
        wanted
            .map(|run| (run.round, figure(&run.figures)))
            .filter(|(_, value)| value.is_finite() && *value > 0.0)
            .collect()
    }

    /// Ratios of two servers, round by round.
    fn ratios(
        &self,
        workload: (&str, &str),
        servers: (&str, &str),
        figure: impl Fn(&Figures) -> f64,
    ) -> Vec<f64> {
        let above = self.values(workload.0, servers.0, &figure);
        let below = self.values(workload.1, servers.1, &figure);
        let same_round = |(round, value): &(usize, f64)| {
            let (_, other) = below.iter().find(|(other, _)| other == round)?;
            Some(value / other)
        };
        above.iter().filter_map(same_round).collect()
    }
}
