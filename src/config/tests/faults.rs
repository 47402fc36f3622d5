//! What is wrong, and how it is said.

use proptest::prelude::*;

use super::*;
use crate::config::key::KEYS;
use crate::config::rule::RULES;

#[test]
fn a_fault_shows_its_line_and_marks_the_place() {
    let faults = load(&file(
        "# limits of the chat\n\n[limits]\n  line = \"16K\" # long\n",
    ));
    let expected = "\
chatd.toml:4:10: limits.line: \"16K\" has no unambiguous unit; write \"16KiB\" (16384 bytes) or \"16kB\" (16000 bytes)
 4 |   line = \"16K\" # long
   |          ^^^^^";
    assert_eq!(faults.unwrap_err().to_string(), expected);
}

#[test]
fn everything_wrong_is_said_at_once_in_the_order_of_reading() {
    let mut sources = file(
        "[servr]\nname = \"x\"\n\n[server]\nlisten = [\"127.0.0.1:7687\", \"here\"]\nworker = 4\n\n\
         [limits]\nclients = 0\nmessage = \"16KiB\"\nhello_timeout = 10\nmax_rooms = 5\nlien = \"1KiB\"\n",
    );
    sources.env = vec![
        ("CHATD__LIMITS__LINES".into(), "1KiB".into()),
        ("CHATD__LOG__LEVEL".into(), "loud".into()),
        ("CHATD_USERNAME".into(), "not mine".into()),
    ];
    sources.sets = vec![
        "limits.outbox=1KiB".into(),
        "limits.rooms".into(),
        "log.colour=red".into(),
    ];
    let expected = "\
chatd.toml:1:2: servr: unknown section; did you mean [server]?
 1 | [servr]
   |  ^^^^^
chatd.toml:5:29: server.listen: \"here\" is not an address; write an IP address with a port, such as \"127.0.0.1:7687\" or \"[::1]:7687\"
 5 | listen = [\"127.0.0.1:7687\", \"here\"]
   |                             ^^^^^^
chatd.toml:6:1: server.worker: unknown key; did you mean `server.workers`?
 6 | worker = 4
   | ^^^^^^
chatd.toml:9:11: limits.clients: 0 is no limit that anything could keep; write a whole number such as 100
 9 | clients = 0
   |           ^
chatd.toml:10:11: limits.message: `limits.message` of 16KiB does not fit into `limits.line` of 16KiB with the 1KiB that surround it; write a line of at least \"17KiB\", or a shorter message
 10 | message = \"16KiB\"
    |           ^^^^^^^
chatd.toml:11:17: limits.hello_timeout: 10 has no unit; write \"10s\" for seconds, or a time such as \"30s\", \"1m30s\" or \"500ms\"
 11 | hello_timeout = 10
    |                 ^^
chatd.toml:12:1: limits.max_rooms: unknown key; did you mean `history.max_rooms`?
 12 | max_rooms = 5
    | ^^^^^^^^^
chatd.toml:13:1: limits.lien: unknown key; did you mean `limits.line`?
 13 | lien = \"1KiB\"
    | ^^^^
CHATD__LIMITS__LINES: unknown variable; did you mean `CHATD__LIMITS__LINE`?
CHATD__LOG__LEVEL: \"loud\" is not a level; write one of error, warn, info, debug, trace, or \"info,chatd::hub=debug\"
--set limits.outbox=1KiB: `limits.outbox` of 1KiB does not hold two of the longest lines of `limits.line` of 16KiB; write an outbox of at least \"34KiB\", or a shorter line
--set limits.rooms: has no value; write SECTION.KEY=VALUE
--set log.colour=red: unknown key";
    assert_eq!(load(&sources).unwrap_err().to_string(), expected);
}

#[test]
fn a_file_that_is_not_toml_is_reported_by_that_alone() {
    let mut sources = file("[limits]\nlien = \"1KiB\"\nline = \"1KiB\nclients = 0\n");
    sources.sets = vec!["nonsense".into()];
    let faults = bad(&sources);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].starts_with("chatd.toml:3:"), "{}", faults[0]);
    assert!(faults[0].contains("not TOML: "), "{}", faults[0]);
}

#[test]
fn a_key_twice_is_reported_where_it_stands_again() {
    let faults = bad(&file("[limits]\nline = \"1KiB\"\nline = \"2KiB\"\n"));
    assert_eq!(faults, ["chatd.toml:3:1: not TOML: duplicate key"]);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    for (text, fault) in [
        (
            "line = \"1KiB\"",
            "1:1: line: unknown key outside of a section; did you mean `limits.line`?",
        ),
        (
            "limits = 5",
            "1:1: limits: is a section; write [limits] and its keys below",
        ),
        (
            "[[limits]]\nline = 1",
            "1:3: limits: is a section; write [limits] and its keys below",
        ),
        (
            "[server]\nline = \"1KiB\"",
            "2:1: server.line: unknown key; did you mean `limits.line`?",
        ),
        (
            "[admin]\nlitsen = \"\"",
            "2:1: admin.litsen: unknown key; did you mean `admin.listen`?",
        ),
        (
            "metrics.host = []",
            "1:9: metrics.host: unknown key; did you mean `metrics.hosts`?",
        ),
        (
            "[limits]\nLine = \"1KiB\"",
            "2:1: limits.Line: unknown key; did you mean `limits.line`?",
        ),
        ("[limits]\n\"\" = 1", "2:1: limits.: unknown key"),
        (
            "[federation]\npath = \"/x\"",
            "1:2: federation: unknown section",
        ),
        (
            "[limits]\nsomething_else = 5",
            "2:1: limits.something_else: unknown key",
        ),
    ] {
        assert_eq!(bad(&file(text)), [format!("chatd.toml:{fault}")], "{text}");
    }
}

#[test]
fn a_variable_that_is_no_key_is_refused() {
    for (variable, fault) in [
        (
            "CHATD__LIMITS__LIEN",
            "unknown variable; did you mean `CHATD__LIMITS__LINE`?",
        ),
        (
            "CHATD__LIMIT__LINE",
            "unknown variable; did you mean `CHATD__LIMITS__LINE`?",
        ),
        (
            "CHATD__limits__line",
            "unknown variable; did you mean `CHATD__LIMITS__LINE`?",
        ),
        (
            "CHATD__LINE",
            "unknown variable; did you mean `CHATD__LIMITS__LINE`?",
        ),
        ("CHATD__", "unknown variable"),
        ("CHATD__FEDERATION__PEER", "unknown variable"),
    ] {
        assert_eq!(
            bad(&env(variable, "1KiB")),
            [format!("{variable}: {fault}")]
        );
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::ffi::OsString::from_vec(b"\xff".to_vec());
    let env = vec![("CHATD__SERVER__NAME".into(), value)];
    let faults = bad(&Sources {
        env,
        ..Sources::default()
    });
    assert_eq!(faults, ["CHATD__SERVER__NAME: is not UTF-8"]);
}

#[test]
fn rules_between_keys_hold() {
    for (text, fault) in [
        (
            "[server]\nlisten = [\"127.0.0.1:0\", \"0.0.0.0:7687\"]",
            "2:10: server.listen: 0.0.0.0:7687: a non-loopback chat address without TLS needs \
             `server.allow_plaintext = true`",
        ),
        (
            "[admin]\nlisten = \"192.0.2.1:7688\"",
            "2:10: admin.listen: 192.0.2.1:7688 is not a loopback address; admin is never served to \
             other machines, write \"127.0.0.1:7688\" and reach it through ssh",
        ),
        (
            "[server]\nlisten = [\"127.0.0.1:7688\"]",
            "2:10: server.listen: 127.0.0.1:7688 of `admin.listen` and 127.0.0.1:7688 of \
             `server.listen` cannot both be listened on; write another port",
        ),
        (
            "[metrics]\nlisten = \"0.0.0.0:7687\"",
            "2:10: metrics.listen: 0.0.0.0:7687 of `metrics.listen` and 127.0.0.1:7687 of \
             `server.listen` cannot both be listened on; write another port",
        ),
        (
            "[admin]\nlisten = \"127.0.0.1:9687\"",
            "2:10: admin.listen: 127.0.0.1:9687 of `metrics.listen` and 127.0.0.1:9687 of \
             `admin.listen` cannot both be listened on; write another port",
        ),
        (
            "[server]\nlisten = [\"0.0.0.0:4000\", \"127.0.0.1:4000\"]\nallow_plaintext = true",
            "2:10: server.listen: 127.0.0.1:4000 of `server.listen` and 0.0.0.0:4000 of \
             `server.listen` cannot both be listened on; write another port",
        ),
        (
            "[limits]\nline = \"4KiB\"",
            "2:8: limits.line: `limits.message` of 4000B does not fit into `limits.line` of 4KiB \
             with the 1KiB that surround it; write a line of at least \"5024B\", or a shorter message",
        ),
        (
            "[limits]\noutbox = \"33KiB\"",
            "2:10: limits.outbox: `limits.outbox` of 33KiB does not hold two of the longest lines of \
             `limits.line` of 16KiB; write an outbox of at least \"34KiB\", or a shorter line",
        ),
        (
            "[limits]\nrecent_bytes = \"15KiB\"",
            "2:16: limits.recent_bytes: `limits.recent_bytes` of 15KiB does not hold one line of \
             `limits.line` of 16KiB; write at least \"16KiB\" for it, or a shorter line",
        ),
        (
            "[limits]\nlag_bytes = \"2MiB\"",
            "2:13: limits.lag_bytes: `limits.lag_bytes` of 2MiB is more than `limits.recent_bytes` of \
             1MiB: nobody can be further behind than what is kept; write at most \"1MiB\" for it, or \
             \"unlimited\"",
        ),
    ] {
        assert_eq!(bad(&file(text)), [format!("chatd.toml:{fault}")], "{text}");
    }
}

#[test]
fn what_rules_allow_is_allowed() {
    for text in [
        "[server]\nlisten = [\"0.0.0.0:7687\"]\nallow_plaintext = true",
        "[server]\nlisten = [\"127.0.0.7:7687\", \"[::1]:7687\", \"[::ffff:127.0.0.1]:4000\"]",
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"",
        "[metrics]\nlisten = \"0.0.0.0:9687\"",
        "[limits]\nline = \"5024B\"",
        "[limits]\noutbox = \"34KiB\"\nlag_bytes = \"1MiB\"",
    ] {
        good(&file(text));
    }
}

/// A rule over a live and a restart-only key could be broken by a reload that applies only one.
#[test]
fn the_keys_of_a_rule_apply_together() {
    assert!(!RULES.is_empty());
    for rule in RULES {
        let hot: Vec<_> = rule
            .keys
            .iter()
            .map(|name| {
                KEYS.iter()
                    .find(|key| key.name == *name)
                    .expect("a key")
                    .hot
            })
            .collect();
        assert!(hot.iter().all(|one| *one == hot[0]), "{:?}", rule.keys);
    }
}

#[test]
fn a_value_that_could_not_be_read_breaks_no_rule() {
    let faults = bad(&file("[limits]\nline = \"64K\"\nmessage = \"20KiB\"\n"));
    assert_eq!(faults.len(), 1, "{faults:#?}");
}

#[test]
fn a_flood_of_faults_is_counted_and_cut() {
    let text: String = (0..5000).map(|n| format!("key{n} = 1\n")).collect();
    let faults = load(&file(&text)).unwrap_err();
    assert_eq!((faults.len(), faults.iter().count()), (5000, Faults::KEPT));
    assert!(faults.to_string().ends_with("\nand 4900 more faults"));
}

#[test]
fn a_fault_never_breaks_its_line_or_colours_a_terminal() {
    let mut sources = file("[limits]\n\"a\\nb\\u001b[31m\" = 1\n");
    sources.sets = vec!["limits.line=\u{1b}[2J\n".to_owned() + &"x".repeat(500)];
    sources.env = vec![("CHATD__\r\u{1b}[1m".into(), String::new().into())];
    let faults = load(&sources).unwrap_err();
    assert_eq!(faults.len(), 3);
    for fault in &faults {
        let headline = fault.headline();
        assert!(!headline.chars().any(char::is_control), "{headline:?}");
        assert!(headline.chars().count() < 400, "{headline}");
    }
}

#[test]
fn the_mark_stands_right_below_tabs_and_far_to_the_right() {
    let faults = load(&file("[limits]\n\tline\t= \"16K\"\n"))
        .unwrap_err()
        .to_string();
    assert!(
        faults.ends_with("\n 2 | \tline\t= \"16K\"\n   | \t    \t  ^^^^^"),
        "{faults}"
    );

    let text = format!("limits = {{ {} lien = 1 }}", " ".repeat(5000));
    let faults = load(&file(&text)).unwrap_err().to_string();
    let lines: Vec<_> = faults.lines().collect();
    assert!(lines[1].chars().count() <= 110, "{faults}");
    let at = lines[2].find('^').expect("a mark");
    assert!(lines[1][at..].starts_with("lien"), "{faults}");
}

/// Texts that look like a configuration more often than chance would have it.
fn almost_toml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "[limits]",
        "[server]",
        "[x]",
        "[[limits]]",
        "line",
        "listen",
        "lien",
        "\"16KiB\"",
        "16",
        " = ",
        "\n",
        "\r\n",
        "\t",
        "=",
        "\"",
        "'''",
        "\"\"\"",
        "é",
        "\u{1F600}",
        "\u{feff}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "#",
        "true",
        "0x10",
        "1e5",
        "inf",
        "07:32:00",
        "\0",
        "\"a\\u0000\"",
    ]);
    let soup = prop::collection::vec(word, 0..40).prop_map(|words| words.concat());
    prop_oneof![any::<String>(), soup]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_fault_is_in_the_file(text in almost_toml()) {
        let Err(faults) = load(&file(&text)) else { return Ok(()) };
        prop_assert!(!faults.is_empty());
        for fault in &faults {
            let Origin::File { position: Some(Position { line, column }), .. } = fault.origin else {
                return Err(TestCaseError::fail(format!("not in the file: {fault}")));
            };
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!(line >= 1 && line <= lines.len(), "{}", fault);
            prop_assert!(column >= 1 && column <= lines[line - 1].chars().count() + 1, "{}", fault);
            prop_assert!(!fault.headline().chars().any(char::is_control));
        }
        prop_assert!(faults.iter().is_sorted_by_key(|fault| fault.origin.clone()));
    }

    #[test]
    fn no_variable_or_flag_makes_it_panic(name: String, value: String, written: String) {
        let mut sources = env(&format!("CHATD__{name}"), &value);
        sources.sets = vec![written, format!("limits.line={value}"), format!("server.listen={value}")];
        let _ = load(&sources).map_err(|faults| faults.to_string());
    }
}
