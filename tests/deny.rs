//! `deny.toml`, held against what Cargo would link: licences, banned crates, versions beside each
//! other, and where everything comes from. Without a network, and without cargo-deny.

#![allow(clippy::unwrap_used, reason = "a check stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};
use toml::Table;

/// A package that is linked on this machine, into a program or into a test.
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None is the package itself.
    source: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules() -> Table {
    fs::read_to_string(root().join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

/// A list of `deny.toml`, as `section.key`; of tables it is what stands under `crate`.
fn list(section: &str, key: &str) -> Vec<String> {
    let rules = rules();
    let entries = rules[section][key].as_array().unwrap().iter();
    let word = |entry: &toml::Value| {
        let word = entry.get("crate").unwrap_or(entry).as_str();
        word.unwrap().to_owned()
    };
    entries.map(word).collect()
}

/// Every package that Cargo resolves for this machine with all features.
fn packages() -> Vec<Package> {
    let host = said("rustc", &["-vV"]);
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = [
        "metadata",
        "--format-version=1",
        "--locked",
        "--all-features",
    ];
    let text = said(
        &cargo,
        &[&arguments[..], &["--filter-platform", host]].concat(),
    );
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = metadata["packages"].as_array().unwrap().iter();
    let packages: Vec<Package> = listed
        .map(|package| Package {
            name: text(&package["name"]).unwrap(),
            version: text(&package["version"]).unwrap(),
            license: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    packages
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_licence_is_one_that_we_may_ship_under() {
    let allowed: Vec<Licensee> = list("licenses", "allow")
        .iter()
        .map(|license| Licensee::parse(license).unwrap())
        .collect();
    for package in packages() {
        let Package { name, license, .. } = &package;
        let license = license
            .as_deref()
            .unwrap_or_else(|| panic!("{name} has no licence"));
        // Slashes are the old way to say OR.
        let expression = Expression::parse_mode(license, ParseMode::LAX).unwrap();
        let may = expression.evaluate(|wanted| allowed.iter().any(|have| have.satisfies(wanted)));
        assert!(may, "{name} is under {license}: see deny.toml");
    }
}

#[test]
fn no_banned_crate_is_linked() {
    let banned = list("bans", "deny");
    assert!(!banned.is_empty());
    for Package { name, .. } in packages() {
        assert!(!banned.contains(&name), "{name} is banned in deny.toml");
    }
}

#[test]
fn each_crate_is_there_once_or_it_is_said_why_not() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Package { name, version, .. } in packages() {
        versions.entry(name).or_default().push(version);
    }
    let mut skipped = list("bans", "skip");
    for (name, mut versions) in versions {
        let skips = |version: &String| {
            skipped
                .iter()
                .any(|skip| *skip == format!("{name}@{version}"))
        };
        let left: Vec<_> = versions.iter().filter(|version| !skips(version)).collect();
        assert!(
            left.len() <= 1,
            "{name} is there as {left:?}: see deny.toml"
        );
        if versions.len() > 1 {
            versions.retain(skips);
            skipped.retain(|skip| !versions.iter().any(|v| *skip == format!("{name}@{v}")));
        }
    }
    assert!(
        skipped.is_empty(),
        "skipped in deny.toml for nothing: {skipped:?}"
    );
}

#[test]
fn everything_comes_from_where_it_may_come_from() {
    let allowed = list("sources", "allow-registry");
    let mut own = 0;
    for Package { name, source, .. } in packages() {
        match source {
            None => own += 1,
            Some(source) => {
                let registry = source.strip_prefix("registry+");
                let may = registry.is_some_and(|from| allowed.iter().any(|known| known == from));
                assert!(may, "{name} comes from {source}");
            }
        }
    }
    assert_eq!(own, 1, "nothing but this package lies on a path");
}

#[test]
fn nothing_unsafe_and_nothing_that_overflows_in_silence() {
    let manifest: Table = fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        manifest["lints"]["rust"]["unsafe_code"].as_str(),
        Some("forbid")
    );
    assert_eq!(
        manifest["profile"]["release"]["overflow-checks"].as_bool(),
        Some(true)
    );
}

/// Whoever builds the fuzzers builds them from their own lock file, and a build that has to change
/// it first needs a network.
#[test]
fn the_fuzzers_lock_file_has_all_that_the_daemon_asks_for() {
    let table = |path: &str| -> Table {
        let text = fs::read_to_string(root().join(path)).unwrap();
        text.parse().unwrap()
    };
    let locked = table("fuzz/Cargo.lock");
    let locked = locked["package"].as_array().unwrap();
    let word = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
    let is_daemon = |package: &&toml::Value| word(package, "name") == "chatd";
    let daemon = locked.iter().find(is_daemon).unwrap();
    let needs = daemon["dependencies"].as_array().unwrap().iter();
    let needs: Vec<&str> = needs.map(|need| need.as_str().unwrap()).collect();

    let manifest = table("Cargo.toml");
    let asked = manifest["dependencies"].as_table().unwrap();
    for (name, asked) in asked {
        let is_it = |need: &&str| need.split(' ').next() == Some(name.as_str());
        assert!(
            needs.iter().any(is_it),
            "{name} is new: `cargo +nightly fuzz build` adds it to fuzz/Cargo.lock"
        );
        let least = asked.get("version").unwrap_or(asked).as_str().unwrap();
        let has_enough = locked
            .iter()
            .filter(|package| word(package, "name") == *name)
            .any(|package| numbers(&word(package, "version")) >= numbers(least));
        assert!(
            has_enough,
            "{name} of fuzz/Cargo.lock is older than {least}"
        );
    }
    let count = asked.len();
    assert_eq!(needs.len(), count, "fuzz/Cargo.lock has more than {count}");
}

/// The numbers of a version, for a comparison.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap();
    release.split('.').map(|n| n.parse().unwrap()).collect()
}
