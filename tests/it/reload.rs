//! A reload is a transaction: every key is applied, unchanged or waits for a restart; or nothing is.
//! Nobody is disconnected by any of it, and nothing is lost.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use toml::Table;

use crate::harness::{Config, Daemon, Peer, until, within};

/// For each kind of value another one that is right, and one that is wrong.
fn other(key: &str, default: &str) -> (Value, Value) {
    let number = default.parse::<u64>();
    let right = match key {
        "server.listen" => json!(["127.0.0.1:0", "[::1]:0"]),
        "admin.listen" | "metrics.listen" => json!(""),
        "admin.socket" | "admin.token_file" | "history.path" => json!("/tmp/elsewhere"),
        "server.name" => json!("other"),
        "server.default_room" => json!("hall"),
        "server.workers" => json!(3),
        "server.allow_plaintext" => json!(true),
        "admin.write_users" => json!(["nobody"]),
        "metrics.hosts" => json!(["metrics.example"]),
        "log.level" => json!("info,chatd::lane=warn"),
        "log.format" => json!("json"),
        "log.addresses" => json!("short"),
        "limits.on_lag" => json!("disconnect"),
        // Within the rules about other keys.
        "limits.line" => json!("32KiB"),
        "limits.message" => json!("3000B"),
        "limits.topic" => json!("300B"),
        "limits.outbox" => json!("512KiB"),
        "limits.recent_bytes" => json!("2MiB"),
        "limits.lag_bytes" => json!("64KiB"),
        "limits.socket_buffer" => json!("64KiB"),
        "history.durability" => json!("none"),
        "history.max_messages" | "history.max_rooms" => json!(77),
        "history.max_bytes" => json!("9GiB"),
        "history.rooms" => json!({"lobby": {"max_messages": 5}}),
        _ if number.is_ok() => json!(number.unwrap() + 1),
        _ if default.contains('/') => json!("7/7s"),
        _ if default.ends_with("iB") || default.ends_with('B') => json!("9MiB"),
        _ if default == "unlimited" => json!("77s"),
        _ => json!("77s"),
    };
    (right, json!(0))
}

fn file(keys: &BTreeMap<String, Value>) -> String {
    let mut sections: BTreeMap<&str, Table> = BTreeMap::new();
    for (key, value) in keys {
        let (section, leaf) = key.split_once('.').unwrap();
        let value = toml::Value::try_from(value).unwrap();
        sections
            .entry(section)
            .or_default()
            .insert(leaf.to_owned(), value);
    }
    toml::to_string(&sections).unwrap()
}

impl Daemon {
    /// The keys of the play's own file.
    fn own_keys(&self) -> BTreeMap<String, Value> {
        let text = fs::read_to_string(self.config_file()).unwrap();
        let table: Table = toml::from_str(&text).unwrap();
        let mut keys = BTreeMap::new();
        for (section, values) in table {
            for (leaf, value) in values.as_table().unwrap() {
                let value = serde_json::to_value(value).unwrap();
                keys.insert(format!("{section}.{leaf}"), value);
            }
        }
        keys
    }

    async fn reads(&self, keys: &BTreeMap<String, Value>, method: &str) -> Value {
        fs::write(self.config_file(), file(keys)).unwrap();
        self.try_ask(method, json!({})).await
    }
}

fn names(report: &Value, list: &str) -> Vec<String> {
    let rows = report[list].as_array().unwrap();
    let name = |row: &Value| row["key"].as_str().unwrap().to_owned();
    rows.iter().map(name).collect()
}

#[tokio::test]
async fn every_key_is_applied_or_waits_and_a_wrong_one_changes_nothing() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let own = chat.own_keys();
    let keys = chat.ask("config.show", json!({})).await["keys"]
        .as_array()
        .unwrap()
        .clone();
    assert!(keys.len() > 45, "{}", keys.len());
    let (mut hot, mut restart) = (0, 0);
    for row in &keys {
        let key = row["key"].as_str().unwrap();
        let value = row["value"].as_str().unwrap();
        let (right, wrong) = other(key, row["default"].as_str().unwrap());
        let mut with = own.clone();

        with.insert(key.to_owned(), wrong);
        let refused = chat.reads(&with, "config.reload").await;
        assert_eq!(refused["error"]["code"], -32004, "{key}: {refused}");
        let fault = &refused["error"]["data"]["faults"][0];
        assert_eq!(fault["key"], key, "{refused}");
        assert!(
            fault["place"].as_str().unwrap().contains("chatd.toml:"),
            "{refused}"
        );

        with.insert(key.to_owned(), right.clone());
        let plan = chat.reads(&with, "config.plan").await["result"].clone();
        let done = chat.reads(&with, "config.reload").await["result"].clone();
        for list in ["applied", "needs_restart"] {
            assert_eq!(
                names(&plan, list),
                names(&done, list),
                "{key} was planned otherwise"
            );
        }
        let (list, count) = if row["hot"] == true {
            ("applied", &mut hot)
        } else {
            ("needs_restart", &mut restart)
        };
        assert_eq!(names(&done, list), [key], "{key} = {right}: {done}");
        assert_eq!(
            done["unchanged_keys"].as_array().unwrap().len(),
            keys.len() - 1,
            "{done}"
        );
        *count += 1;
        if row["hot"] == false {
            fs::write(chat.config_file(), file(&with)).unwrap();
            let strict = chat.try_ask("config.reload", json!({"strict": true})).await;
            let told = strict["error"]["message"].as_str().unwrap_or_default();
            assert!(
                told.contains(key),
                "a strict reload leaves nothing waiting: {strict}"
            );
        }

        let back = chat.reads(&own, "config.reload").await;
        assert!(back["result"].is_object(), "{key}: {back}");
        let now = chat.ask("config.show", json!({})).await["keys"].clone();
        let now = now
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["key"] == key)
            .unwrap()
            .clone();
        assert_eq!(now["value"], value, "{key} is as it was");
    }
    assert!(hot > 35 && restart >= 5, "{hot} {restart}");
    alice.publish("den", "never disconnected").await;
}

#[tokio::test]
async fn doors_move_and_nobody_is_disconnected() {
    let chat = Daemon::start(Config::roomy()).await;
    let mut alice = chat.full_in("den", "alice").await;
    let (old_chat, old_metrics) = (chat.chat(), chat.metrics_address());
    let mut keys = chat.own_keys();

    // One more address; the other stays.
    keys.insert(
        "server.listen".to_owned(),
        json!(["127.0.0.1:0", "[::1]:0"]),
    );
    let done = chat.reads(&keys, "config.reload").await;
    assert_eq!(
        names(&done["result"], "applied"),
        ["server.listen"],
        "{done}"
    );
    let doors = |status: Value, door: &str| -> Vec<std::net::SocketAddr> {
        let doors = status["doors"].as_array().unwrap().clone();
        let of = |row: &&Value| row["door"] == door;
        doors
            .iter()
            .filter(of)
            .map(|row| row["address"].as_str().unwrap().parse().unwrap())
            .collect()
    };
    let both = doors(chat.ask("status", json!({})).await, "chat");
    assert_eq!((both.len(), both[0]), (2, old_chat), "{both:?}");
    let mut bob = Peer::connect(both[1]).await;
    bob.hello("bob").await;
    bob.join("den").await;
    alice.publish("den", "we meet").await;
    bob.hears_message("den", "alice", "we meet").await;

    // The same port on every address of the machine, while the narrower door is still open.
    keys.insert("server.allow_plaintext".to_owned(), json!(true));
    let wide = format!("0.0.0.0:{}", old_chat.port());
    keys.insert("server.listen".to_owned(), json!([wide]));
    keys.insert("metrics.listen".to_owned(), json!("[::1]:0"));
    let done = chat.reads(&keys, "config.reload").await;
    assert!(done["result"].is_object(), "{done}");
    let mut carol = Peer::connect(old_chat).await;
    carol.hello("carol").await;
    for old in [both[1], old_metrics] {
        // Who waits in front of it is let in first.
        until("the old door is closed", async || {
            let knock = tokio::net::TcpStream::connect(old).await;
            knock.is_err().then_some(())
        })
        .await;
    }
    alice.publish("den", "still here").await;
    bob.hears_message("den", "alice", "still here").await;

    // What cannot be had changes nothing.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    keys.insert("server.listen".to_owned(), json!([wide, address]));
    keys.insert("limits.message".to_owned(), json!("100B"));
    for method in ["config.plan", "config.reload"] {
        let refused = chat.reads(&keys, method).await;
        let told = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains(&address), "{method}: {refused}");
    }
    let status = chat.ask("status", json!({})).await;
    assert_eq!(doors(status, "chat").len(), 1);
    let limits = chat.ask("config.show", json!({})).await;
    assert!(!limits.to_string().contains("100B"), "{limits}");
    alice.publish("den", "and still here").await;
}

#[tokio::test]
async fn two_hundred_reloads_under_load_drop_nobody_and_lose_nothing() {
    const RELOADS: usize = 200;
    let _alone = crate::harness::alone().await;
    let chat = Daemon::start(Config::roomy()).await;
    let mut author = chat.full_in("den", "author").await;
    let mut readers = JoinSet::new();
    for n in 0..20 {
        let mut reader = chat.full_in("den", &format!("reader{n}")).await;
        readers.spawn(async move {
            let mut last = 0;
            while let Some(line) = reader.line_or_end().await {
                let object: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(object["type"], "message", "{object}");
                assert_eq!(object["seq"], last + 1, "a number is missing: {object}");
                last += 1;
                if object["message"] == "the end" {
                    return (last, reader);
                }
            }
            panic!("dropped after {last}");
        });
    }
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let (count, mut counted) = tokio::sync::watch::channel(0_u64);
    let mut talking = JoinSet::new();
    talking.spawn(async move {
        let mut said = 0_u64;
        while !*stopped.borrow_and_update() {
            author.publish("den", "and on it goes").await;
            said += 1;
            count.send_replace(said);
        }
        author.publish("den", "the end").await;
        said + 1
    });

    let own = chat.own_keys();
    for n in 0..RELOADS {
        // Between any two reloads something is said.
        within("the talk goes on", counted.changed()).await.unwrap();
        let mut keys = own.clone();
        let is_good = n % 2 == 0;
        let exhausted = n == RELOADS / 2 || n == RELOADS / 2 + 1;
        if n == RELOADS / 2 {
            chat.has_no_descriptor_left().await;
        }
        if is_good {
            keys.insert("limits.message".to_owned(), json!(format!("{}B", 2000 + n)));
            keys.insert(
                "server.listen".to_owned(),
                match n % 4 {
                    0 => json!(["127.0.0.1:0"]),
                    _ => json!(["127.0.0.1:0", "[::1]:0"]),
                },
            );
        } else {
            keys.insert("limits.message".to_owned(), json!("8MiB"));
        }
        let done = chat.reads(&keys, "config.reload").await;
        if exhausted {
            // With nothing left to open a file with, it may be refused; but it is answered.
            assert!(
                done["result"].is_object() || done["error"].is_object(),
                "{done}"
            );
            if n == RELOADS / 2 + 1 {
                chat.may_open_again();
            }
            continue;
        }
        assert_eq!(done["result"].is_object(), is_good, "{n}: {done}");
    }
    stop.send(true).unwrap();
    let said = talking.join_next().await.unwrap().unwrap();
    assert!(said > RELOADS as u64, "only {said} messages went by");
    for (heard, _reader) in readers.join_all().await {
        assert_eq!(heard, said);
    }
    let rejected = chat
        .metrics()
        .await
        .sum("chatd_config_reloads_total", &["rejected"]);
    assert!(rejected >= (RELOADS / 2 - 1) as f64, "{rejected}");
}

impl Daemon {
    /// Leaves the daemon no descriptor but those that it keeps back: its limit is what it has open.
    async fn has_no_descriptor_left(&self) {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid().as_raw_nonzero())).unwrap();
        let limit = Rlimit {
            current: Some(open.count() as u64),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
        until("nobody can come in", async || {
            let knock = tokio::net::TcpStream::connect(self.chat()).await;
            let metrics = self.metrics().await;
            drop(knock);
            (metrics.sum("chatd_accept_errors_total", &["fd_limit"]) > 0.0).then_some(())
        })
        .await;
    }

    fn may_open_again(&self) {
        let all = getrlimit(Resource::Nofile);
        let limit = Rlimit {
            current: all.maximum,
            maximum: all.maximum,
        };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }
}
