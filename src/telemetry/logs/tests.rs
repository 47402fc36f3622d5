use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A sink that keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `play` runs.
fn written(form: Form, level: &str, play: impl FnOnce(&Logs)) -> String {
    let paper = Paper::default();
    let (subscriber, logs) = Logs::to(paper.clone(), form, level).unwrap();
    tracing::subscriber::with_default(subscriber, || play(&logs));
    assert!(logs.flush(PATIENCE));
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn say_goodbye(_: &Logs) {
    tracing::warn!(
        event = "client.closed",
        id = 7u64,
        reason = "kicked",
        by = "the boss",
        "gone"
    );
}

#[test]
fn the_journal_gets_a_priority_and_neither_time_nor_colours() {
    let line = written(Form::Journal, "info", say_goodbye);
    let target = module_path!();
    assert_eq!(
        line,
        format!("<4>{target} client.closed: gone id=7 reason=kicked by=\"the boss\"\n")
    );
}

#[test]
fn a_person_gets_time_level_and_colours_only_if_wanted() {
    let plain = written(Form::Text { colours: false }, "info", say_goodbye);
    let (time, rest) = plain.split_once(' ').unwrap();
    time.parse::<jiff::Timestamp>().unwrap();
    assert!(rest.starts_with("WARN  chatd::"), "{rest}");
    assert!(!plain.contains('\x1b'));
    assert!(written(Form::Text { colours: true }, "info", say_goodbye).contains("\x1b[33mWARN"));
}

#[test]
fn a_program_gets_one_json_object() {
    let line = written(Form::Json, "info", |_| {
        tracing::info!(
            event = "a.b",
            time = "mine",
            ok = true,
            ratio = 0.5,
            nan = f64::NAN,
            "it's \"so\""
        );
    });
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["event"], "a.b");
    assert_eq!(object["level"], "info");
    assert_eq!(object["message"], "it's \"so\"");
    assert_eq!(object["time_"], "mine");
    assert_eq!(
        (&object["ok"], &object["ratio"]),
        (&true.into(), &0.5.into())
    );
    object["time"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
}

#[test]
fn what_an_operator_said_is_told_without_the_addresses_in_it() {
    for (addresses, shown) in [
        (Addresses::Full, "192.0.2.77"),
        (Addresses::Short, "192.0.2.0/24"),
        (Addresses::None, "…"),
    ] {
        let line = written(Form::Json, "info", |logs| {
            logs.set_addresses(addresses);
            let (params, why) = (r#"{"addr":"192.0.2.77"}"#, "there is no ban of 192.0.2.77");
            tracing::info!(target: "audit", event = "admin.call", params, why);
        });
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["params"], format!("{{\"addr\":\"{shown}\"}}"));
        assert_eq!(object["why"], format!("there is no ban of {shown}"));
    }
}

#[test]
fn no_value_breaks_its_line_or_reaches_a_terminal_raw() {
    let evil = "a\r\nb\x1b[2J\u{202e}\u{9b}c";
    for form in [Form::Json, Form::Journal, Form::Text { colours: false }] {
        let lines = written(form, "info", |_| {
            tracing::info!(event = evil, text = evil, shown = %evil, debug = ?evil, "{evil}");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!lines.contains(hidden), "{lines:?}");
        assert!(
            lines.contains(r"\u{202e}") || lines.contains(r"\\u{202e}"),
            "{lines}"
        );
    }
}

/// What others have written to terminals and logs before.
fn hostile() -> Vec<String> {
    let corpus = include_str!("../../../tests/corpus/hostile.jsonl");
    let text = |line: &str| {
        let entry: Value = serde_json::from_str(line).unwrap();
        entry["text"].as_str().unwrap().to_owned()
    };
    let texts: Vec<String> = corpus.lines().map(text).collect();
    assert!(texts.len() >= 300);
    texts
}

#[test]
fn one_record_is_one_line_whatever_it_holds() {
    let raw = |c: char| {
        c.is_control()
            || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}".contains(c)
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let texts = hostile();
    for form in [Form::Json, Form::Journal, Form::Text { colours: false }] {
        // In parts, so that no line finds the buffer full.
        for part in texts.chunks(100) {
            let lines = written(form, "info", |_| {
                for text in part {
                    tracing::info!(event = "a.b", text, shown = %text, debug = ?text, "{text}");
                }
            });
            assert_eq!(lines.split('\n').count(), part.len() + 1, "{lines:?}");
            for (line, text) in lines.lines().zip(part) {
                assert!(!line.contains(raw), "{text:?} became {line:?}");
                assert!(form != Form::Json || serde_json::from_str::<Value>(line).is_ok());
            }
        }
    }
}

#[test]
fn a_long_value_is_cut() {
    let line = written(Form::Json, "info", |_| {
        tracing::info!(text = "ü".repeat(5000), "long")
    });
    let object: Value = serde_json::from_str(&line).unwrap();
    let text = object["text"].as_str().unwrap();
    assert!(text.len() < 2100 && text.ends_with('…'));
}

#[test]
fn the_level_changes_at_run_time_and_a_wrong_one_changes_nothing() {
    let lines = written(Form::Journal, "info", |logs| {
        tracing::debug!("first");
        logs.set_level("info,chatd::telemetry=debug").unwrap();
        tracing::debug!("second");
        assert!(logs.set_level("verbose").unwrap_err().contains("verbose"));
        assert_eq!(logs.level(), "info,chatd::telemetry=debug");
        logs.set_level("off").unwrap();
        tracing::error!("third");
    });
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("second"));
}

#[test]
fn a_level_is_a_level() {
    for good in [
        "info",
        "INFO",
        "off",
        "warn,chatd=trace",
        "info, chatd::lane=debug",
    ] {
        assert!(parse_level(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "inof",
        "3",
        "info,",
        "chatd=loud",
        "=info",
        "chatd",
        "info,chatd=2",
    ] {
        assert!(parse_level(bad).is_err(), "{bad}");
    }
}

/// A sink that takes nothing until it is told to.
struct Stuck {
    go: Receiver<()>,
    paper: Paper,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.go.recv();
        self.paper.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stuck() -> (Stuck, SyncSender<()>, Paper) {
    let (sender, go) = sync_channel(1);
    let paper = Paper::default();
    (
        Stuck {
            go,
            paper: paper.clone(),
        },
        sender,
        paper,
    )
}

#[test]
fn a_stuck_sink_stops_nobody_and_what_is_lost_is_counted_and_told() {
    let (sink, go, paper) = stuck();
    let (subscriber, logs) = Logs::to(sink, Form::Journal, "info").unwrap();
    let said = 5_000;
    tracing::subscriber::with_default(subscriber, || {
        let text = "x".repeat(1000);
        (0..said).for_each(|_| tracing::info!("{text}"));
        assert!(!logs.flush(Duration::from_millis(1)));
    });
    let dropped = logs.dropped();
    assert!(dropped > 0);
    drop(go);
    assert!(logs.flush(PATIENCE));
    let lines = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let told: u64 = lines
        .lines()
        .filter_map(|line| {
            line.split_once("log.lost")
                .and_then(|(_, rest)| rest.split_once("lines="))
        })
        .map(|(_, count)| count.parse::<u64>().unwrap())
        .sum();
    let whole = lines.lines().filter(|line| line.ends_with("xxx")).count() as u64;
    assert_eq!((whole + dropped, told), (said, dropped));
}

/// A sink that nobody reads any more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_sink_is_counted_and_harms_nobody() {
    let (subscriber, logs) = Logs::to(Closed, Form::Json, "info").unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        tracing::info!("two");
    });
    assert!(logs.flush(PATIENCE));
    assert_eq!(logs.dropped(), 2);
}
