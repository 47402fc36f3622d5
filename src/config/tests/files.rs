//! Files as they lie on a disk, and which source wins.

use std::path::Path;

use super::*;

fn at(path: &Path) -> Sources {
    Sources {
        file: ConfigFile::Path(path.to_owned()),
        ..Sources::default()
    }
}

#[test]
fn the_later_source_wins_and_is_remembered() {
    let mut sources = file("[limits]\nline = \"9KiB\"\nclients = 9\nrooms = 9\n");
    sources.env = vec![
        ("CHATD__LIMITS__CLIENTS".into(), "8".into()),
        ("CHATD__LIMITS__ROOMS".into(), "8".into()),
    ];
    sources.sets = vec!["limits.rooms=7".into(), "limits.rooms=6".into()];
    let loaded = good(&sources);
    let limits = &loaded.config.limits;
    assert_eq!((limits.line, limits.clients, limits.rooms), (9216, 8, 6));

    let origin = |key: &str| loaded.origin(key).to_string();
    assert_eq!(origin("limits.line"), "chatd.toml:2:1");
    assert_eq!(origin("limits.clients"), "CHATD__LIMITS__CLIENTS");
    assert_eq!(origin("limits.rooms"), "--set limits.rooms=6");
    assert_eq!(loaded.origin("limits.rooms").label(), "--set");
    assert_eq!(origin("limits.message"), "default");
}

#[test]
fn a_key_set_to_its_default_is_explicit() {
    let loaded = good(&file("[limits]\nclients = 10_000\n"));
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.is_explicit("limits.clients"));
    assert!(!loaded.is_explicit("limits.rooms"));
}

#[test]
fn outside_a_file_quotes_and_brackets_may_be_left_out() {
    for (key, bare, full) in [
        ("limits.line", "9KiB", "\"9KiB\""),
        ("limits.clients", "9", "9"),
        ("limits.message_rate", "5/s", "\"5/s\""),
        ("limits.lag_age", "unlimited", "\"unlimited\""),
        ("server.name", "2024", "\"2024\""),
        ("server.name", "true", "\"true\""),
        ("server.listen", "127.0.0.1:0", "[\"127.0.0.1:0\"]"),
        ("server.listen", "[::1]:0", "[\"[::1]:0\"]"),
        ("server.allow_plaintext", "true", "true"),
        ("admin.listen", "", "\"\""),
        ("admin.write_users", "[]", "[]"),
        ("metrics.hosts", "chat.example", "[\"chat.example\"]"),
        ("log.level", "info,chatd=debug", "\"info,chatd=debug\""),
        ("shutdown.deadline", "5s", "\"5s\""),
    ] {
        let (section, leaf) = key.split_once('.').unwrap();
        let variable = format!("CHATD__{section}__{leaf}").to_uppercase();
        let expected = good(&file(&format!("[{section}]\n{leaf} = {full}\n"))).config;
        for value in [bare, full] {
            assert_eq!(
                good(&env(&variable, value)).config,
                expected,
                "{variable}={value}"
            );
            assert_eq!(
                good(&set(&format!("{key}={value}"))).config,
                expected,
                "{key}={value}"
            );
        }
    }
}

#[test]
fn a_fault_outside_a_file_names_the_variable_or_the_flag() {
    let reason =
        "\"16K\" has no unambiguous unit; write \"16KiB\" (16384 bytes) or \"16kB\" (16000 bytes)";
    let faults = bad(&env("CHATD__LIMITS__LINE", "16K"));
    assert_eq!(faults, [format!("CHATD__LIMITS__LINE: {reason}")]);
    let faults = bad(&set("limits.line=16K"));
    assert_eq!(faults, [format!("--set limits.line=16K: {reason}")]);
}

/// Whoever reads the fault has just touched the source that wins.
#[test]
fn a_broken_rule_is_told_where_the_winning_value_was_set() {
    let reason = "`limits.message` of 9KiB does not fit into `limits.line` of 9KiB with the 1KiB that \
                  surround it; write a line of at least \"10KiB\", or a shorter message";
    let mut sources = file("[limits]\nline = \"9KiB\"\nmessage = \"9KiB\"\n");
    assert_eq!(
        bad(&sources),
        [format!("chatd.toml:3:11: limits.message: {reason}")]
    );
    sources.env = vec![("CHATD__LIMITS__LINE".into(), "9KiB".into())];
    assert_eq!(bad(&sources), [format!("CHATD__LIMITS__LINE: {reason}")]);
    sources.sets = vec!["limits.message=9KiB".into()];
    assert_eq!(
        bad(&sources),
        [format!("--set limits.message=9KiB: {reason}")]
    );
}

#[test]
fn no_file_at_all_is_the_defaults() {
    assert_eq!(good(&Sources::default()), Loaded::default());
    let absent = ConfigFile::IfThere("/nowhere/chatd.toml".into());
    assert_eq!(
        good(&Sources {
            file: absent,
            ..Sources::default()
        }),
        Loaded::default()
    );
    assert_eq!(good(&file("")).config, Config::default());
}

#[test]
fn a_file_on_disk_is_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "\u{feff}[limits]\r\nclients = 5\r\n").unwrap();
    for file in [
        ConfigFile::Path(path.clone()),
        ConfigFile::IfThere(path.clone()),
    ] {
        let loaded = good(&Sources {
            file,
            ..Sources::default()
        });
        assert_eq!(loaded.config.limits.clients, 5);
        assert_eq!(loaded.file.as_deref(), Some(path.as_path()));
        let place = format!("{}:2:1", path.display());
        assert_eq!(loaded.origin("limits.clients").to_string(), place);
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_move_no_column() {
    let faults = load(&file("\u{feff}lien = 1\r\n[limits]\r\nline = \"1K\"\r\n")).unwrap_err();
    let faults = faults.to_string();
    assert!(faults.starts_with("chatd.toml:1:1: lien: "), "{faults}");
    assert!(
        faults.ends_with("\n 3 | line = \"1K\"\n   |        ^^^^"),
        "{faults:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let there = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let fifo = folder.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let huge = vec![b'#'; 1024 * 1024 + 1];
    for (path, reason) in [
        (
            folder.path().join("absent"),
            ": cannot be read: No such file or directory",
        ),
        (
            folder.path().to_owned(),
            ": is a directory; name the file in it",
        ),
        (fifo, ": is not a regular file"),
        ("/dev/zero".into(), ": is not a regular file"),
        (
            there("huge", &huge),
            ": is larger than 1MiB; this is hardly a configuration",
        ),
        (
            there("latin1", b"[server]\nname = \"caf\xe9\"\n"),
            ":2:12: is not UTF-8",
        ),
        (there("binary", b"\0\xff\xfe"), ":1:2: is not UTF-8"),
    ] {
        let faults = bad(&at(&path));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        let expected = format!("{}{reason}", path.display());
        assert!(
            faults[0].starts_with(&expected),
            "{} is not {expected}",
            faults[0]
        );
    }
    let largest = there("largest", &huge[1..]);
    good(&at(&largest));
}
