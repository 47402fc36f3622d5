//! The servers under test: how each is started, and in what its configuration differs from the
//! one it ships with.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine;
use crate::tongue::Tongue;

/// A program that takes lines and gives them to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// This project.
    Chatd,
    /// The bare epoll program.
    Floor,
    /// Redis pub/sub.
    Redis,
    /// NATS as Debian has it.
    NatsDebian,
    /// NATS by path.
    Nats,
    /// Mosquitto, an MQTT broker.
    Mosquitto,
    /// ngIRCd.
    Ngircd,
}

/// One server in one protocol.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As the report calls it.
    pub name: String,
    /// Which program.
    pub kind: Kind,
    /// How it is talked to.
    pub tongue: Tongue,
    /// The program.
    pub program: PathBuf,
    /// What it says of itself.
    pub version: String,
}

impl Subject {
    /// A subject, if its program is at hand.
    pub fn find(kind: Kind, tongue: Tongue, program: Option<PathBuf>) -> Option<Self> {
        let (name, binary, ask) = match kind {
            Kind::Chatd => ("chatd", "chatd", "--version"),
            Kind::Floor => ("floor", "floor", ""),
            Kind::Redis => ("redis", "redis-server", "--version"),
            Kind::NatsDebian => ("nats-debian", "nats-server", "--version"),
            Kind::Nats => ("nats", "nats-server", "--version"),
            Kind::Mosquitto => ("mosquitto", "mosquitto", "-h"),
            Kind::Ngircd => ("ngircd", "ngircd", "--version"),
        };
        let program = program.or_else(|| on_path(binary))?;
        let version = if kind == Kind::Floor {
            String::new()
        } else {
            version(&program, ask)?
        };
        let name = match tongue {
            Tongue::Basic => "chatd basic".to_owned(),
            Tongue::Text => "chatd text".to_owned(),
            _ => name.to_owned(),
        };
        Some(Self {
            name,
            kind,
            tongue,
            program,
            version,
        })
    }

    /// Starts it on `cpus` and waits until it takes connections.
    ///
    /// # Errors
    /// It does not start, or does not listen within 20 s.
    pub fn start(&self, cpus: &[usize], workers: usize) -> io::Result<Running> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = self.command(folder.path(), port, workers)?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = machine::on_cpus(cpus, || command.spawn())?;
        let running = Running {
            child,
            port,
            folder,
        };
        running.wait()?;
        Ok(running)
    }

    fn command(&self, folder: &Path, port: u16, workers: usize) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        let config = folder.join("config");
        let write = |text: String| std::fs::write(&config, text);
        match self.kind {
            Kind::Floor => {
                command.args(["floor", &port.to_string()]);
            }
            Kind::Chatd => {
                write(chatd_config(folder, port, workers))?;
                command.arg("--config").arg(&config);
            }
            Kind::Redis => {
                write(format!("port {port}\n{REDIS}"))?;
                command.arg(&config);
            }
            Kind::NatsDebian | Kind::Nats => {
                write(format!("listen: \"127.0.0.1:{port}\"\n{NATS}"))?;
                command.arg("-c").arg(&config);
            }
            Kind::Mosquitto => {
                write(format!("listener {port} 127.0.0.1\n{MOSQUITTO}"))?;
                command.arg("-c").arg(&config);
            }
            Kind::Ngircd => {
                write(format!(
                    "[Global]\nPorts = {port}\nListen = 127.0.0.1\n{NGIRCD}"
                ))?;
                command.arg("-n").arg("-f").arg(&config);
            }
        }
        Ok(command)
    }
}

/// In what a configuration differs from the shipped one, for the report.
pub fn differences(kind: Kind) -> String {
    let text = match kind {
        Kind::Floor => return "has none".to_owned(),
        Kind::Chatd => CHATD,
        Kind::Redis => REDIS,
        Kind::NatsDebian | Kind::Nats => NATS,
        Kind::Mosquitto => MOSQUITTO,
        Kind::Ngircd => NGIRCD,
    };
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('['));
    lines.collect::<Vec<_>>().join("; ")
}

fn chatd_config(folder: &Path, port: u16, workers: usize) -> String {
    let folder = folder.display();
    // What is compared by default keeps nothing.
    let durability = std::env::var("CHATD_FANOUT_DURABILITY").unwrap_or("none".to_owned());
    format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\nworkers = {workers}\n\
         [admin]\nlisten = \"\"\nsocket = \"{folder}/admin.sock\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n\
         [history]\ndurability = \"{durability}\"\npath = \"{folder}/history.db\"\n{CHATD}"
    )
}

/// Rates are finite and above the load, so that what keeps them runs.
const CHATD: &str = r#"
[log]
level = "warn"
[limits]
clients = 12000
clients_per_address = 12000
connect_rate = "1000000/s"
rooms = 11000
rooms_per_client = 64
message_rate = "10000000/s"
message_burst = 1000000
request_rate = "1000000/s"
ping_interval = "1h"
write_stall = "10m"
"#;
const REDIS: &str = r#"
bind 127.0.0.1
save ""
appendonly no
maxclients 12000
client-output-buffer-limit pubsub 0 0 0
"#;
const NATS: &str = r#"
max_connections: 20000
max_pending: 1GB
ping_interval: "1h"
write_deadline: "60s"
"#;
const MOSQUITTO: &str = r#"
allow_anonymous true
max_queued_messages 0
max_connections -1
set_tcp_nodelay true
"#;
const NGIRCD: &str = r#"
Name = irc.example.net
Info = bench
ServerGID = nogroup
ServerUID = nobody
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local7
"#;

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard output and error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait(&self) -> io::Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(io::Error::other(format!("does not listen: {}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// An executable of this name that is no script: what a wrapper costs is not the server's.
fn on_path(binary: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(binary))
        .find(|file| std::fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")))
}

fn version(program: &Path, ask: &str) -> Option<String> {
    let output = Command::new(program).arg(ask).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let is_number = |word: &&str| {
        let word = word.trim_start_matches("v=").trim_start_matches('v');
        word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit())
    };
    let found = text
        .split([' ', '\n', '-'])
        .find(is_number)
        .unwrap_or("unknown");
    Some(
        found
            .trim_start_matches("v=")
            .trim_start_matches('v')
            .to_owned(),
    )
}
