//! Faults that are bytes.

use crate::harness::{Daemon, Peer};

use super::Fault;
use super::crowds::{accepted, are_accepted};
use super::found::Found;

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = vec![
        Fault::new(
            "a line without an end",
            Found::Rejected("line_too_long", ""),
            |chat| Box::pin(endless_line(chat)),
        )
        .with(|config| {
            config
                .limit("bad_lines", 100_000)
                .limit("line_timeout", "600s")
        }),
        Fault::new(
            "endless lines, until they are closed",
            Found::Closed("protocol_error", "bad_lines"),
            |chat| Box::pin(endless_lines(chat)),
        ),
        Fault::new(
            "resets at every step",
            Found::Closed("peer_reset", ""),
            |chat| Box::pin(resets(chat)),
        ),
    ];
    for (depth, line) in [(17, "16KiB"), (8_000, "16KiB"), (100_000, "1MiB")] {
        let name = format!("{depth} arrays in each other, in lines of {line}");
        let found = Found::Rejected("bad_json", "depth");
        let fault = Fault::new(name, found, move |chat| Box::pin(nested(chat, depth)));
        faults.push(if depth > 8_000 {
            fault.with(|config| config.limit("line", "1MiB").limit("outbox", "4MiB"))
        } else {
            fault
        });
    }
    for (detail, bytes) in FOREIGN {
        let found = Found::Closed("protocol_error", detail);
        faults.push(Fault::new(
            format!("another protocol: {detail}"),
            found,
            move |chat| Box::pin(foreign(chat, bytes)),
        ));
    }
    for (code, detail, line) in LINES {
        let found = Found::Rejected(code, detail);
        faults.push(Fault::new(
            format!("a line with a fault: {code} {detail}"),
            found,
            move |chat| Box::pin(faulty(chat, line, code)),
        ));
    }
    faults
}

const FOREIGN: &[(&str, &[u8])] = &[
    (
        "http",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n{\"username\":\"m\",\"message\":\"x\"}\n",
    ),
    ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("irc", b"NICK mallory\r\nUSER m 0 * :m\r\n"),
    ("smtp", b"EHLO mail.example\r\n"),
    ("resp", b"*1\r\n$4\r\nPING\r\n"),
    ("proxy", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    ("proxy", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"),
    ("not_utf8", b"\xfe\xff\0{\0\""),
    ("control", b"\x01\x02\x03\n"),
    (
        "hello_required",
        b"{\"type\":\"join\",\"room\":\"lobby\"}\n",
    ),
];

const LINES: &[(&str, &str, &[u8])] = &[
    (
        "bad_json",
        "duplicate_key",
        br#"{"type":"ping","type":"quit"}"#,
    ),
    (
        "bad_json",
        "surrogate",
        br#"{"type":"message","message":"\ud800"}"#,
    ),
    (
        "bad_json",
        "bare_cr",
        b"{\"type\":\"ping\"}\r{\"type\":\"quit\"}",
    ),
    (
        "bad_json",
        "control",
        b"{\"type\":\"message\",\"message\":\"\x1b[2J\"}",
    ),
    (
        "bad_utf8",
        "",
        b"{\"type\":\"message\",\"message\":\"\xc0\xaf\"}",
    ),
];

/// Bytes that are sent without a line end: a gibibyte to a release build.
fn endless() -> u64 {
    let is_release = std::env::var_os("CHATD_BIN_DIR").is_some();
    (if is_release { 1024 } else { 64 }) * 1024 * 1024
}

async fn received(chat: &Daemon) -> u64 {
    chat.metrics()
        .await
        .sum("chatd_network_received_bytes_total", &[]) as u64
}

/// One line as long as all of it. Memory stands still, and the session is still there.
async fn endless_line(chat: &Daemon) -> u64 {
    let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
    peer.hello("endless").await;
    let (bytes, memory) = (received(chat).await, chat.resident_bytes());
    let block = vec![b'x'; 1024 * 1024];
    let mut most = 0;
    for _ in 0..endless() / block.len() as u64 {
        peer.send(&block).await;
        most = most.max(chat.resident_bytes());
    }
    peer.say("").await;
    peer.request("ping", serde_json::json!({ "token": "still here" }))
        .await;
    let heard = peer.hears_until("pong").await;
    assert!(
        heard
            .iter()
            .rev()
            .skip(1)
            .all(|one| one["code"] == "line_too_long")
    );
    assert!(
        received(chat).await - bytes >= endless(),
        "not all was read"
    );
    assert!(
        most < memory + 4 * 1024 * 1024,
        "{most} bytes, {memory} before"
    );
    1
}

async fn endless_lines(chat: &Daemon) -> u64 {
    let block = vec![b'x'; 1024 * 1024];
    for n in 0..4 {
        let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
        peer.hello(&format!("endless{n}")).await;
        for _ in 0..16 {
            peer.send_if_open(&block).await;
        }
        let heard = peer.hears_out().await;
        assert!(heard.len() <= 11, "{heard:?}");
    }
    4
}

async fn nested(chat: &Daemon, depth: usize) -> u64 {
    for (name, open, close) in [("list", "[", "]"), ("tree", "{\"a\":", "}")] {
        let depth = if open.len() > 1 {
            depth / 5 + 17
        } else {
            depth
        };
        let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
        peer.hello(name).await;
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        peer.say(&format!(r#"{{"type":"ping","x":{open}1{close}}}"#))
            .await;
        peer.hears_error("bad_json").await;
        peer.hears_nothing_else().await;
    }
    2
}

async fn foreign(chat: &Daemon, bytes: &[u8]) -> u64 {
    for _ in 0..10 {
        let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
        peer.send_if_open(bytes).await;
        let heard = peer.hears_out().await;
        assert!(heard.len() <= 2, "{heard:?}");
    }
    10
}

async fn faulty(chat: &Daemon, line: &[u8], code: &str) -> u64 {
    let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
    peer.hello("faulty").await;
    for _ in 0..9 {
        peer.send(&[line, b"\n"].concat()).await;
        peer.hears_error(code).await;
    }
    peer.hears_nothing_else().await;
    9
}

/// What somebody says, step by step, until the connection breaks.
const LIVES: &[&[&str]] = &[
    &[
        "{\"type\":\"hello\",\"version\":1,",
        "\"username\":\"ghost\"}\n",
        "{\"type\":\"join\",\"room\":\"lobby\"}\n",
        "{\"type\":\"message\",\"message\":\"boo\",",
        "\"cid\":\"1\"}\n",
        "{\"type\":\"names\",\"room\":\"lobby\"}\n",
        "{\"type\":\"quit\"}\n",
    ],
    &[
        "{\"username\":\"ghost\",",
        "\"message\":\"boo\"}\n",
        "{\"user",
    ],
    &["/nick ", "ghost\n", "boo\n", "/names\n", "/quit"],
    &["GET / ", "HTTP/1.1\r\n"],
];

async fn resets(chat: &Daemon) -> u64 {
    let before = accepted(chat).await;
    let mut resets = 0;
    for life in LIVES {
        for count in 0..=life.len() {
            let mut peer = Peer::connect_from(chat.chat(), "127.0.0.7").await;
            peer.send_if_open(life[..count].concat().as_bytes()).await;
            peer.reset();
            resets += 1;
        }
    }
    are_accepted(chat, before, resets).await;
    // Some had ended by themselves.
    resets as u64 / 2
}
