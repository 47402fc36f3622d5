//! Signals: TERM and INT drain (the second one ends at once), HUP reloads, QUIT ends at once,
//! USR1 logs the status. PIPE is ignored by Rust's runtime.
//!
//! They are read on a thread of their own, which needs no runtime: a second TERM ends the process
//! even when everything else is stuck.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control::Control;

/// Exit status after QUIT: 128 and its number, as a shell would show it.
const EXIT_QUIT: i32 = 128 + SIGQUIT;
/// Words that may wait for the control plane; a storm of signals is one word.
const WAITING: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Drain,
    Reload,
    Status,
}

/// Installed handlers.
#[derive(Debug)]
pub struct Signals {
    words: mpsc::Receiver<Word>,
}

impl Signals {
    /// Installs all handlers. Before any thread and before the configuration is read: without them
    /// HUP and USR1 would end the process.
    ///
    /// # Errors
    /// The handlers or their thread cannot be had.
    pub fn install() -> io::Result<Self> {
        let mut signals = iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1])?;
        let (sender, words) = mpsc::channel(WAITING);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut draining = false;
                for signal in signals.forever() {
                    let word = match signal {
                        SIGTERM | SIGINT if draining => exit(0),
                        SIGTERM | SIGINT => {
                            draining = true;
                            Word::Drain
                        }
                        SIGQUIT => exit(EXIT_QUIT),
                        SIGHUP => Word::Reload,
                        _ => Word::Status,
                    };
                    if word == Word::Drain {
                        // Must not be lost; the control plane reads it when it comes round.
                        let _ = sender.blocking_send(word);
                    } else {
                        // Full of words already: one more of them changes nothing.
                        let _ = sender.try_send(word);
                    }
                }
            })?;
        Ok(Self { words })
    }

    /// Carries them out from now on.
    pub fn attach(self, control: Control, stop: &CancellationToken, tasks: &TaskTracker) {
        let Self { mut words } = self;
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(async {
                while let Some(word) = words.recv().await {
                    obey(&control, word).await;
                }
            })
            .await;
        });
    }
}

async fn obey(control: &Control, word: Word) {
    match word {
        Word::Drain => drop(control.drain(None)),
        // It logs its own result, the same that `chatctl reload` prints.
        Word::Reload => drop(control.reload(false).await),
        Word::Status => control.log_status(),
    }
}

fn exit(status: i32) -> ! {
    tracing::warn!(event = "daemon.forced", status, "ending at once");
    #[allow(
        clippy::disallowed_methods,
        reason = "whoever asks twice does not want to wait"
    )]
    std::process::exit(status)
}
