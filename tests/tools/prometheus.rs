//! The rules and the dashboard of the package, on a real Prometheus that scrapes a busy daemon.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Daemon, PATIENCE, Program, own, succeeds};

/// How long Prometheus may take to have seen enough.
const ENOUGH: Duration = Duration::from_secs(60);

pub(crate) fn has_no_complaint_about_the_rules() {
    let folder = packaged("prometheus");
    for arguments in [
        ["check", "rules", "chatd.rules.yml"],
        ["test", "rules", "chatd.rules.test.yml"],
    ] {
        let said = succeeds(
            Command::new("promtool")
                .args(arguments)
                .current_dir(&folder),
        );
        assert!(said.contains("SUCCESS"), "{said}");
    }
    // A rule that no test speaks of could be anything.
    let rules = std::fs::read_to_string(folder.join("chatd.rules.yml")).unwrap();
    let tests = std::fs::read_to_string(folder.join("chatd.rules.test.yml")).unwrap();
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in alerts {
        let checks = tests.split("alertname: ").skip(1);
        let fires = checks
            .filter(|check| check.lines().next() == Some(alert))
            .any(|check| check.lines().nth(1).unwrap().trim() == "exp_alerts:");
        assert!(fires, "no test in which {alert} fires");
    }
}

pub(crate) fn answers_every_query_of_the_dashboard() {
    let daemon = Daemon::start();
    let crowd = Crowd::at(&daemon);
    let prometheus = Prometheus::of(&daemon);
    prometheus.eventually("up{job=\"chatd\"} == 1");

    let text = std::fs::read_to_string(packaged("grafana").join("chatd.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut queries = BTreeSet::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.insert(target["expr"].as_str().unwrap());
        }
    }
    assert!(queries.len() > 60, "{} queries", queries.len());
    for query in queries {
        let query = query
            .replace("$__rate_interval", "30s")
            .replace("$job", "chatd")
            .replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        prometheus.eventually(&query);
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let query = annotation["expr"].as_str().unwrap();
        prometheus.query(&query.replace("$job", "chatd").replace("$instance", ".*"));
    }
    prometheus.finds_the_rules_in_order();
    drop(crowd);
}

/// Each alert names what to run first, and that can be run.
pub(crate) fn every_runbook_can_be_followed() {
    let daemon = Daemon::start();
    let rules = std::fs::read_to_string(packaged("prometheus").join("chatd.rules.yml")).unwrap();
    let runbooks: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook: "))
        .map(|line| line.trim_matches('"'))
        .collect();
    assert!(runbooks.len() > 15, "{runbooks:?}");
    for runbook in runbooks {
        let mut own_commands = 0;
        for command in runbook.split("; ") {
            let words: Vec<&str> = command.split(' ').collect();
            match words[0] {
                "chatctl" => drop(daemon.chatctl(&words[1..])),
                "chatd" => drop(succeeds(Command::new(own("chatd")).args(&words[1..]))),
                "systemctl" | "journalctl" | "coredumpctl" => continue,
                other => panic!("{other} in {runbook:?}"),
            }
            own_commands += 1;
        }
        assert!(own_commands > 0, "{runbook:?} names no command of ours");
    }
}

fn packaged(folder: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("packaging").join(folder)
}

/// People who talk, make mistakes, come and go, until this is dropped.
struct Crowd {
    enough: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    _listeners: Vec<Program>,
}

impl Crowd {
    fn at(daemon: &Daemon) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let listeners = ["alice", "bob"].map(|nick| daemon.netcat(nick)).into();
        let threads = (0..2).map(|number| {
            let (enough, chat) = (enough.clone(), daemon.chat);
            thread::spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let mut stream = TcpStream::connect(chat).unwrap();
                    for n in 0..10 {
                        let line = format!(
                            "{{\"username\":\"dave{number}\",\"message\":\"{n}\"}}\nnot json\n"
                        );
                        // Who makes too many mistakes is sent away.
                        let _ = stream.write_all(line.as_bytes());
                        thread::park_timeout(Duration::from_millis(20));
                    }
                }
            })
        });
        Self {
            threads: threads.collect(),
            enough,
            _listeners: listeners,
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

/// A server of its own.
struct Prometheus {
    url: String,
    _program: Program,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn of(daemon: &Daemon) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let rules = packaged("prometheus").join("chatd.rules.yml");
        let text = format!(
            "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 1s}}\n\
             rule_files: [{:?}]\n\
             scrape_configs: [{{job_name: chatd, static_configs: [{{targets: [{:?}]}}]}}]\n",
            rules,
            daemon.metrics.to_string()
        );
        std::fs::write(&config, text).unwrap();
        // Freed the moment before it is wanted: nobody else here asks for ports by number.
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let program = Program::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    folder.path().join("data").display()
                ))
                .arg(format!("--web.listen-address={free}")),
        );
        Self {
            url: format!("http://{free}/api/v1"),
            _program: program,
            _folder: folder,
        }
    }

    /// What it answers, once it listens.
    fn ask(&self, path: &str, parameter: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "10", "--get", "--data-urlencode"]);
            let output = curl
                .arg(parameter)
                .arg(format!("{}/{path}", self.url))
                .output()
                .unwrap();
            if let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) {
                assert_eq!(answer["status"], "success", "{parameter}: {answer}");
                return answer["data"].clone();
            }
            assert!(Instant::now() < deadline, "no answer: {output:?}");
            thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn query(&self, query: &str) -> Vec<Value> {
        let data = self.ask("query", &format!("query={query}"));
        data["result"].as_array().unwrap().clone()
    }

    /// Waits until a query has a result.
    fn eventually(&self, query: &str) {
        let deadline = Instant::now() + ENOUGH;
        while self.query(query).is_empty() {
            assert!(Instant::now() < deadline, "nothing for {query}");
            thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// Every rule could be evaluated, and nothing is wrong with a daemon that is merely busy.
    fn finds_the_rules_in_order(&self) {
        let groups = self.ask("rules", "type=")["groups"].clone();
        let rules: Vec<&Value> = groups
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap())
            .collect();
        assert!(rules.len() > 20, "{} rules", rules.len());
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule:#}");
            assert_ne!(rule["state"], "firing", "{rule:#}");
        }
    }
}
