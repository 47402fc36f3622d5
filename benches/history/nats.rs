//! A nats-server with a stream in files, and one client of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; it ends with this.
pub(crate) struct Nats {
    child: Child,
    port: u16,
}

impl Nats {
    /// Starts one that stores in this folder. `sync` is its `sync_interval`, if it is not to be its own.
    pub(crate) fn start(program: &Path, folder: &Path, sync: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let sync = sync.map_or(String::new(), |sync| format!("sync_interval: {sync}"));
        let config = folder.join("nats.conf");
        let store = folder.join("jetstream");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\"\n {sync} }}\n",
            store.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Somebody who hears what their messages became of, with a stream to publish to.
    pub(crate) fn author(&self) -> TcpStream {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "nats-server: {error}"),
            }
        };
        stream.set_nodelay(true).unwrap();
        let create = r#"{"name":"S","subjects":["s"],"storage":"file"}"#;
        write!(
            stream,
            "CONNECT {{\"verbose\":false}}\r\nSUB inbox 1\r\n\
             PUB $JS.API.STREAM.CREATE.S inbox {}\r\n{create}\r\n",
            create.len()
        )
        .unwrap();
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while !heard.ends_with(b"}\r\n") || memchr::memmem::find(&heard, b"MSG inbox").is_none() {
            stream.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        let heard = String::from_utf8_lossy(&heard);
        assert!(
            heard.contains("stream_create_response") && !heard.contains("\"error\""),
            "{heard}"
        );
        stream
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
