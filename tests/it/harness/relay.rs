//! Somebody between the operator's tool and the daemon, who stops passing answers on: whoever waits
//! for the next one is really in the middle of something.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::patience::within;

/// Passes so many answers on and holds the next.
pub(crate) struct Relay {
    path: PathBuf,
    held: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Stands before the daemon behind this socket.
    pub(crate) fn holding_after(answers: usize, folder: &Path, daemon: PathBuf) -> Self {
        let path = folder.join(format!("relay-{answers}.sock"));
        // One of an earlier scene.
        drop(std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let held = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(pass(listener, daemon, answers, held.clone()));
        Self {
            path,
            held,
            _tasks: tasks,
        }
    }

    /// Where the tool is to connect.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until an answer is held.
    pub(crate) async fn holds(&self) {
        within("an answer is held", self.held.notified()).await;
    }
}

async fn pass(listener: UnixListener, daemon: PathBuf, answers: usize, held: Arc<Notify>) {
    let (tool, _) = listener.accept().await.unwrap();
    let (from_tool, mut to_tool) = tool.into_split();
    let (from_daemon, mut to_daemon) = UnixStream::connect(daemon).await.unwrap().into_split();
    let (mut from_tool, mut from_daemon) = (BufReader::new(from_tool), BufReader::new(from_daemon));
    for passed in 0.. {
        let mut line = Vec::new();
        // Whoever ends ends both.
        if !matches!(from_tool.read_until(b'\n', &mut line).await, Ok(1..)) {
            return;
        }
        to_daemon.write_all(&line).await.unwrap();
        line.clear();
        if !matches!(from_daemon.read_until(b'\n', &mut line).await, Ok(1..)) {
            return;
        }
        if passed == answers {
            held.notify_one();
            // Until one of the two is gone.
            tokio::select! {
                _ = from_tool.fill_buf() => return,
                _ = from_daemon.fill_buf() => return,
            }
        }
        to_tool.write_all(&line).await.unwrap();
    }
}
