//! How much memory the control group allows (cgroups(7), version 1 and 2).
//!
//! The tightest limit on the way from the daemon's own group up to the root holds. Inside a container
//! the path of the group may not be visible; then the limits of the parents that are visible hold.

use std::fs;
use std::path::{Path, PathBuf};

/// Version 1 writes a number like this where there is no limit.
const NONE: u64 = 1 << 60;

/// A limit of memory, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) bytes: u64,
    pub(super) file: PathBuf,
}

/// The limit of this process.
pub(super) fn memory() -> Option<Memory> {
    memory_of(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
}

/// The limit that holds for who is in these groups, in a hierarchy mounted there.
fn memory_of(groups: &Path, mounted: &Path) -> Option<Memory> {
    let groups = fs::read_to_string(groups).ok()?;
    let limits = groups.lines().flat_map(|line| limits(line, mounted));
    limits.min_by_key(|memory| memory.bytes)
}

/// The limits of one line of `/proc/self/cgroup`: `ID:CONTROLLERS:PATH`.
fn limits(line: &str, mounted: &Path) -> Vec<Memory> {
    let mut fields = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
    else {
        return Vec::new();
    };
    let (root, names): (_, &[&str]) = if controllers.is_empty() {
        // memory.high does not kill, it slows everything down to a crawl.
        (mounted.to_owned(), &["memory.max", "memory.high"])
    } else if controllers.split(',').any(|name| name == "memory") {
        (mounted.join("memory"), &["memory.limit_in_bytes"])
    } else {
        return Vec::new();
    };
    let own = root.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(&root));
    groups
        .flat_map(|group| names.iter().map(|name| group.join(name)))
        .filter_map(read)
        .collect()
}

fn read(file: PathBuf) -> Option<Memory> {
    // "max" is no limit, and no number.
    let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
    (bytes < NONE).then_some(Memory { bytes, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[track_caller]
    fn finds(files: &[(&str, &str)], limit: Option<(u64, &str)>) {
        let machine = machine(files);
        let mounted = machine.path().join("sys");
        let found = memory_of(&machine.path().join("groups"), &mounted);
        let wanted = limit.map(|(bytes, file)| Memory {
            bytes,
            file: mounted.join(file),
        });
        assert_eq!(found, wanted);
    }

    #[test]
    fn version_2_the_tightest_on_the_way_up() {
        let groups = ("groups", "0::/system.slice/chatd.service\n");
        let own = "sys/system.slice/chatd.service/memory.max";
        let slice = "sys/system.slice/memory.max";
        finds(
            &[groups, (own, "max\n"), (slice, "1073741824\n")],
            Some((1 << 30, "system.slice/memory.max")),
        );
        finds(
            &[groups, (own, "536870912\n"), (slice, "1073741824\n")],
            Some((1 << 29, "system.slice/chatd.service/memory.max")),
        );
        let high = "sys/system.slice/chatd.service/memory.high";
        finds(
            &[groups, (own, "536870912\n"), (high, "268435456\n")],
            Some((1 << 28, "system.slice/chatd.service/memory.high")),
        );
        finds(&[groups, (own, "max\n")], None);
    }

    #[test]
    fn version_1_and_both_at_once() {
        let groups = "9:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/abc\n0::/\n";
        let none = "9223372036854771712\n";
        let own = "sys/memory/docker/abc/memory.limit_in_bytes";
        let root = "sys/memory/memory.limit_in_bytes";
        finds(
            &[("groups", groups), (own, "67108864\n"), (root, none)],
            Some((1 << 26, "memory/docker/abc/memory.limit_in_bytes")),
        );
        // In a container the own group is mounted as the root.
        finds(
            &[("groups", groups), (root, "134217728\n")],
            Some((1 << 27, "memory/memory.limit_in_bytes")),
        );
        finds(&[("groups", groups), (own, none), (root, none)], None);
        // A group of the processor's is none of memory's.
        finds(
            &[
                ("groups", "9:cpu:/a\n"),
                ("sys/memory/a/memory.limit_in_bytes", "1\n"),
            ],
            None,
        );
    }

    #[test]
    fn without_control_groups_there_is_no_limit() {
        finds(&[], None);
        finds(&[("groups", "nonsense\n0::\n")], None);
    }
}
