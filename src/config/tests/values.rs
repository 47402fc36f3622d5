//! Each key with what it takes and what it refuses.

use super::*;
use crate::config::key::KEYS;

/// What one kind of value takes and refuses, as typed in a file; refusals with their reason.
struct Sample {
    good: &'static [&'static str],
    bad: &'static [(&'static str, &'static str)],
}

const COUNT: Sample = Sample {
    good: &["1", "1_000"],
    bad: &[
        (
            "0",
            "0 is no limit that anything could keep; write a whole number such as 100",
        ),
        (
            "-1",
            "-1 is not a whole number; write a whole number such as 100",
        ),
        (
            "1.5",
            "1.5 is not a whole number; write a whole number such as 100",
        ),
        (
            "\"100\"",
            "\"100\" is not a whole number; write a whole number such as 100",
        ),
        ("true", "true is not a whole number"),
        ("[1]", "an array is not a whole number"),
        ("{}", "a table is not a whole number"),
        (
            "99999999999",
            "99999999999 is too large; write at most 1000000000",
        ),
        (
            "9223372036854775807",
            "9223372036854775807 is too large; write at most 1000000000",
        ),
    ],
};

const SIZE: Sample = Sample {
    good: &["\"64KiB\"", "\"64 KiB\"", "\"64kB\"", "\"65536B\""],
    bad: &[
        (
            "0",
            "0 has no unit; write \"0B\" for bytes, or a size such as \"16KiB\"",
        ),
        (
            "\"0B\"",
            "\"0B\" is no limit that anything could keep; write a size such as \"16KiB\"",
        ),
        (
            "65536",
            "65536 has no unit; write \"65536B\" for bytes, or a size such as \"16KiB\"",
        ),
        (
            "\"65536\"",
            "\"65536\" has no unit; write \"65536B\" for bytes",
        ),
        (
            "\"64K\"",
            "\"64K\" has no unambiguous unit; write \"64KiB\" (65536 bytes) or \"64kB\" (64000 bytes)",
        ),
        (
            "\"64 sheep\"",
            "\"64 sheep\" has no unit that is known here; write a size such as",
        ),
        (
            "\"big\"",
            "\"big\" is not a size; write a size such as \"16KiB\"",
        ),
        ("\"9999999TB\"", "\"9999999TB\" is too large; write at most"),
        ("true", "true does not fit; write a size such as \"16KiB\""),
        (
            "[]",
            "an array does not fit; write a size such as \"16KiB\"",
        ),
    ],
};

const TIME: Sample = Sample {
    good: &["\"30s\"", "\"1m30s\"", "\"500ms\"", "\"1ms\"", "\"8760h\""],
    bad: &[
        ("0", "0 has no unit; write \"0s\" for seconds"),
        (
            "\"0s\"",
            "\"0s\" is no limit that anything could keep; write a time such as \"30s\"",
        ),
        (
            "30",
            "30 has no unit; write \"30s\" for seconds, or a time such as \"30s\", \"1m30s\" or \"500ms\"",
        ),
        ("\"30\"", "\"30\" has no unit; write \"30s\" for seconds"),
        ("\"-5s\"", "\"-5s\" is not a time; write a time such as"),
        ("\"soon\"", "\"soon\" is not a time; write a time such as"),
        ("\"1us\"", "\"1us\" is too short; write at least \"1ms\""),
        (
            "\"8761h\"",
            "\"8761h\" is too long; write at most \"8760h\"",
        ),
        ("true", "true does not fit; write a time such as"),
        (
            "07:32:00",
            "a date or time does not fit; write a time such as",
        ),
    ],
};

const RATE: Sample = Sample {
    good: &["\"20/s\"", "\"200/10s\"", "\"5/m\""],
    bad: &[
        ("0", "0 has no time; write \"0/s\" for each second"),
        (
            "\"0/s\"",
            "\"0/s\" is no limit that anything could keep; write a rate such as \"20/s\"",
        ),
        (
            "\"20/0s\"",
            "\"20/0s\" is no limit that anything could keep",
        ),
        (
            "20",
            "20 has no time; write \"20/s\" for each second, or a rate such as \"20/s\" or \"200/10s\"",
        ),
        ("\"20\"", "\"20\" has no time; write \"20/s\""),
        (
            "\"20/10\"",
            "\"20/10\" is not a rate; write a rate such as \"20/s\"",
        ),
        ("\"fast\"", "\"fast\" is not a rate; write a rate such as"),
        ("\"4000000000/s\"", "\"4000000000/s\" is too fast"),
        ("\"1/9000h\"", "\"1/9000h\" is too slow"),
        ("1.5", "1.5 does not fit; write a rate such as"),
    ],
};

const NAME: Sample = Sample {
    good: &["\"chat.example\"", "\"Kaffeeküche 2\""],
    bad: &[
        ("\"\"", "\"\" is empty; write a name"),
        ("1", "1 is not a text; write it in quotes"),
        (
            "\"a\\nb\"",
            "has control characters in it; write it without",
        ),
    ],
};

const ROOM: Sample = Sample {
    good: &["\"hall\""],
    bad: &[
        ("\"\"", "\"\" is not the name of a room ("),
        ("\"#hall\"", "\"#hall\" is not the name of a room ("),
        ("7", "7 is not a text; write it in quotes"),
    ],
};

const FLAG: Sample = Sample {
    good: &["true", "false"],
    bad: &[
        ("0", "0 is not yes or no; write true or false"),
        ("\"true\"", "\"true\" is not yes or no; write true or false"),
    ],
};

const ADDRESS: Sample = Sample {
    good: &["\"127.0.0.1:0\"", "\"[::1]:4000\""],
    bad: &[
        (
            "\"localhost:4000\"",
            "\"localhost:4000\" is not an address; write an IP address with a port",
        ),
        ("\"127.0.0.1\"", "\"127.0.0.1\" is not an address"),
        ("\":4000\"", "\":4000\" is not an address"),
        (
            "\"127.0.0.1:99999\"",
            "\"127.0.0.1:99999\" is not an address",
        ),
        ("4000", "4000 is not an address"),
    ],
};

const ADDRESSES: Sample = Sample {
    good: &["[\"127.0.0.1:0\"]", "[\"127.0.0.1:4000\", \"[::1]:4000\"]"],
    bad: &[
        ("[]", "the array is empty; write at least one element"),
        (
            "\"127.0.0.1:4000\"",
            "\"127.0.0.1:4000\" is not an array; write it in brackets: [\"127.0.0.1:4000\"]",
        ),
        ("[\"127.0.0.1:4000\", 4001]", "4001 is not an address"),
        (
            "[\"127.0.0.1:4000\", \"127.0.0.1:4000\"]",
            "\"127.0.0.1:4000\" is there twice; write it once",
        ),
        ("0", "0 is not an array"),
    ],
};

const USERS: Sample = Sample {
    good: &["[]", "[\"root\", \"_ops-2.team\"]"],
    bad: &[
        ("[\"\"]", "\"\" is not the name of a user"),
        (
            "[\"root alice\"]",
            "\"root alice\" is not the name of a user",
        ),
        ("[0]", "0 is not a text; write it in quotes"),
    ],
};

const HOSTS: Sample = Sample {
    good: &["[]", "[\"chat.example\", \"metrics-1\"]"],
    bad: &[
        (
            "[\"chat.example:9687\"]",
            "\"chat.example:9687\" is not a host name",
        ),
        ("[\"*\"]", "\"*\" is not a host name"),
        (
            "\"chat.example\"",
            "\"chat.example\" is not an array; write it in brackets: [\"chat.example\"]",
        ),
    ],
};

const PATH: Sample = Sample {
    good: &["\"/run/chatd/admin.sock\""],
    bad: &[
        (
            "\"admin.sock\"",
            "\"admin.sock\" is not an absolute path; write one that begins with /",
        ),
        ("\"\"", "\"\" is not an absolute path"),
        ("1", "1 is not a text"),
    ],
};

const LEVEL: Sample = Sample {
    good: &[
        "\"warn\"",
        "\"info,chatd::session=debug\"",
        "\"chatd=trace\"",
    ],
    bad: &[
        (
            "\"loud\"",
            "\"loud\" is not a level; write one of error, warn, info, debug, trace",
        ),
        ("\"\"", "\"\" is not a level"),
        ("\"info,debug\"", "\"info,debug\" is not a level"),
        ("\"=debug\"", "\"=debug\" is not a level"),
        ("0", "0 is not a text"),
    ],
};

const FORMAT: Sample = Sample {
    good: &["\"auto\"", "\"text\"", "\"journal\"", "\"json\""],
    bad: &[
        (
            "\"xml\"",
            "\"xml\" is not known here; write \"auto\" or \"text\" or \"journal\" or \"json\"",
        ),
        ("0", "0 is not known here"),
    ],
};

const SHOWN_ADDRESSES: Sample = Sample {
    good: &["\"full\"", "\"short\"", "\"none\""],
    bad: &[(
        "\"half\"",
        "\"half\" is not known here; write \"full\" or \"short\" or \"none\"",
    )],
};

const DURABILITY: Sample = Sample {
    good: &["\"none\"", "\"process\"", "\"disk\""],
    bad: &[
        (
            "\"commit\"",
            "\"commit\" is not known here; write \"none\" or \"process\" or \"disk\"",
        ),
        ("0", "0 is not known here"),
    ],
};

const ROOM_BOUNDS: Sample = Sample {
    good: &[
        "{}",
        "{ lobby = { max_messages = 5, max_age = \"1h\" }, den = { max_bytes = \"1MiB\" } }",
    ],
    bad: &[
        ("1", "1 is not a table; write [history.rooms.lobby]"),
        (
            "{ lobby = 1 }",
            "1 is not a table; write [history.rooms.lobby]",
        ),
        (
            "{ lobby = { max = 1 } }",
            "unknown key; write [history.rooms.lobby]",
        ),
        (
            "{ lobby = { max_messages = 0 } }",
            "0 is no limit that anything could keep",
        ),
        ("{ \"a b\" = {} }", "\"a b\" is not the name of a room"),
    ],
};

const ON_LAG: Sample = Sample {
    good: &["\"gap\"", "\"disconnect\""],
    bad: &[(
        "\"drop\"",
        "\"drop\" is not known here; write \"gap\" or \"disconnect\"",
    )],
};

/// Which word may stand instead of a value, if any.
fn word_of(name: &str) -> Option<&'static str> {
    match name {
        "server.workers" | "admin.socket" | "admin.token_file" | "history.path" => Some("auto"),
        "admin.listen" | "metrics.listen" => Some(""),
        "limits.clients_per_address"
        | "limits.connect_rate"
        | "limits.message_rate"
        | "limits.request_rate"
        | "limits.idle_timeout"
        | "limits.lag_bytes"
        | "limits.lag_age"
        | "history.max_messages"
        | "history.max_age"
        | "history.max_bytes" => Some("unlimited"),
        _ => None,
    }
}

fn sample_of(name: &str) -> Sample {
    match name {
        "server.name" => NAME,
        "server.listen" => ADDRESSES,
        "server.allow_plaintext" => FLAG,
        "server.default_room" => ROOM,
        "admin.listen" | "metrics.listen" => ADDRESS,
        "admin.socket" | "admin.token_file" | "history.path" => PATH,
        "history.durability" => DURABILITY,
        "history.rooms" => ROOM_BOUNDS,
        "history.max_bytes" => SIZE,
        "admin.write_users" => USERS,
        "metrics.hosts" => HOSTS,
        "log.level" => LEVEL,
        "log.format" => FORMAT,
        "log.addresses" => SHOWN_ADDRESSES,
        "limits.on_lag" => ON_LAG,
        "limits.connect_rate" | "limits.message_rate" | "limits.request_rate" => RATE,
        "limits.line"
        | "limits.outbox"
        | "limits.socket_buffer"
        | "limits.lag_bytes"
        | "limits.recent_bytes"
        | "limits.buffer_bytes" => SIZE,
        "limits.message" | "limits.topic" => Sample {
            good: &["\"1KiB\"", "\"4kB\""],
            ..SIZE
        },
        "limits.room_idle"
        | "limits.hello_timeout"
        | "limits.line_timeout"
        | "limits.idle_timeout"
        | "limits.ping_interval"
        | "limits.ping_timeout"
        | "limits.write_stall"
        | "limits.lag_age"
        | "limits.dedup_age"
        | "history.max_age"
        | "shutdown.deadline" => TIME,
        _ => COUNT,
    }
}

/// A file in which this key has this value; others are given so that no rule is in the way.
fn with(name: &str, value: &str) -> String {
    let (section, leaf) = name.split_once('.').expect("a section");
    let room = match name {
        "limits.line" => "message = \"1KiB\"\n",
        "limits.outbox" => "line = \"8KiB\"\n",
        _ => "",
    };
    format!("[{section}]\n{room}{leaf} = {value}\n")
}

#[test]
fn every_key_takes_what_fits() {
    assert!(KEYS.len() > 40);
    for key in KEYS {
        for value in sample_of(key.name).good {
            let text = with(key.name, value);
            let loaded = good(&file(&text));
            assert!(loaded.is_explicit(key.name), "{text}");
            let again = with(key.name, &(key.write)(&loaded.config).to_string());
            assert_eq!(
                good(&file(&again)).config,
                loaded.config,
                "{text} is written as {again}"
            );
        }
    }
}

#[test]
fn every_key_refuses_what_does_not_fit_and_says_what_does() {
    for key in KEYS {
        let sample = sample_of(key.name);
        assert!(!sample.bad.is_empty());
        for (value, reason) in sample.bad {
            let text = with(key.name, value);
            let faults = bad(&file(&text));
            assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
            let fault = &faults[0];
            let line = text.lines().count();
            let place = format!("chatd.toml:{line}:");
            assert!(fault.starts_with(&place), "{fault}");
            let told = format!(": {}: {reason}", key.name);
            assert!(fault.contains(&told), "{fault} does not say {told}");
            if let Some(word) = word_of(key.name) {
                assert!(fault.contains(&format!(", or \"{word}\"")), "{fault}");
            }
        }
    }
}

#[test]
fn only_some_keys_take_a_word_instead_of_a_value() {
    let mut with_word = 0;
    for key in KEYS {
        for word in ["unlimited", "auto"] {
            let text = with(key.name, &format!("\"{word}\""));
            let is_taken = load(&file(&text)).is_ok();
            let is_plain_text = ["server.name", "server.default_room"].contains(&key.name);
            let is_value = key.name == "log.format" && word == "auto";
            let expected = word_of(key.name) == Some(word) || is_plain_text || is_value;
            assert_eq!(is_taken, expected, "{text}");
            with_word += usize::from(is_taken);
        }
    }
    assert!(with_word >= 10);
}

#[test]
fn what_is_lifted_found_or_off_is_nothing() {
    let loaded = good(&file(
        "[server]\nworkers = \"auto\"\n[admin]\nlisten = \"\"\nsocket = \"auto\"\n\
         [metrics]\nlisten = \"\"\n[limits]\nclients_per_address = \"unlimited\"\n\
         message_rate = \"unlimited\"\n",
    ));
    let Config {
        server,
        admin,
        metrics,
        limits,
        ..
    } = loaded.config;
    assert_eq!(
        (server.workers, admin.listen, admin.socket),
        (None, None, None)
    );
    assert_eq!(
        (
            metrics.listen,
            limits.clients_per_address,
            limits.message_rate
        ),
        (None, None, None)
    );
}

#[test]
fn a_line_has_bounds() {
    for (size, reason) in [
        ("1023B", "\"1023B\" is too small; write at least \"1KiB\""),
        ("2MiB", "\"2MiB\" is too large; write at most \"1MiB\""),
    ] {
        let faults = bad(&set(&format!("limits.line={size}")));
        assert_eq!(faults, [format!("--set limits.line={size}: {reason}")]);
    }
}
