//! What no compiler checks: arrows between modules go down, two files that state one fact agree, and
//! nothing is left lying about. Every loop here also asserts that it found something.

#![allow(clippy::unwrap_used, reason = "a check stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file's path inside the package, and its text.
type File = (PathBuf, String);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text files under these folders and files, at least `least` of them.
fn files(tops: &[&str], least: usize) -> Vec<File> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> = tops.iter().map(|top| root().join(top)).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path.strip_prefix(root()).unwrap().to_path_buf(), text));
        }
    }
    assert!(
        found.len() >= least,
        "only {} files under {tops:?}",
        found.len()
    );
    found.sort();
    found
}

fn sources() -> Vec<File> {
    let mut sources = files(&["src"], 20);
    sources.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    sources
}

/// The text without line comments: prose may name anything.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start() {
        comment if comment.starts_with("//") => "",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The folder or file directly under `src` that a file belongs to.
fn module_of(path: &Path) -> String {
    let name = path.strip_prefix("src").unwrap().iter().next().unwrap();
    name.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

// --- the floors of ARCHITECTURE.md

/// Where each module stands, and the highest floor that it may use.
struct Floors(BTreeMap<String, Place>);

#[derive(Clone, Copy)]
struct Place {
    stands: u8,
    uses: Option<u8>,
}

impl Floors {
    /// Lines of the block are `NUMBER MODULE...`, or `beside NUMBER: MODULE...` for modules that
    /// stand beside the floors and use them up to this one. The first line is the top floor: it may
    /// use everything, and nobody else may use what stands beside.
    fn of(architecture: &str) -> Self {
        let (_, rest) = architecture
            .split_once("```floors\n")
            .expect("a block marked floors");
        let mut floors = BTreeMap::new();
        let mut top = None;
        for line in rest.split("```").next().unwrap().lines() {
            let (place, modules) = Self::place(line, &mut top);
            for module in modules.split_whitespace() {
                assert!(
                    floors.insert(module.to_owned(), place).is_none(),
                    "{module} stands twice"
                );
            }
        }
        assert!(
            floors.len() > 10,
            "only {} modules in the block",
            floors.len()
        );
        Self(floors)
    }

    fn place<'a>(line: &'a str, top: &mut Option<u8>) -> (Place, &'a str) {
        if let Some(line) = line.strip_prefix("beside ") {
            let (highest, modules) = line.split_once(':').expect("a colon");
            return (
                Place {
                    stands: u8::MAX,
                    uses: highest.parse().ok(),
                },
                modules,
            );
        }
        let (floor, modules) = line.split_once(' ').expect("a number and modules");
        let stands: u8 = floor.parse().expect("a number");
        let uses = if *top.get_or_insert(stands) == stands {
            Some(u8::MAX)
        } else {
            stands.checked_sub(1)
        };
        (Place { stands, uses }, modules)
    }

    fn allows(&self, user: &str, used: &str) -> bool {
        user == used
            || self.0[user]
                .uses
                .is_some_and(|highest| highest >= self.0[used].stands)
    }
}

/// The modules that a text names behind `crate::` or, in a program, behind `chatd::`.
fn used_modules(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(heads_of_group(group)),
            None => used.extend(head(rest)),
        }
    }
    used
}

fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    name.starts_with(|c: char| c.is_lowercase()).then_some(name)
}

/// The first names of `a::b, c::{d, e}}…`, as far as the group goes.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads: Vec<String> = head(group).into_iter().collect();
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(head(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

#[test]
fn arrows_between_modules_only_go_down() {
    let floors = Floors::of(&read("ARCHITECTURE.md"));
    let mut arrows = 0;
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let user = module_of(&path);
        if user == "lib" {
            continue;
        }
        if !floors.0.contains_key(&user) {
            faults.push(format!("{}: {user} stands on no floor", path.display()));
            continue;
        }
        seen.insert(user.clone());
        let prefix = if user == "bin" { "chatd::" } else { "crate::" };
        for used in used_modules(&code(&text), prefix) {
            if !floors.0.contains_key(&used) {
                continue; // a macro or an item of the crate's root
            }
            arrows += 1;
            if !floors.allows(&user, &used) {
                faults.push(format!("{}: {user} may not use {used}", path.display()));
            }
        }
    }
    let gone = floors.0.keys().filter(|module| !seen.contains(*module));
    faults.extend(gone.map(|module| format!("ARCHITECTURE.md: there is no module {module}")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(arrows > 40, "only {arrows} arrows found");
}

#[test]
fn the_map_says_what_each_module_is_for() {
    let architecture = read("ARCHITECTURE.md");
    for module in Floors::of(&architecture).0.keys() {
        let mut rows = architecture.lines().filter(|line| line.starts_with("| `"));
        assert!(
            rows.any(|row| row.contains(&format!("`{module}`"))),
            "no row for {module}"
        );
    }
}

#[test]
fn a_module_names_others_by_their_whole_path() {
    for (path, text) in sources() {
        let text = code(&text);
        assert!(
            !text.contains("super::super::"),
            "{}: say crate::",
            path.display()
        );
        let is_top =
            path.iter().count() == 2 || path.ends_with("mod.rs") && path.iter().count() == 3;
        if is_top && module_of(&path) != "lib" {
            let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap();
            assert!(
                !before_tests.contains("super::"),
                "{}: say crate::",
                path.display()
            );
        }
    }
}

#[test]
fn the_check_of_the_floors_sees_a_wrong_arrow() {
    let floors = Floors::of(&read("ARCHITECTURE.md"));
    assert!(floors.allows("hub", "name") && floors.allows("bin", "hub"));
    assert!(!floors.allows("name", "hub") && !floors.allows("client", "hub"));
    let text = "use crate::{hub::{Hub, nicks}, name};\nlet x = crate::log::Log::new();";
    assert_eq!(
        used_modules(text, "crate::"),
        ["hub", "log", "name"].map(str::to_owned).into()
    );
}

#[test]
fn every_file_in_src_is_reached() {
    let sources = sources();
    let manifest = read("Cargo.toml");
    for (path, _) in &sources {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if manifest.contains(&format!("path = \"{}\"", path.display())) {
            continue;
        }
        let folder = path.parent().unwrap();
        let (module, parents) = match stem {
            "mod" => (
                folder.file_name().unwrap().to_str().unwrap(),
                parents_of(folder.parent().unwrap()),
            ),
            stem => (stem, parents_of(folder)),
        };
        let declared = sources.iter().any(|(parent, text)| {
            parents.contains(parent) && code(text).contains(&format!("mod {module};"))
        });
        assert!(declared, "{} is declared nowhere", path.display());
    }
}

/// The files that may declare a module that lies in this folder.
fn parents_of(folder: &Path) -> Vec<PathBuf> {
    let mut parents = vec![folder.join("mod.rs"), folder.with_extension("rs")];
    if folder == Path::new("src") {
        parents.push(folder.join("lib.rs"));
    }
    parents
}

// --- facts that stand in two places

/// The value of `KEY=` in the unit.
fn unit(key: &str) -> String {
    let unit = read("systemd/chatd.service");
    let mut values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values
        .next()
        .unwrap_or_else(|| panic!("the unit has no {key}="));
    assert!(values.next().is_none(), "{key}= stands twice");
    value.to_owned()
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s')
        .expect("a time in seconds")
        .parse()
        .unwrap()
}

#[test]
fn systemd_waits_longer_than_a_drain_may_take() {
    let config = chatd::config::Config::default();
    let stop = seconds(&unit("TimeoutStopSec"));
    let deadline = config.shutdown.deadline.as_secs();
    assert!(
        stop >= deadline + 10,
        "TimeoutStopSec={stop}s, shutdown.deadline={deadline}s"
    );
}

#[test]
fn systemd_does_not_restart_what_a_restart_cannot_mend() {
    let unit = unit("RestartPreventExitStatus");
    let mut prevented = unit.split(' ').map(|word| word.parse().unwrap());
    let status = |arguments: &[&str]| {
        let mut chatd = Command::new(env!("CARGO_BIN_EXE_chatd"));
        chatd.args(arguments).output().unwrap().status.code()
    };
    assert_eq!(
        prevented.next(),
        status(&["--no-such-flag"]),
        "the command line"
    );
    let wrong = ["--set", "no.such=key", "--check-config"];
    assert_eq!(prevented.next(), status(&wrong), "the configuration");
    assert_eq!(prevented.next(), None);
}

#[test]
fn the_handbook_has_a_line_for_each_alert() {
    let rules = read("packaging/prometheus/chatd.rules.yml");
    let handbook = read("docs/operations.md");
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in alerts {
        let is_there = |line: &str| line.starts_with('|') && line.contains(alert);
        assert!(handbook.lines().any(is_there), "no line for {alert}");
    }
}

/// What a metric is called in rules and dashboard, it is called in the catalogue.
#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    let is_known = |name: &str| sources.contains(&format!("\"{name}\""));
    let rules = read("packaging/prometheus/chatd.rules.yml");
    let mut names = BTreeSet::new();
    for text in [&rules, &read("packaging/grafana/chatd.json")] {
        let words =
            text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
        names.extend(
            words
                .filter(|word| word.starts_with("chatd_"))
                .map(str::to_owned),
        );
    }
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let parts = ["_bucket", "_sum", "_count"];
        let mut families = parts.iter().filter_map(|part| name.strip_suffix(part));
        // What the rules record is no metric of the daemon's.
        let is_recorded = rules.contains(&format!("record: instance:{name}:"));
        let is_there = is_known(&name) || families.any(is_known) || is_recorded;
        assert!(is_there, "nobody counts {name}");
    }
}

#[test]
fn the_readme_names_every_exit_status() {
    let readme = read("README.md");
    for word in [
        "| 0 |", "| 1 |", "| 2 |", "| 69 |", "| 70 |", "| 78 |", "| 131 |",
    ] {
        assert!(readme.contains(word), "README.md has no line {word}");
    }
}

#[test]
fn it_is_said_what_each_limit_protects() {
    let security = read("docs/security.md");
    let loaded = chatd::config::Loaded::default();
    let rows = chatd::config::rows(&loaded);
    let limits = rows
        .iter()
        .filter_map(|row| row.key.strip_prefix("limits."));
    let missing: Vec<&str> = limits
        .clone()
        .filter(|limit| !security.contains(&format!("`{limit}`")))
        .collect();
    assert!(limits.count() > 20);
    assert!(
        missing.is_empty(),
        "docs/security.md says nothing of {missing:?}"
    );
}

#[test]
fn the_version_stands_in_the_changelog() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(
        read("CHANGELOG.md").contains(&heading),
        "CHANGELOG.md has no {heading}"
    );
}

// --- what is not to be found

#[test]
fn nothing_is_left_lying_about() {
    // In pieces, so that this file is clean too.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("todo", "!("),
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
    ];
    let tops = [
        "src",
        "tests",
        "benches",
        "config",
        "systemd",
        "packaging",
        "docs/operations.md",
        "fuzz/fuzz_targets",
        "docs/security.md",
        ".ci",
        ".cargo",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "deny.toml",
        "clippy.toml",
        "rustfmt.toml",
    ];
    for (path, text) in files(&tops, 40) {
        for (number, line) in text.lines().enumerate() {
            let mark = marks.iter().find(|mark| line.contains(**mark));
            assert!(
                mark.is_none(),
                "{}:{}: {}",
                path.display(),
                number + 1,
                mark.unwrap()
            );
        }
    }
}

#[test]
fn no_module_is_a_drawer() {
    let drawers = ["utils", "util", "common", "helpers", "types", "misc"];
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!drawers.contains(&name), "{} has no noun", path.display());
    }
}
