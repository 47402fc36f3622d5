//! The configuration shown.

use super::*;
use crate::config::key::KEYS;

fn mixed() -> Sources {
    let mut sources = file(
        "[server]\nname = \"it's \\\"here\\\"\"\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\n\
         workers = 3\n\n[limits]\nlag_age = \"1m30s\"\nmessage = \"4001B\"\nconnect_rate = \"5/m\"\n",
    );
    sources.env = vec![("CHATD__LIMITS__LINE".into(), "32KiB".into())];
    sources.sets = vec!["metrics.listen=".into()];
    sources
}

#[test]
fn what_is_printed_loads_to_the_same() {
    for sources in [mixed(), Sources::default(), file(default_text())] {
        let loaded = good(&sources);
        let printed = print(&loaded);
        assert_eq!(good(&file(&printed)).config, loaded.config, "{printed}");
    }
}

#[test]
fn each_line_ends_with_its_origin() {
    let printed = print(&good(&mixed()));
    let line = |start: &str| {
        printed
            .lines()
            .find(|line| line.starts_with(start))
            .expect("a line")
    };
    for (start, origin) in [
        ("name = ", " # chatd.toml:2:1"),
        ("listen = [", " # chatd.toml:3:1"),
        ("listen = \"\"", " # --set"),
        ("line = \"32KiB\"", " # CHATD__LIMITS__LINE"),
        ("message = \"4001B\"", " # chatd.toml:8:1"),
        ("clients = 10000", " # default"),
    ] {
        assert!(line(start).ends_with(origin), "{}", line(start));
    }
    let values = printed.lines().filter(|line| line.contains(" = ")).count();
    assert_eq!(values, KEYS.len());
    assert_eq!(printed.matches(" # default\n").count(), KEYS.len() - 8);
}

#[test]
fn the_head_of_what_is_printed_by_default() {
    let expected = "\
[server]
name = \"chatd\"                               # default
listen = [\"127.0.0.1:7687\"]                  # default
allow_plaintext = false                      # default
default_room = \"lobby\"                       # default
workers = \"auto\"                             # default

[admin]
listen = \"127.0.0.1:7688\"                    # default
";
    let printed = print(&Loaded::default());
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn rows_tell_value_default_origin_and_when_it_applies() {
    let rows = rows(&good(&mixed()));
    assert_eq!(rows.len(), KEYS.len());
    let row = |key: &str| {
        rows.iter()
            .find(|row| row.key == key)
            .cloned()
            .expect("a row")
    };
    assert_eq!(
        row("limits.line"),
        Row {
            key: "limits.line",
            value: "32KiB".into(),
            default: "16KiB".into(),
            origin: "CHATD__LIMITS__LINE".into(),
            hot: true,
        }
    );
    assert_eq!(row("server.listen").value, "[\"127.0.0.1:0\", \"[::1]:0\"]");
    assert_eq!(row("server.listen").default, "[\"127.0.0.1:7687\"]");
    assert!(row("server.listen").hot && !row("server.name").hot);
    assert_eq!(
        (row("metrics.listen").value, row("metrics.listen").origin),
        (String::new(), "--set".into())
    );
    assert_eq!(row("limits.clients").value, "10000");
}
