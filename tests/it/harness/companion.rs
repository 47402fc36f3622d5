//! Other programs on the stage, spoken to through their standard streams.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::patience::until;
use super::process::is_stopped;

/// A running program. It is killed when the play ends.
pub(crate) struct Companion {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<Vec<String>>>,
    read: usize,
}

impl Companion {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&said);
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .for_each(|line| lines.lock().unwrap().push(line));
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            said,
            read: 0,
        }
    }

    /// Writes one line to it.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Nothing more will be written to it.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// The next line that it prints.
    pub(crate) async fn prints(&mut self) -> String {
        let at = self.read;
        self.read += 1;
        until("it prints a line", async || {
            self.said.lock().unwrap().get(at).cloned()
        })
        .await
    }

    /// Reads on until it prints a line with all of these words.
    pub(crate) async fn prints_words(&mut self, words: &[&str]) -> String {
        loop {
            let line = self.prints().await;
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        until("it ends", async || self.child.try_wait().unwrap()).await
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        is_stopped(Pid::from_child(&self.child))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
