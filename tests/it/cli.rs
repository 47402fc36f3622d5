//! The daemon's command line, and two daemons in each other's way.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::{Config, Daemon, program};

/// Runs `chatd` to its end with these arguments.
fn chatd(arguments: &[&str]) -> Output {
    let mut command = Command::new(program("chatd"));
    command
        .args(arguments)
        .env_remove("CHATD_FAULT")
        .env(
            "STATE_DIRECTORY",
            std::env::temp_dir().join("chatd-of-tests"),
        )
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// It refused to start, with this status and these words.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(
        words.iter().all(|word| stderr.contains(word)),
        "{words:?} not in:\n{stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn it_says_its_version_and_its_defaults() {
    let version = chatd(&["--version"]);
    assert!(version.status.success());
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));

    let defaults = chatd(&["--print-default-config"]);
    assert!(defaults.status.success());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/chatd.toml");
    assert_eq!(text(&defaults.stdout), fs::read_to_string(shipped).unwrap());
}

#[test]
fn a_wrong_flag_is_usage() {
    refused(&chatd(&["--frobnicate"]), 2, &["--frobnicate"]);
}

#[test]
fn every_fault_of_a_file_is_told_at_once_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chatd.toml");
    fs::write(
        &file,
        "[limits]\nclients = 0\nmesage = \"1KiB\"\nline = 4096\n",
    )
    .unwrap();
    for check in [true, false] {
        let mut arguments = vec!["--config", file.to_str().unwrap()];
        arguments.extend(check.then_some("--check-config"));
        let places = ["chatd.toml:2:", "chatd.toml:3:", "chatd.toml:4:", "message"];
        refused(&chatd(&arguments), 78, &places);
    }
    refused(
        &chatd(&["--config", "/nonexistent/chatd.toml"]),
        78,
        &["/nonexistent/chatd.toml"],
    );
}

#[test]
fn a_fault_of_a_flag_names_the_flag() {
    refused(
        &chatd(&["--check-config", "--set", "limits.clients=0"]),
        78,
        &["limits.clients"],
    );
    let open = "server.listen=[\"0.0.0.0:0\"]";
    refused(
        &chatd(&["--check-config", "--set", open]),
        78,
        &["allow_plaintext"],
    );
}

#[tokio::test]
async fn an_address_in_use_is_exit_69() {
    let chat = Daemon::start(Config::shipped()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chatd.toml");
    fs::write(&file, Config::shipped().text(dir.path())).unwrap();
    let taken = chat.chat().to_string();
    let set = format!("server.listen=[\"{taken}\"]");
    let output = tokio::task::spawn_blocking(move || {
        chatd(&["--config", file.to_str().unwrap(), "--set", &set])
    });
    refused(&output.await.unwrap(), 69, &[&taken]);
}

#[tokio::test]
async fn a_living_second_daemon_is_refused_and_a_stale_socket_is_taken_over() {
    let first = Daemon::start(Config::shipped()).await;
    let socket = first.admin_socket().to_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chatd.toml");
    let config = Config::shipped().set("admin.socket", socket.as_str());
    fs::write(&file, config.text(dir.path())).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || chatd(&["--config", &path]))
        .await
        .unwrap();
    refused(&output, 69, &["admin.sock"]);
    assert_eq!(
        first.ctl(&["status"]).await.code,
        0,
        "the first is unharmed"
    );

    first.signal(rustix::process::Signal::KILL);
    first.exit().await;
    assert!(
        first.admin_socket().exists(),
        "killed, it left its socket behind"
    );
    let second = Daemon::start(Config::shipped().set("admin.socket", socket.as_str())).await;
    assert_eq!(
        first.ctl(&["status"]).await.code,
        0,
        "now the second answers there"
    );
    drop(second);
}
