use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::control::stage::Stage;
use crate::event::SessionId;
use crate::mail::Note;
use crate::phase::Phase;
use crate::spares::Spares;

/// A daemon with both doors open.
struct Office {
    stage: Stage,
    socket: PathBuf,
    address: std::net::SocketAddr,
    token: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    _folder: TempDir,
}

/// Somebody at a door.
struct Operator<S> {
    stream: BufReader<S>,
    asked: u64,
}

impl Office {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::new();
        let socket = AdminSocket::at(&folder.path().join("admin.sock")).unwrap();
        let path = socket.path().to_owned();
        let token = Token::at(&folder.path().join("admin.token")).unwrap();
        let text = std::fs::read_to_string(token.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (unix, tcp) = (stage.control.clone(), stage.control.clone());
        let (until, also_until) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            serve_unix(socket, unix, Spares::default(), until)
                .await
                .unwrap()
        });
        tasks.spawn(serve_tcp(
            listener,
            token,
            tcp,
            Spares::default(),
            also_until,
        ));
        tasks.close();
        let token = text.trim().to_owned();
        Self {
            stage,
            socket: path,
            address,
            token,
            stop,
            tasks,
            _folder: folder,
        }
    }

    async fn at_the_socket(&self) -> Operator<UnixStream> {
        Operator::new(UnixStream::connect(&self.socket).await.unwrap())
    }

    async fn at_the_port(&self) -> Operator<TcpStream> {
        Operator::new(TcpStream::connect(self.address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Operator<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
            asked: 0,
        }
    }

    async fn say(&mut self, line: &str) {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// The next answer; null when the door was closed.
    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(n) if n > 0 => serde_json::from_str(&line).unwrap(),
            _ => Value::Null,
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        self.say(&request.to_string()).await;
        let answer = self.hear().await;
        assert_eq!(
            (&answer["jsonrpc"], &answer["id"]),
            (&json!("2.0"), &json!(self.asked))
        );
        answer
    }

    /// The result of a call that has one.
    async fn get(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.ask(method, params).await;
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The code of a call that fails.
    async fn code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.ask(method, params).await;
        answer["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{answer}"))
    }
}

#[tokio::test]
async fn a_client_is_listed_with_every_column() {
    let office = Office::new().await;
    let alice = office.stage.join("alice", "10.0.0.7:1234");
    alice.edit(|text| text.client = Some("bot/1 \u{1b}[31m".into()));
    alice.in_bytes.add(30);
    let mut operator = office.at_the_socket().await;
    let list = operator.get("clients.list", json!({})).await;
    let row = list["clients"][0].as_object().unwrap();
    let columns: Vec<_> = row.keys().map(String::as_str).collect();
    let wanted: Vec<_> =
        "id username addr dialect rooms connected_at age_seconds idle_seconds in_msgs \
        out_msgs in_bytes out_bytes lag_msgs lag_seconds state client \
        gap_msgs gap_reason paced"
            .split_whitespace()
            .collect();
    assert_eq!(columns, wanted);
    assert_eq!(row["username"], "alice");
    assert_eq!(row["addr"], "10.0.0.7:1234");
    assert_eq!(row["rooms"], json!(["lobby"]));
    assert_eq!(row["in_bytes"], 30);
    assert_eq!(row["client"], "bot/1 \\x1b[31m");
    assert_eq!(row["connected_at"], "1970-01-01T00:16:40.000Z");
    let id = row["id"].clone();
    assert_eq!(
        operator.get("clients.get", json!({"id": id})).await["username"],
        "alice"
    );
    assert_eq!(
        operator.code("clients.get", json!({"id": 99})).await,
        -32002
    );
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_cut_into_pages_that_miss_nobody() {
    let office = Office::new().await;
    for n in 0..25_u64 {
        let card = office
            .stage
            .join(&format!("u{n}"), &format!("10.0.{}.1:9", n % 2));
        card.in_msgs.add(n % 5);
    }
    let mut operator = office.at_the_socket().await;
    for (sort, descending) in [("id", false), ("in_msgs", true), ("username", false)] {
        let mut seen = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let params =
                json!({"limit": 4, "sort": sort, "descending": descending, "cursor": cursor});
            let page = operator.get("clients.list", params).await;
            assert_eq!(page["total"], 25);
            seen.extend(page["clients"].as_array().unwrap().clone());
            cursor = page["next"].clone();
            if cursor.is_null() {
                break;
            }
        }
        let mut ids: Vec<_> = seen.iter().map(|row| row["id"].as_u64().unwrap()).collect();
        if sort == "in_msgs" {
            let counts: Vec<_> = seen
                .iter()
                .map(|row| row["in_msgs"].as_u64().unwrap())
                .collect();
            assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 25, "by {sort}");
    }
    for (filter, total) in [
        (json!({"addr": "10.0.1.0/24"}), 12),
        (json!({"username": "U3"}), 1),
        (json!({"room": "lobby"}), 25),
        (json!({"room": "nowhere"}), 0),
        (json!({"dialect": "basic"}), 0),
        (json!({"state": "live", "addr": "10.0.0.1"}), 13),
        (json!({"idle_over_seconds": 3600}), 0),
    ] {
        let page = operator
            .get("clients.list", json!({"filter": filter}))
            .await;
        assert_eq!(page["total"], total, "{filter}");
    }
    assert_eq!(
        operator.code("clients.list", json!({"filtre": {}})).await,
        -32602
    );
    assert_eq!(
        operator
            .code("clients.list", json!({"filter": {"adr": "10.0.0.1"}}))
            .await,
        -32602
    );
    assert_eq!(
        operator
            .code("clients.list", json!({"filter": {"addr": "ten"}}))
            .await,
        -32602
    );
}

#[tokio::test(start_paused = true)]
async fn a_kick_ends_whom_it_names_and_nobody_else() {
    let office = Office::new().await;
    let alice = office.stage.join("alice", "10.0.0.1:1");
    let bob = office.stage.join("bob", "10.0.0.2:1");
    let mut operator = office.at_the_socket().await;
    let params = json!({"filter": {"username": "Bob"}, "reason": "be nice", "dry_run": true});
    let report = operator.get("clients.kick", params).await;
    assert_eq!(
        (&report["kicked"], &report["clients"][0]["username"]),
        (&json!(1), &json!("bob"))
    );
    assert_eq!(office.stage.closed(), []);
    let params = json!({"filter": {"username": "bob"}, "reason": "be nice"});
    operator.get("clients.kick", params).await;
    assert_eq!(
        office.stage.closed(),
        [(bob.id, Some("be nice".to_owned()))]
    );
    operator
        .get("clients.kick", json!({"filter": {"id": alice.id.0}}))
        .await;
    assert_eq!(office.stage.closed(), [(alice.id, None)]);
    assert_eq!(
        operator
            .code("clients.kick", json!({"filter": {"username": "eve"}}))
            .await,
        -32002
    );
    assert_eq!(
        operator.code("clients.kick", json!({"filter": {}})).await,
        -32602
    );
    assert_eq!(operator.code("clients.kick", json!({})).await, -32602);
    let both = json!({"filter": {"addr": "10.0.0.0/8"}});
    assert_eq!(operator.code("clients.kick", both).await, -32005);
    assert_eq!(office.stage.closed(), []);
    let both = json!({"filter": {"addr": "10.0.0.0/8"}, "many": true});
    assert_eq!(operator.get("clients.kick", both).await["kicked"], 2);
    assert_eq!(office.stage.closed().len(), 2);
}

#[tokio::test]
async fn closed_sessions_are_remembered_newest_first() {
    let office = Office::new().await;
    let hub = office.stage.control.hub();
    for (nick, reason) in [
        ("alice", crate::close::CloseReason::Kicked),
        ("bob", crate::close::CloseReason::PeerClosed),
    ] {
        let card = office.stage.join(nick, "10.0.0.1:1");
        hub.end(&card, reason.into(), Some("why\nnot".into()));
        hub.remove(&card);
    }
    let mut operator = office.at_the_socket().await;
    let closed = operator.get("clients.closed", json!({})).await["closed"].take();
    assert_eq!(
        (&closed[0]["username"], &closed[0]["reason"]),
        (&json!("bob"), &json!("peer_closed"))
    );
    assert_eq!(closed[0]["text"], "why\\nnot");
    let kicked = operator
        .get("clients.closed", json!({"reason": "kicked"}))
        .await;
    assert_eq!(kicked["closed"].as_array().unwrap().len(), 1);
    let one = operator.get("clients.closed", json!({"limit": 1})).await;
    assert_eq!(one["closed"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_other_verbs() {
    let office = Office::new().await;
    office.stage.join("alice", "10.0.0.1:1");
    let mut operator = office.at_the_socket().await;
    let status = operator.get("status", json!({})).await;
    assert_eq!(
        (&status["clients"], &status["phase"]),
        (&json!(1), &json!("starting"))
    );
    let rooms = operator.get("rooms.list", json!({})).await;
    assert_eq!(
        (&rooms["total"], &rooms["rooms"][0]["room"]),
        (&json!(1), &json!("lobby"))
    );
    assert_eq!(operator.get("version", json!({})).await["name"], "chatd");
    let keys = operator.get("config.show", json!({})).await;
    let keys = keys["keys"].as_array().unwrap();
    assert!(
        keys.iter()
            .any(|row| row["key"] == "limits.message" && row["value"] == "4000B"),
        "{keys:?}"
    );
    assert_eq!(
        operator.get("config.reload", json!({})).await["applied"],
        json!([])
    );
    std::fs::write(office.stage.file(), "[limits]\nmessage = 3\n").unwrap();
    let answer = operator.ask("config.reload", json!({})).await;
    assert_eq!(answer["error"]["code"], -32004);
    let place = format!("{}:2:11", office.stage.file().display());
    assert_eq!(
        answer["error"]["data"]["faults"][0]["place"], place,
        "{answer}"
    );
    office.stage.notes();
    assert_eq!(
        operator
            .get("broadcast", json!({"text": "tea is ready"}))
            .await["clients"],
        1
    );
    assert!(
        matches!(&office.stage.notes()[..], [Note::Notice { text, room: None }] if &**text == "tea is ready")
    );
    let params = json!({"text": "quiet, please", "room": "Lobby"});
    assert_eq!(operator.get("broadcast", params).await["clients"], 1);
    let notes = office.stage.notes();
    assert!(
        matches!(&notes[..], [Note::Notice { room: Some(room), .. }] if room.as_str() == "lobby")
    );
    let params = json!({"text": "x", "room": "nowhere"});
    assert_eq!(operator.code("broadcast", params).await, -32002);
    assert_eq!(
        operator.code("broadcast", json!({"text": " "})).await,
        -32602
    );
}

#[tokio::test]
async fn a_drain_begins_once_and_a_shutdown_ends_it() {
    let office = Office::new().await;
    let mut stopping = office.stage.control.stopping();
    let mut operator = office.at_the_socket().await;
    let drain = operator.get("drain", json!({"deadline_seconds": 60})).await;
    assert_eq!(drain["phase"], "draining");
    assert!(
        (59.0..=60.0).contains(&drain["deadline_seconds"].as_f64().unwrap()),
        "{drain}"
    );
    let first = stopping.borrow_and_update().unwrap();
    assert_eq!(office.stage.control.phase(), Phase::Draining);
    assert_eq!(operator.code("drain", json!({})).await, -32003);
    assert!(!stopping.has_changed().unwrap());
    operator.get("shutdown", json!({})).await;
    assert!(stopping.borrow_and_update().unwrap().deadline < first.deadline);
    assert_eq!(
        operator
            .code("drain", json!({"deadline_seconds": -1}))
            .await,
        -32602
    );
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_the_next_one_heard() {
    let office = Office::new().await;
    let mut operator = office.at_the_socket().await;
    for (line, code) in [
        ("hello", -32700),
        ("{\"jsonrpc\":\"2.0\",", -32700),
        ("[]", -32600),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"status\"}", -32600),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status\"}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"status\"}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"clients.dance\"}",
            -32601,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"more\":\"\\ud800\"}",
            -32700,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"more\":1e999}",
            -32700,
        ),
        ("[\"2.0\",1,\"version\",{}]", -32600),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":-0,\"method\":\"version\"}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":123456789012345678901,\"method\":\"version\"}",
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":[]}",
            -32602,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{\"a\":1}}",
            -32602,
        ),
    ] {
        operator.say(line).await;
        assert_eq!(operator.hear().await["error"]["code"], code, "{line}");
    }
    let broken = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\",\"more\":\"\xff\"}\n";
    operator.stream.write_all(broken).await.unwrap();
    assert_eq!(operator.hear().await["error"]["code"], -32700);
    operator
        .say("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"version\",\"more\":1}\r")
        .await;
    assert_eq!(operator.hear().await["id"], "x");
    operator
        .say(&"x".repeat(crate::rpc::LONGEST_REQUEST + 1))
        .await;
    assert_eq!(operator.hear().await["error"]["code"], -32600);
    assert_eq!(operator.hear().await, Value::Null);
}

#[tokio::test]
async fn at_the_port_the_token_comes_first() {
    let office = Office::new().await;
    let mut operator = office.at_the_port().await;
    let access = operator.get("auth", json!({"token": office.token})).await;
    assert_eq!(access, json!({"access": "write"}));
    assert_eq!(operator.get("version", json!({})).await["name"], "chatd");
    assert_eq!(operator.get("auth", json!({})).await["access"], "write");

    let mut stranger = office.at_the_port().await;
    assert_eq!(
        stranger
            .code("auth", json!({"token": "0".repeat(64)}))
            .await,
        -32001
    );
    assert_eq!(stranger.hear().await, Value::Null);
    let mut hasty = office.at_the_port().await;
    assert_eq!(hasty.code("status", json!({})).await, -32001);
    assert_eq!(hasty.hear().await, Value::Null);
}

#[tokio::test]
async fn at_the_port_other_protocols_and_long_first_lines_are_closed_unheard() {
    let office = Office::new().await;
    for first in ["GET / HTTP/1.1", " {}", ""] {
        let mut intruder = office.at_the_port().await;
        intruder.say(first).await;
        assert_eq!(intruder.hear().await, Value::Null, "{first:?}");
    }
    let mut intruder = office.at_the_port().await;
    intruder
        .say(&format!("{{\"x\":\"{}\"}}", "x".repeat(1100)))
        .await;
    assert_eq!(intruder.hear().await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn at_the_port_who_says_nothing_is_closed_and_guesses_are_few() {
    let office = Office::new().await;
    let mut silent = office.at_the_port().await;
    let began = tokio::time::Instant::now();
    assert_eq!(silent.hear().await, Value::Null);
    assert_eq!(began.elapsed().as_secs(), 2);

    for _ in 0..5 {
        let mut guesser = office.at_the_port().await;
        let answer = guesser.ask("auth", json!({"token": "guess"})).await;
        assert_eq!(answer["error"]["message"], "this is not the token");
    }
    let mut guesser = office.at_the_port().await;
    let answer = guesser.ask("auth", json!({"token": office.token})).await;
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("too many tries"),
        "{answer}"
    );
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let mut operator = office.at_the_port().await;
    operator.get("auth", json!({"token": office.token})).await;
}

#[tokio::test]
async fn a_ninth_connection_at_the_port_is_closed_and_counted() {
    let office = Office::new().await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(office.at_the_port().await);
    }
    let mut ninth = office.at_the_port().await;
    assert_eq!(ninth.hear().await, Value::Null);
    let refused = &office.stage.control.tally().admin_refused;
    assert_eq!(refused.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn calls_are_counted_by_access_and_result() {
    let office = Office::new().await;
    let mut operator = office.at_the_socket().await;
    operator.get("status", json!({})).await;
    operator.code("clients.kick", json!({})).await;
    let requests = office.stage.control.tally().requests();
    let count = |access, result| {
        requests
            .iter()
            .find(|(a, r, _)| (a.as_str(), r.as_str()) == (access, result))
            .unwrap()
            .2
    };
    assert_eq!((count("read", "ok"), count("write", "error")), (1, 1));
}

#[tokio::test]
async fn both_doors_close_when_told() {
    let office = Office::new().await;
    let mut operator = office.at_the_socket().await;
    operator.get("version", json!({})).await;
    office.stop.cancel();
    office.tasks.wait().await;
    assert!(!office.socket.exists());
    assert_eq!(operator.hear().await, Value::Null);
    assert!(TcpStream::connect(office.address).await.is_err());
}

#[test]
fn a_reader_may_not_write() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stage = Stage::new();
        let alice = stage.join("alice", "10.0.0.1:1");
        let reader = caller::Caller::reader();
        let (mine, theirs) = tokio::io::duplex(1 << 16);
        let (from, to) = tokio::io::split(theirs);
        let play = async {
            let mut operator = Operator::new(mine);
            assert_eq!(operator.get("auth", json!({})).await["access"], "read");
            operator.get("clients.list", json!({})).await;
            for method in [
                "clients.kick",
                "broadcast",
                "config.reload",
                "drain",
                "shutdown",
            ] {
                assert_eq!(operator.code(method, json!({})).await, -32001, "{method}");
            }
        };
        let (mut from, mut to) = (BufReader::new(from), to);
        let talk = talk::talk(&mut from, &mut to, &stage.control, &reader);
        let (served, ()) = tokio::join!(talk, play);
        served.unwrap();
        assert_eq!(stage.control.phase(), Phase::Starting);
        assert!(stage.control.hub().card(SessionId(alice.id.0)).is_some());
        assert_eq!(stage.closed(), []);
    });
}
