//! Hostile bytes, one row each: under which words the operator finds them, and that everybody else
//! goes on talking.

use serde_json::json;

use crate::harness::{Answer, Config, Daemon, Peer, alone};
use crate::pair::Pair;

/// How the one who sends the bytes has begun.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// As a full client in the lobby.
    Full,
    /// As a two-field client.
    Basic,
    /// As a person with netcat.
    Text,
    /// Not at all.
    Stranger,
}

use Who::{Basic, Full, Stranger, Text};

/// Bytes, and the words for the line that they are: who sends them, the bytes, the error code and
/// what exactly is wrong.
type Row = (Who, Vec<u8>, &'static str, &'static str);

fn refused() -> Vec<Row> {
    let row = |who, bytes: &[u8], code, detail| (who, [bytes, b"\n"].concat(), code, detail);
    let message = |text: &[u8]| [&br#"{"type":"message","message":""#[..], text, br#""}"#].concat();
    let nested = |depth: usize, open: &str, close: &str| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!(r#"{{"type":"ping","x":{open}1{close}}}"#).into_bytes()
    };
    let mut rows = vec![
        // Line ends: only LF and CRLF are.
        row(
            Full,
            b"{\"type\":\"ping\"}\r{\"type\":\"ping\"}",
            "bad_json",
            "bare_cr",
        ),
        row(Full, b"{\"type\":\"ping\"}\r\r", "bad_json", "bare_cr"),
        row(Full, b"{\"type\":\r\"ping\"}", "bad_json", "bare_cr"),
        row(Full, b"\r{\"type\":\"ping\"}", "bad_json", "bare_cr"),
        row(
            Basic,
            b"{\"username\":\"b\",\r\"message\":\"x\"}",
            "bad_json",
            "bare_cr",
        ),
        row(Text, b"one\rtwo", "bad_field", "bare_cr"),
        row(Full, b"", "bad_json", "truncated"),
        row(Full, b"   ", "bad_json", "truncated"),
        // What no text may hold raw.
        row(Full, &message(b"a\0b"), "bad_json", "control"),
        row(Full, &message(b"a\tb"), "bad_json", "control"),
        row(Full, &message(b"a\x1b[2Jb"), "bad_json", "control"),
        // UTF-8: a lone continuation, overlong, five bytes, a surrogate, cut off.
        row(Full, &message(b"\x80"), "bad_utf8", ""),
        row(Full, &message(b"\xc0\xaf"), "bad_utf8", ""),
        row(Full, &message(b"\xf8\x88\x80\x80\x80"), "bad_utf8", ""),
        row(Full, &message(b"\xed\xa0\x80"), "bad_utf8", ""),
        row(Full, &message(b"\xf0\x9f\xa6"), "bad_utf8", ""),
        row(Text, b"caf\xe9", "bad_utf8", ""),
        row(Full, b"\xef\xbb\xbf{\"type\":\"ping\"}", "bad_json", "bom"),
        // Halves of surrogate pairs.
        row(Full, &message(br"\ud800"), "bad_json", "surrogate"),
        row(Full, &message(br"\udc00\ud800"), "bad_json", "surrogate"),
        row(
            Basic,
            br#"{"username":"b","message":"\udfff"}"#,
            "bad_json",
            "surrogate",
        ),
        // A reader further on might see another object than we did.
        row(
            Full,
            br#"{"type":"ping","type":"quit"}"#,
            "bad_json",
            "duplicate_key",
        ),
        row(
            Full,
            br#"{"type":"ping","ty\u0070e":"quit"}"#,
            "bad_json",
            "duplicate_key",
        ),
        row(
            Full,
            br#"{"type":"ping","x":{"y":{"z":1,"z":2}}}"#,
            "bad_json",
            "duplicate_key",
        ),
        row(
            Basic,
            br#"{"username":"b","message":"x","username":"c"}"#,
            "bad_json",
            "duplicate_key",
        ),
        row(
            Basic,
            br#"{"username":"b","message":"x","userna\u006de":"c"}"#,
            "bad_json",
            "duplicate_key",
        ),
        // Nesting: 17 deep, as deep as a line is long, and in the dark of an unknown field.
        row(Full, &nested(16, "[", "]"), "bad_json", "depth"),
        row(Full, &nested(100, r#"{"a":"#, "}"), "bad_json", "depth"),
        row(Full, &nested(127, "[", "]"), "bad_json", "depth"),
        row(Full, &nested(129, "[", "]"), "bad_json", "depth"),
        row(Full, &nested(8_000, "[", "]"), "bad_json", "depth"),
        row(Full, &as_deep_as_a_line(16 * 1024), "bad_json", "depth"),
        row(
            Basic,
            &format!(
                r#"{{"username":"b","message":"x","y":{}}}"#,
                "[".repeat(8_000)
            )
            .into_bytes(),
            "bad_json",
            "depth",
        ),
        // Numbers.
        row(Full, br#"{"type":"ping","x":1e400}"#, "bad_json", "number"),
        row(
            Full,
            format!(r#"{{"type":"ping","x":{}}}"#, "9".repeat(10_000)).as_bytes(),
            "bad_json",
            "number",
        ),
        row(
            Full,
            br#"{"type":"join","room":"a","since":{"epoch":"x","seq":1e-400}}"#,
            "bad_field",
            "",
        ),
        row(
            Full,
            br#"{"type":"join","room":"a","since":{"epoch":"x","seq":1.0}}"#,
            "bad_field",
            "",
        ),
        row(
            Full,
            br#"{"type":"join","room":"a","since":{"epoch":"x","seq":-0}}"#,
            "bad_field",
            "",
        ),
        row(
            Full,
            br#"{"type":"join","room":"a","since":{"epoch":"x","seq":18446744073709551616}}"#,
            "bad_field",
            "",
        ),
        row(
            Full,
            br#"{"type":"join","room":"a","since":{"epoch":"x","seq":9007199254740993}}"#,
            "bad_field",
            "",
        ),
        row(
            Full,
            br#"{"type":"names","room":"lobby","limit":-1}"#,
            "bad_field",
            "",
        ),
        // JSON that is no request.
        row(Full, br#"[{"type":"ping"}]"#, "bad_json", "not_an_object"),
        row(Full, b"null", "bad_json", "not_an_object"),
        row(
            Full,
            br#"{"type":"ping"}{"type":"ping"}"#,
            "bad_json",
            "trailing",
        ),
        row(Full, br#"{"type":"ping"} x"#, "bad_json", "trailing"),
        row(Full, b"{'type':'ping'}", "bad_json", "syntax"),
        row(Full, b"GET / HTTP/1.1", "bad_json", "syntax"),
        row(Full, br#"{"type":"pi"#, "bad_json", "truncated"),
        row(Full, br#"{"type":["ping"]}"#, "bad_field", ""),
        row(Full, br#"{"type":"dance"}"#, "unknown_type", ""),
        row(Full, br#"{"type":"message"}"#, "missing_field", ""),
        row(
            Full,
            br#"{"type":"message","message":["x"]}"#,
            "bad_field",
            "",
        ),
        row(Full, br#"{"type":"hello","version":1}"#, "bad_field", ""),
        row(Full, &message(b""), "empty_message", ""),
        row(
            Full,
            &message(&b"x".repeat(4001)),
            "message_too_long",
            "bytes",
        ),
        row(
            Full,
            &message(&b"\x7f".repeat(2_800)),
            "message_too_long",
            "escapes",
        ),
        row(Full, &b"x".repeat(16 * 1024 + 1), "line_too_long", ""),
        // A hello that says it badly may say it again.
        row(
            Stranger,
            br#"{"type":"hello","version":1,"username":"a\u0000b"}"#,
            "nick_invalid",
            "",
        ),
        row(
            Stranger,
            br#"{"type":"hello","version":1,"version":2}"#,
            "bad_json",
            "duplicate_key",
        ),
        row(
            Stranger,
            b"\xef\xbb\xbf{\"username\":\"a\",\"message\":\"x\"}",
            "bad_json",
            "bom",
        ),
        row(
            Stranger,
            br#"{"username":"a","message":"\ud800"}"#,
            "bad_json",
            "surrogate",
        ),
    ];
    // What is raw in a name is as broken as anywhere.
    rows.push(row(
        Basic,
        b"{\"username\":\"b\x07\",\"message\":\"x\"}",
        "bad_json",
        "control",
    ));
    rows
}

/// A line of this length that goes deeper with each byte.
fn as_deep_as_a_line(length: usize) -> Vec<u8> {
    let mut line = br#"{"type":"ping","x":"#.to_vec();
    line.resize(length, b'[');
    line
}

/// The series that counts it. Where there is nothing more to say there is no second label.
fn series(family: &str, reason: &str, detail: &str) -> String {
    let detail = match detail {
        "" => String::new(),
        detail => format!(",detail=\"{detail}\""),
    };
    format!("{family}{{reason=\"{reason}\"{detail}}}")
}

/// The row in a sentence about it.
fn shown(who: Who, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
    format!("{who:?} {text:?}")
}

async fn sender(chat: &Daemon, who: Who, n: usize) -> Peer {
    match who {
        Full => chat.full_in("lobby", &format!("full{n}")).await,
        Basic => chat.basic(&format!("basic{n}")).await,
        Text => chat.text(&format!("text{n}")).await,
        Stranger => chat.stranger().await,
    }
}

#[tokio::test]
async fn a_broken_line_is_refused_by_its_own_name_and_the_session_stays() {
    let config = Config::roomy()
        .set("log.level", "debug")
        .limit("hello_timeout", "300s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let rows = refused();
    assert!(rows.len() > 50);
    for (n, (who, bytes, code, detail)) in rows.iter().enumerate() {
        let what = shown(*who, bytes);
        let mut peer = sender(&chat, *who, n).await;
        let series = series("chatd_messages_rejected_total", code, detail);
        let count = async || chat.metrics().await.exactly(&series);
        let before = count().await;
        peer.send(bytes).await;
        let mut heard = peer.line().await;
        while !is_refusal(*who, &heard, code) {
            heard = peer.line().await;
        }
        assert_eq!(
            count().await,
            before + 1.0,
            "{what}: {series} does not count it"
        );
        assert!(
            !heard.contains(|c: char| c.is_control()),
            "{what}: {heard:?}"
        );
        let words: Vec<&str> = ["line.rejected", code, detail]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        chat.logs(&words).await;
        if n % 10 == 0 {
            pair.goes_on_talking().await;
        }
        assert_ne!(
            chat.row_of(&peer, |_| true).await["state"],
            "closing",
            "{what}"
        );
    }
    pair.goes_on_talking().await;
}

/// Whether this is the line that says no, in the words of each dialect.
fn is_refusal(who: Who, line: &str, code: &str) -> bool {
    match who {
        Full | Stranger => {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["code"] == code || object["username"] == "chatd"
        }
        Basic => line.starts_with(r#"{"username":"chatd","message":"#),
        Text => line.starts_with("! "),
    }
}

/// Bytes, and the words for the end that they bring: the detail of `protocol_error`, and how many
/// lines the sender may hear.
fn closed() -> Vec<(Who, Vec<u8>, &'static str, usize)> {
    let smuggled = b"{\"username\":\"mallory\",\"message\":\"smuggled\"}\n";
    let then = |first: &[u8]| [first, smuggled].concat();
    vec![
        (
            Stranger,
            then(b"{\"type\":\"join\",\"room\":\"lobby\"}\n"),
            "hello_required",
            2,
        ),
        (Stranger, then(b"{\"type\":7}\n"), "hello_required", 2),
        (
            Stranger,
            then(b"{\"username\":\"mallory\"}\n"),
            "hello_required",
            2,
        ),
        (Stranger, then(b"{}\n"), "hello_required", 2),
        (Stranger, then(&b"x".repeat(4097)), "first_line", 1),
        (
            Stranger,
            then(&[b"{", &b" ".repeat(16 * 1024)[..]].concat()),
            "first_line",
            1,
        ),
        (Stranger, b"{\n".repeat(10), "bad_lines", 11),
        (Full, b"\xff\n".repeat(10), "bad_lines", 11),
        (Basic, b"{\n".repeat(10), "bad_lines", 11),
        (Text, b"caf\xe9\n".repeat(10), "bad_lines", 11),
        (Full, b"x".repeat(11 << 20), "bad_lines", 11),
    ]
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_is_closed_by_its_own_name() {
    let config = Config::roomy().limit("hello_timeout", "300s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut witness = chat.listener().await;
    let rows = closed();
    for (n, (who, bytes, detail, most)) in rows.iter().enumerate() {
        let what = shown(*who, bytes);
        let mut peer = sender(&chat, *who, n).await;
        let series = series("chatd_connections_closed_total", "protocol_error", detail);
        let before = chat.metrics().await.exactly(&series);
        peer.send_if_open(bytes).await;
        let heard = peer.hears_out().await;
        assert!(heard.len() <= *most, "{what}: {heard:?}");
        assert_eq!(
            chat.metrics().await.exactly(&series),
            before + 1.0,
            "{what}: {series}"
        );
        let last = &chat.ask("clients.closed", json!({ "limit": 1 })).await["closed"][0];
        assert_eq!(
            (&last["reason"], &last["detail"]),
            (&json!("protocol_error"), &json!(detail)),
            "{what}"
        );
        chat.logs(&["client.closed", "protocol_error", detail])
            .await;
        pair.goes_on_talking().await;
    }
    pair.alice.join("lobby").await;
    pair.alice.publish("lobby", "the end").await;
    loop {
        let line = witness.line().await;
        assert!(!line.contains("smuggled"), "{line}");
        if line.contains("the end") {
            break;
        }
    }
}

#[tokio::test]
async fn sixteen_deep_is_read_and_however_deep_costs_no_stack() {
    let config = Config::roomy()
        .limit("line", "1MiB")
        .limit("bad_lines", 100)
        .limit("outbox", "4MiB");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    let ping = |depth: usize, open: &str, close: &str| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!(r#"{{"type":"ping","x":{open}1{close}}}"#)
    };
    // The object of the line itself is the first of them.
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        peer.say(&ping(15, open, close)).await;
        peer.hears_type("pong").await;
        for depth in [16, 100_000] {
            peer.say(&ping(depth, open, close)).await;
            peer.hears_error("bad_json").await;
        }
    }
    peer.say(&"[".repeat(1024 * 1024)).await;
    peer.hears_error("bad_json").await;
    let depth = series("chatd_messages_rejected_total", "bad_json", "depth");
    assert_eq!(chat.metrics().await.exactly(&depth), 4.0);
    // A text that only looks deep is a text.
    peer.join("lobby").await;
    peer.publish("lobby", &"[".repeat(4000)).await;
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn a_gibibyte_without_a_line_end_costs_no_memory() {
    const SENT: usize = 1 << 30;
    let _alone = alone().await;
    let config = Config::roomy()
        .limit("bad_lines", 100_000)
        .limit("line_timeout", "300s");
    let chat = Daemon::start(config).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    let block = vec![b'x'; 1 << 20];
    peer.send(&block).await;
    let before = chat.peak_resident_bytes();
    for n in 1..SENT / block.len() {
        peer.send(&block).await;
        if n % 256 == 0 {
            pair.goes_on_talking().await;
        }
    }
    peer.send(b"\n{\"type\":\"ping\"}\n").await;
    peer.hears_error("line_too_long").await;
    peer.hears_type("pong").await;
    let endless = series("chatd_messages_rejected_total", "line_too_long", "endless");
    let faults = chat.metrics().await.exactly(&endless);
    assert!(
        (1020.0..=1024.0).contains(&faults),
        "one for each MiB: {faults}"
    );
    let after = chat.peak_resident_bytes();
    // A sixty-fourth of what was sent. The allocator keeps a few MiB when the machine is busy.
    assert!(after < before + (16 << 20), "{before} and then {after}");
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn a_character_may_be_cut_anywhere() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut peer = chat.full_in("lobby", "peer").await;
    let text = "é漢🦀\u{301}";
    let line = format!("{}\n", json!({ "type": "message", "message": text }));
    for byte in line.as_bytes() {
        peer.send(&[*byte]).await;
    }
    let mut heard = [peer.object().await, peer.object().await];
    heard.sort_by_key(|object| object["type"].as_str() != Some("ack"));
    assert_eq!(heard[1]["message"], text, "{heard:?}");
    // The last byte that a line may have, in the middle of a character.
    let line = |padding: usize| {
        let object = json!({ "type": "ping", "x": "x".repeat(padding) + "🦀" });
        object.to_string()
    };
    let padding = 16 * 1024 - line(0).len();
    for more in 0..4 {
        peer.say(&line(padding + more)).await;
        match more {
            0 => drop(peer.hears_type("pong").await),
            _ => drop(peer.hears_error("line_too_long").await),
        }
    }
}

#[tokio::test]
async fn a_thousand_lines_in_one_segment_are_a_thousand_lines() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut peer = chat.full("peer").await;
    let lines: String = (0..1000)
        .map(|n| format!("{{\"type\":\"ping\",\"token\":\"{n}\"}}\n"))
        .collect();
    peer.send(lines.as_bytes()).await;
    for n in 0..1000 {
        assert_eq!(peer.hears_type("pong").await["token"], n.to_string());
    }
    pair.goes_on_talking().await;
}

#[tokio::test]
async fn ten_thousand_hellos_are_one_session_and_a_flood() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut eager = chat.stranger().await;
    let hello = b"{\"type\":\"hello\",\"version\":1,\"username\":\"eager\"}\n";
    eager.send_if_open(&hello.repeat(10_000)).await;
    eager.hears_type("welcome").await;
    let rest = eager.hears_out().await;
    let (last, errors) = rest.split_last().unwrap();
    assert!(last.contains(r#""code":"flood""#), "{last}");
    assert!(errors.len() < 500, "{}", errors.len());
    let is_refused = |line: &String| line.contains("bad_field") || line.contains("rate_limited");
    assert!(errors.iter().all(is_refused), "{errors:?}");
    chat.counts("chatd_connections_closed_total", &["flood"], 1.0)
        .await;
    pair.goes_on_talking().await;
}

/// What a page in somebody's browser can make it send (`fetch` with a body of its choice): a
/// preflight, or a request at once where the content type needs none.
fn from_a_page(port: u16, body: &str) -> [String; 2] {
    let head = format!(
        "Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\nUser-Agent: Mozilla/5.0\r\n\
         Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    );
    let length = body.len();
    [
        format!("OPTIONS / HTTP/1.1\r\n{head}Access-Control-Request-Method: POST\r\n\r\n"),
        format!(
            "POST / HTTP/1.1\r\n{head}Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    ]
}

#[tokio::test]
async fn a_page_in_a_browser_says_nothing_and_commands_nothing() {
    let chat = Daemon::start(Config::shipped()).await;
    let mut pair = Pair::arrive(&chat).await;
    let mut witness = chat.listener().await;
    let said = "{\"username\":\"mallory\",\"message\":\"from a page\"}\n\
                {\"type\":\"hello\",\"version\":1,\"username\":\"mallory\",\"join\":true}\n\
                {\"type\":\"message\",\"message\":\"from a page\"}\n/nick mallory\nfrom a page\n";
    let token = std::fs::read_to_string(chat.token_file()).unwrap();
    let ordered = format!(
        "{}\n{}\n",
        json!({"jsonrpc": "2.0", "id": 1, "method": "auth", "params": {"token": token.trim()}}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "shutdown"}),
    );
    for (server, body) in [(chat.chat(), said), (chat.admin(), ordered.as_str())] {
        for request in from_a_page(server.port(), body) {
            let mut page = Peer::connect(server).await;
            page.send_if_open(request.as_bytes()).await;
            assert_eq!(page.hears_out().await, [""; 0], "{request}");
        }
    }
    chat.counts("chatd_connections_closed_total", &["detail=\"http\""], 2.0)
        .await;
    chat.counts("chatd_admin_requests_total", &["write"], 0.0)
        .await;
    pair.alice.join("lobby").await;
    pair.alice.publish("lobby", "all is well").await;
    witness
        .hears(r#"{"username":"alice","message":"all is well"}"#)
        .await;
    // A name that somebody made to point at this machine is not ours.
    let rebound = Answer::get(chat.metrics_address(), "/metrics", "evil.example").await;
    assert_eq!(rebound.status, 421, "{rebound:?}");
}
