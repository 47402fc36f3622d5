//! `chatctl top` on a real terminal: right at every size, nothing stale, and the terminal as it was
//! whatever ends it.

use std::sync::Arc;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Config, Daemon, program};
use crate::screen::{Screen, Size};

const SMALL: Size = (24, 80);
const LARGE: Size = (50, 200);
const DOWN: &str = "\u{1b}[B";

impl Daemon {
    fn top(&self, size: Size) -> Screen {
        let socket = self.admin_socket().display().to_string();
        let arguments = ["--socket", &socket, "top", "--interval", "200ms"].map(str::to_owned);
        let home = Arc::new(tempfile::tempdir().unwrap());
        Screen::run(&program("chatctl"), &arguments, home, size)
    }
}

fn has(rows: &[String], text: &str) -> bool {
    rows.iter().any(|row| row.contains(text))
}

/// A screen is waited for on a thread that may wait.
async fn looks(
    screen: Screen,
    what: &'static str,
    so: impl Fn(&[String]) -> bool + Send + 'static,
) -> (Screen, Vec<String>) {
    let look = move || {
        let rows = screen.shows(what, so);
        (screen, rows)
    };
    tokio::task::spawn_blocking(look).await.unwrap()
}

#[tokio::test]
async fn it_is_right_at_both_sizes_and_nothing_stale_stays() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let mut crowd = Vec::new();
    for n in 0..40 {
        crowd.push(chat.full_in("den", &format!("member{n:02}")).await);
    }
    for (size, last) in [(SMALL, "q quit"), (LARGE, "q quit")] {
        let screen = chat.top(size);
        // All of the table: a line each for the daemon, its sums, the heading and the foot, and trends.
        let shown = if size == SMALL { 17 } else { 40 };
        let full = move |rows: &[String]| {
            rows[0].contains("● ready")
                && has(rows, "clients 41/")
                && rows[usize::from(size.0) - 1].starts_with(last)
                && rows.iter().filter(|row| row.contains("● live")).count() >= shown
        };
        let (screen, rows) = looks(screen, "the whole screen", full).await;
        assert_eq!(rows.len(), usize::from(size.0));
        assert_eq!(has(&rows, "ADDR"), size == LARGE, "{rows:#?}");
        drop(screen);
    }

    // Somebody speaks and is first; everybody goes, and no row of theirs stays.
    let screen = chat.top(SMALL);
    for n in 0..20 {
        alice.publish("den", &format!("{n}")).await;
    }
    let (screen, _) = looks(screen, "alice", |rows| has(rows, "alice")).await;
    chat.ask(
        "clients.kick",
        json!({"filter": {"room": "den"}, "many": true}),
    )
    .await;
    drop(crowd);
    drop(alice);
    let empty =
        |rows: &[String]| has(rows, "clients 0/") && !has(rows, "● live") && !has(rows, "member");
    let (mut screen, rows) = looks(screen, "nobody left", empty).await;
    assert!(!has(&rows, "alice") && !has(&rows, "closing"), "{rows:#?}");

    // A larger window is used to its last row, and has one foot.
    screen.resizes(LARGE);
    let grown = |rows: &[String]| rows[49].starts_with("q quit") && has(rows, "ADDR");
    let (screen, rows) = looks(screen, "the larger screen", grown).await;
    assert_eq!(
        rows.iter().filter(|row| row.contains("q quit")).count(),
        1,
        "{rows:#?}"
    );
    drop(screen);
}

#[tokio::test]
async fn a_client_is_found_chosen_and_kicked_after_a_question() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let _bob = chat.full_in("den", "bob").await;
    let screen = chat.top(SMALL);
    let (mut screen, _) = looks(screen, "both", |rows| {
        has(rows, "alice") && has(rows, "bob")
    })
    .await;
    screen.types("/ali\r");
    let (mut screen, _) = looks(screen, "alice alone", |rows| {
        has(rows, "alice") && !has(rows, "bob")
    })
    .await;
    screen.types(DOWN);
    screen.types("k");
    let (mut screen, _) = looks(screen, "a question", |rows| has(rows, "kick alice (id")).await;
    screen.types("n");
    let (mut screen, _) = looks(screen, "no question", |rows| !has(rows, "y to kick")).await;
    assert_eq!(chat.listed().await.len(), 2, "no is no");
    screen.types("k");
    let (mut screen, _) = looks(screen, "a question", |rows| has(rows, "y to kick")).await;
    screen.types("y");
    alice.hears_until("bye").await;
    drop(alice);
    let (mut screen, _) = looks(screen, "she has gone", |rows| {
        !has(rows, "alice (") && has(rows, "clients 1/")
    })
    .await;
    screen.types("s");
    let (mut screen, _) = looks(screen, "another measure", |rows| {
        has(rows, "sort: out_rate")
    })
    .await;
    screen.types("q");
    assert_eq!(
        tokio::task::spawn_blocking(move || screen.ends())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn the_terminal_is_as_it_was_after_a_signal_and_a_lost_daemon() {
    let chat = Daemon::start(Config::shipped()).await;
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let (screen, _) = looks(chat.top(SMALL), "the screen", |rows| has(rows, "● ready")).await;
        screen.is_told(signal);
        let ended = tokio::task::spawn_blocking(move || (screen.ends(), screen.bytes()));
        let (code, bytes) = ended.await.unwrap();
        assert_eq!(code, status, "{signal}");
        assert!(left_the_other_screen(&bytes), "{signal}");
    }
    let (screen, _) = looks(chat.top(SMALL), "the screen", |rows| has(rows, "● ready")).await;
    chat.signal(Signal::KILL);
    let ended = tokio::task::spawn_blocking(move || {
        let code = screen.ends();
        (code, screen.bytes(), screen.rows())
    });
    let (code, bytes, rows) = ended.await.unwrap();
    assert_eq!(code, 1);
    assert!(
        left_the_other_screen(&bytes) && has(&rows, "chatd has ended"),
        "{rows:#?}"
    );
}

#[cfg(feature = "test-faults")]
#[tokio::test]
async fn the_terminal_is_as_it_was_after_a_panic() {
    let chat = Daemon::start(Config::shipped()).await;
    let socket = chat.admin_socket().display().to_string();
    let chatctl = program("chatctl").display().to_string();
    let arguments = [
        "RUST_BACKTRACE=0",
        "CHATD_FAULT=top_panics",
        &chatctl,
        "--socket",
        &socket,
        "top",
    ];
    let home = Arc::new(tempfile::tempdir().unwrap());
    let env = std::path::Path::new("/usr/bin/env");
    let screen = Screen::run(env, &arguments.map(str::to_owned), home, SMALL);
    let (mut screen, _) = looks(screen, "the screen", |rows| has(rows, "● ready")).await;
    screen.types("!");
    let ended = tokio::task::spawn_blocking(move || {
        let code = screen.ends();
        (code, screen.bytes(), screen.rows())
    });
    let (code, bytes, rows) = ended.await.unwrap();
    assert_eq!(code, 101);
    assert!(
        left_the_other_screen(&bytes) && has(&rows, "sabotaged"),
        "{rows:#?}"
    );
}

fn left_the_other_screen(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (enter, leave) = (text.rfind("\u{1b}[?1049h"), text.rfind("\u{1b}[?1049l"));
    enter.is_some() && leave > enter
}
