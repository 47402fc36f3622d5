//! A page in a real browser that talks to ports which are none of its business.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::stage::{Daemon, Program, succeeds};

/// How long a browser may take to start and do its work on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that a page can make a browser send to a port: a request without a preflight, one
/// with, a form's way, and a WebSocket. When all have an outcome the title says so.
const PAGE: &str = r#"<!doctype html><title>working</title><pre id="said"></pre><script>
const body = BODY, port = PORT, url = `http://127.0.0.1:${port}/`;
const post = (type, mode) => fetch(url, {method: 'POST', mode, body, headers: {'Content-Type': type}});
const socket = () => new Promise((resolve, reject) => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`);
  ws.onopen = () => { ws.send(body); resolve('open'); };
  ws.onclose = () => reject('closed');
});
const ways = {
  plain: () => post('text/plain', 'no-cors'),
  json: () => post('application/json', 'cors'),
  form: () => post('application/x-www-form-urlencoded', 'no-cors'),
  beacon: async () => navigator.sendBeacon(url, body),
  socket,
};
(async () => {
  for (const [way, run] of Object.entries(ways)) {
    const outcome = await run().then(answer => 'answered ' + answer, why => 'refused ' + why);
    said.textContent += `${way}: ${outcome}\n`;
  }
  document.title = 'done';
  await fetch('/done', {method: 'POST', body: said.textContent});
})();
</script>"#;

/// Opens the page in a browser; what it tells of each way.
fn visit(port: u16, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home: SocketAddr = listener.local_addr().unwrap();
    let body = serde_json::to_string(body).unwrap();
    let page = PAGE
        .replace("BODY", &body)
        .replace("PORT", &port.to_string());
    let told = thread::spawn(move || serve(&listener, &page));
    let folder = tempfile::tempdir().unwrap();
    let browser = Program::start(
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!("http://{home}/")),
    );
    let begun = std::time::SystemTime::now();
    while !told.is_finished() {
        let waited = begun.elapsed().unwrap_or_default();
        assert!(
            waited < PATIENCE,
            "the page does not end: {}",
            browser.told()
        );
        thread::park_timeout(Duration::from_millis(50));
    }
    told.join().unwrap()
}

/// Serves the page until it has told its outcome.
fn serve(listener: &TcpListener, page: &str) -> String {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
            let line = head.lines().last().unwrap_or_default().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        std::io::Read::read_exact(&mut reader, &mut body).unwrap();
        let answer = if head.starts_with("GET / ") { page } else { "" };
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if head.starts_with("POST /done ") {
            return String::from_utf8(body).unwrap();
        }
    }
    unreachable!("a listener goes on for ever")
}

/// No way brought an answer. What is only sent and forgotten (a beacon) has none to bring.
fn nothing_was_answered(told: &str) {
    assert_eq!(told.lines().count(), 5, "{told}");
    for line in told.lines() {
        let is_forgotten = line == "beacon: answered true";
        assert!(is_forgotten || line.contains(": refused "), "{told}");
    }
}

/// One series of the metrics, or the sum of those that begin so.
fn counted(daemon: &Daemon, series: &str) -> f64 {
    let url = format!("http://{}/metrics", daemon.metrics);
    let text = succeeds(Command::new("curl").args(["--silent", "--fail", &url]));
    let lines = text.lines().filter(|line| line.starts_with(series));
    let values: Vec<f64> = lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(!values.is_empty(), "no {series}");
    values.iter().sum()
}

pub(crate) fn a_page_says_nothing_on_the_chat_port() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let mut bob = daemon.netcat("bob");
    let lines = "\n{\"username\":\"mallory\",\"message\":\"from a page\"}\n\
                 {\"type\":\"hello\",\"version\":1,\"username\":\"mallory\",\"join\":true}\n\
                 {\"type\":\"message\",\"message\":\"from a page\"}\n/nick mallory\nfrom a page\n";
    nothing_was_answered(&visit(daemon.chat.port(), lines));
    let http = r#"chatd_connections_closed_total{reason="protocol_error",detail="http"}"#;
    assert!(counted(&daemon, http) >= 5.0, "each way came to the port");

    // What comes after it proves that it was not merely late.
    bob.says("has anybody said anything");
    alice.hears("<bob> has anybody said anything");
    assert!(!alice.text().contains("page"), "{}", alice.text());
    let clients = daemon.chatctl(&["list-clients", "--format", "json"]);
    assert!(!clients.contains("mallory"), "{clients}");
}

pub(crate) fn a_page_commands_nothing_on_the_admin_port() {
    let daemon = Daemon::start();
    let alice = daemon.netcat("alice");
    let lines = format!(
        "{}\n{}\n{}\n",
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "auth", "params": {"token": daemon.token()}}),
        r#"{"jsonrpc":"2.0","id":2,"method":"clients.kick","params":{"filter":{"username":"alice"}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"shutdown"}"#,
    );
    nothing_was_answered(&visit(daemon.admin.port(), &lines));
    let requests = |access: &str, result: &str| {
        let labels = format!(r#"{{access="{access}",result="{result}"}}"#);
        counted(&daemon, &format!("chatd_admin_requests_total{labels}"))
    };
    assert!(
        requests("read", "denied") >= 5.0,
        "each way came to the port"
    );
    assert_eq!(requests("write", "ok"), 0.0);

    let mut bob = daemon.netcat("bob");
    bob.says("are you still here");
    alice.hears("<bob> are you still here");
    assert!(!alice.text().contains("! "), "{}", alice.text());
}
