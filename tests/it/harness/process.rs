//! What the system says about the daemon's process.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::daemon::Daemon;

impl Daemon {
    /// Descriptors that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// What its descriptors are, by the kernel's words.
    pub(crate) fn descriptor_targets(&self) -> Vec<String> {
        let links = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let mut targets: Vec<String> = links
            .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
            .map(|target| target.display().to_string())
            .collect();
        targets.sort_unstable();
        targets
    }

    /// Threads that it runs.
    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid()))
            .unwrap()
            .count()
    }

    /// Sets its soft limit of descriptors; what it was.
    pub(crate) fn limit_descriptors(&self, current: u64) -> u64 {
        let limit = prlimit(
            Some(self.pid()),
            Resource::Nofile,
            self.descriptor_limit(current),
        );
        limit.unwrap().current.unwrap()
    }

    fn descriptor_limit(&self, current: u64) -> Rlimit {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid())).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .unwrap();
        let maximum = line.split_whitespace().nth(1).unwrap().parse().ok();
        Rlimit {
            current: Some(current),
            maximum,
        }
    }

    /// The time that it has spent on a CPU so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name before it may hold blanks. Fields 14 and 15 of proc(5), counted from the third.
        let fields = stat.rsplit_once(") ").unwrap().1;
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 1000 / clock_ticks_per_second())
    }
}

/// Whether a signal has stopped a process.
pub(super) fn is_stopped(process: Pid) -> bool {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    state.starts_with('T')
}
