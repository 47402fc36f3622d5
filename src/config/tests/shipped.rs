//! The file that is shipped says what is built in.

use std::collections::BTreeSet;

use super::*;
use crate::config::key::KEYS;

fn shipped() -> Loaded {
    good(&file(default_text()))
}

#[test]
fn it_gives_every_key_its_default() {
    let loaded = shipped();
    assert_eq!(loaded.config, Config::default());
    let given: BTreeSet<_> = loaded.origins.keys().copied().collect();
    let known: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    assert!(!known.is_empty());
    assert_eq!(given, known);
}

#[test]
fn it_has_the_keys_in_the_order_in_which_they_are_shown() {
    let loaded = shipped();
    assert!(
        KEYS.iter()
            .is_sorted_by_key(|key| loaded.origin(key.name).clone())
    );
}

#[test]
fn it_spells_each_value_as_it_is_shown() {
    let config = Config::default();
    for key in KEYS {
        let spelled = (key.write)(&config).to_string();
        let written = default_text().lines().any(|line| {
            line.replace('_', "") == format!("{} = {spelled}", key.leaf()).replace('_', "")
        });
        assert!(written, "{} = {spelled}", key.name);
    }
}

#[test]
fn each_key_comes_with_a_reason() {
    let lines: Vec<_> = default_text().lines().collect();
    let assignments = lines
        .windows(2)
        .filter(|pair| !pair[1].starts_with('#') && pair[1].contains(" = "));
    let mut seen = 0;
    for pair in assignments {
        assert!(
            pair[0].starts_with("# "),
            "{} has no reason above it",
            pair[1]
        );
        seen += 1;
    }
    assert_eq!(seen, KEYS.len());
}

#[test]
fn its_lines_fit_a_terminal() {
    for line in default_text().lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn it_shows_the_sum_of_the_limits() {
    let sum = Config::default().limits.worst_case();
    for (start, bytes) in [
        ("#   sessions ", sum.sessions),
        ("#   rooms ", sum.rooms),
        ("#   the slow ", sum.behind),
        ("#   retries ", sum.dedup),
        ("#   bans ", sum.bans),
        ("#   in all ", sum.process()),
        ("#   the kernel ", sum.kernel),
    ] {
        let line = default_text()
            .lines()
            .find(|line| line.starts_with(start))
            .expect("a line");
        let shown = format!("= {:>5} MiB", bytes.div_ceil(1024 * 1024));
        assert!(line.ends_with(&shown), "{line} is not {shown}");
    }
}
