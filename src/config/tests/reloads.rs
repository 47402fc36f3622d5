//! What a reload changes.

use super::*;
use crate::config::key::KEYS;

fn before_and_after() -> (Loaded, Loaded) {
    let before = file("[server]\nname = \"one\"\n[limits]\nclients = 5\nrooms = 7\n");
    let after = file("\n[server]\nname = \"two\"\nworkers = 2\n[limits]\nclients = 6\nrooms = 7\n");
    (good(&before), good(&after))
}

#[test]
fn the_difference_names_each_key_and_when_it_applies() {
    let (before, after) = before_and_after();
    let change = |key, old: &str, new: &str, hot| Change {
        key,
        old: old.into(),
        new: new.into(),
        hot,
    };
    assert_eq!(
        diff(&before.config, &after.config),
        [
            change("server.name", "one", "two", false),
            change("server.workers", "auto", "2", false),
            change("limits.clients", "5", "6", true),
        ]
    );
    assert_eq!(diff(&after.config, &after.config), []);
}

#[test]
fn a_reload_applies_what_is_live_and_keeps_the_rest() {
    let (before, after) = before_and_after();
    let merged = before.merge_hot(&after);
    assert_eq!(merged.config, merge_hot(&before.config, &after.config));
    assert_eq!(merged.config.server.name, "one");
    assert_eq!(merged.config.server.workers, None);
    assert_eq!(merged.config.limits.clients, 6);
    assert_eq!(merged.origin("server.name").to_string(), "chatd.toml:2:1");
    assert_eq!(merged.origin("server.workers"), &Origin::Default);
    assert_eq!(
        merged.origin("limits.clients").to_string(),
        "chatd.toml:6:1"
    );

    let waiting = diff(&merged.config, &after.config);
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|change| !change.hot));
}

#[test]
fn limits_doors_and_what_is_asked_each_time_are_live() {
    let live_elsewhere = [
        "server.listen",
        "server.allow_plaintext",
        "admin.listen",
        "metrics.listen",
        "admin.write_users",
        "metrics.hosts",
        "log.level",
        "log.addresses",
        "shutdown.deadline",
        "history.max_messages",
        "history.max_age",
        "history.max_bytes",
        "history.max_rooms",
        "history.rooms",
    ];
    for key in KEYS {
        let expected = key.section() == "limits" || live_elsewhere.contains(&key.name);
        assert_eq!(key.hot, expected, "{}", key.name);
    }
}
