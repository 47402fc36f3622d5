//! CPUs, process accounting and memory, as the kernel tells them.

use std::fs;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that this process may use, lowest first.
pub fn cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect()
}

/// Runs `work` with this thread on `cpus`, so that what it starts stays there, and goes back.
pub fn on_cpus<T>(cpus: &[usize], work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    // Where the kernel does not let us choose, the report shows it in its spread.
    let _ = sched_setaffinity(None, &set);
    let result = work();
    if let Ok(before) = before {
        let _ = sched_setaffinity(None, &before);
    }
    result
}

/// CPU time that a process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// All of it, from the scheduler's nanoseconds.
    pub total: Duration,
    user_ticks: f64,
    system_ticks: f64,
}

impl Cpu {
    /// What `pid` has used.
    pub fn of(pid: u32) -> Self {
        let (user_ticks, system_ticks) = ticks(pid);
        Self {
            total: run_time(pid),
            user_ticks,
            system_ticks,
        }
    }

    /// What was used since `before`, and the share of it that was spent in the kernel.
    pub fn since(self, before: Self) -> (Duration, f64) {
        let user = self.user_ticks - before.user_ticks;
        let system = self.system_ticks - before.system_ticks;
        let share = if user + system > 0.0 {
            system / (user + system)
        } else {
            0.0
        };
        (self.total.saturating_sub(before.total), share)
    }
}

/// The run time of all threads that live.
fn run_time(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanos = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(nanos).sum())
}

/// User and system ticks of a process.
fn ticks(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let field = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    };
    (field(11), field(12))
}

/// Resident memory of a process in KiB.
pub fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0.0)
}

/// The processor's name.
pub fn model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}

/// The kernel's release.
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
