//! Log lines: one event, one line, on stderr.
//!
//! - Every event carries a stable name in its field `event` (`client.closed`, `config.reloaded`) and
//!   a sentence; the rest are fields. Names are for machines and do not change, sentences may.
//! - A value never breaks its line and never reaches a terminal raw: see [`crate::escape`].
//! - Logging never waits and never panics. A line goes into a bounded buffer that one thread
//!   writes out; when stderr is stuck, lines are dropped and counted ([`Logs::dropped`]).
//! - The level can be changed at run time ([`Logs::set_level`]): only the filter is replaced.
//! - The same events go to those who listen ([`Logs::feed`]), down to debug whatever the level is,
//!   and only while somebody listens.
//! - The address of a client stands in the field `addr` and nowhere else, as `log.addresses` says; but
//!   an operator's call (target `audit`) is told in the operator's words, and there every address is.
//!
//! Not here: spans (nothing opens any), files, rotation, the journal's own socket. journald,
//! logrotate and containers all read stderr.

mod address;
mod line;
mod outlet;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

pub use address::Addresses;
pub use line::Form;
use outlet::Outlet;

use crate::feed::Feed;

/// How long a panic may wait for its line to be written.
const PANIC_FLUSH: Duration = Duration::from_millis(100);

/// The logs of this process. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    filter: reload::Handle<Targets, Registry>,
    level: Arc<Mutex<String>>,
    addresses: Arc<AtomicU8>,
    outlet: Arc<Outlet>,
    feed: Arc<Feed>,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs")
            .field("level", &self.level())
            .finish_non_exhaustive()
    }
}

/// Why logging could not begin.
#[derive(Debug)]
pub enum StartError {
    /// The level is not one; the sentence says what to write.
    Level(String),
    /// The writing thread or its handle to stderr could not be made.
    Io(io::Error),
    /// Somebody else logs already in this process.
    Taken(SetGlobalDefaultError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(sentence) => f.write_str(sentence),
            Self::Io(error) => write!(f, "cannot begin to log: {error}"),
            Self::Taken(error) => write!(f, "cannot begin to log: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Logs {
    /// Begins to log to stderr for the whole process; panics are logged too.
    ///
    /// # Errors
    /// The level is not one, there is no thread to be had, or this was called before.
    pub fn start(form: Form, level: &str) -> Result<Self, StartError> {
        let (subscriber, logs) = Self::to(stderr().map_err(StartError::Io)?, form, level)?;
        tracing::subscriber::set_global_default(subscriber).map_err(StartError::Taken)?;
        logs.log_panics();
        Ok(logs)
    }

    /// A subscriber that writes to `sink`, and its handle. For tests and for other programs.
    ///
    /// # Errors
    /// The level is not one, or there is no thread to be had.
    pub fn to(
        sink: impl Write + Send + 'static,
        form: Form,
        level: &str,
    ) -> Result<(impl Subscriber + Send + Sync + 'static, Self), StartError> {
        let targets = parse_level(level).map_err(StartError::Level)?;
        let lost = move |lines| line::lost(form, lines);
        let outlet = Arc::new(Outlet::start(sink, lost).map_err(StartError::Io)?);
        let (filter, handle) = reload::Layer::new(targets);
        let (addresses, feed) = (Arc::<AtomicU8>::default(), Arc::<Feed>::default());
        let lines = Lines {
            form,
            addresses: addresses.clone(),
            outlet: outlet.clone(),
        };
        let (listeners, switch) = reload::Layer::new(nothing());
        feed.set_switch(move |on| {
            let wanted = if on { everything() } else { nothing() };
            // An error says that the subscriber is gone, and with it every event.
            let _ = switch.reload(wanted);
        });
        let subscriber = Registry::default()
            .with(lines.with_filter(filter))
            .with(Happenings(feed.clone()).with_filter(listeners));
        let level = Arc::new(Mutex::new(level.to_owned()));
        Ok((
            subscriber,
            Self {
                filter: handle,
                level,
                addresses,
                outlet,
                feed,
            },
        ))
    }

    /// Where the same events go for those who listen.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// How much of a client's address is written from now on.
    pub fn set_addresses(&self, addresses: Addresses) {
        self.addresses.store(addresses as u8, Relaxed);
    }

    /// What is logged now, as it was written.
    pub fn level(&self) -> String {
        self.level
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what is logged, from the next event on.
    ///
    /// # Errors
    /// The sentence that says what is wrong with the level; nothing has changed then.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let targets = parse_level(level)?;
        self.filter
            .reload(targets)
            .map_err(|error| error.to_string())?;
        level.clone_into(&mut self.level.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Lines that could not be written since the start.
    pub fn dropped(&self) -> u64 {
        self.outlet.dropped()
    }

    /// Waits until everything logged so far is written, at most this long. True if it is.
    pub fn flush(&self, patience: Duration) -> bool {
        self.outlet.flush(patience)
    }

    fn log_panics(&self) {
        let logs = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let location = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(
                event = "panic",
                thread = thread.name().unwrap_or_default(),
                location,
                "{message}"
            );
            logs.flush(PANIC_FLUSH);
        }));
    }
}

/// What `log.level` means: `info`, or directives as `info,chatd::lane=debug`.
///
/// Stricter than the parser below it, to which a misspelt level is a target.
///
/// # Errors
/// The sentence that says what to write instead.
pub fn parse_level(level: &str) -> Result<Targets, String> {
    const WORDS: &str = "off, error, warn, info, debug or trace";
    for directive in level.split(',').map(str::trim) {
        let (target, word) = directive
            .split_once('=')
            .map_or((None, directive), |(t, w)| (Some(t), w));
        let is_word =
            !word.is_empty() && word.parse::<LevelFilter>().is_ok() && word.parse::<u8>().is_err();
        if !is_word || target.is_some_and(str::is_empty) {
            return Err(format!(
                "\"{directive}\" is not a log level: write {WORDS}, \
                 or directives with commas between as in \"info,chatd::lane=debug\""
            ));
        }
    }
    let tidy: String = level.split_whitespace().collect();
    Targets::from_str(&tidy).map_err(|error| format!("\"{level}\" is not a log level: {error}"))
}

/// The form that suits where stderr goes: the journal's, a person's, else JSON.
pub fn form_of_stderr() -> Form {
    if stderr().is_ok_and(|stderr| is_journal(&stderr)) {
        Form::Journal
    } else if io::stderr().is_terminal() {
        Form::Text {
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    } else {
        Form::Json
    }
}

/// A handle of our own, so that no line waits for a lock that somebody else's write holds.
fn stderr() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// systemd says in `$JOURNAL_STREAM` which device and inode its stream has.
fn is_journal(stderr: &File) -> bool {
    let (Ok(stream), Ok(metadata)) = (std::env::var("JOURNAL_STREAM"), stderr.metadata()) else {
        return false;
    };
    stream == format!("{}:{}", metadata.dev(), metadata.ino())
}

/// What listeners are told: all that this package says, but no traces. What its libraries have to
/// say is not for operators.
fn everything() -> Targets {
    Targets::new()
        .with_target("chatd", LevelFilter::DEBUG)
        .with_target("audit", LevelFilter::DEBUG)
}

fn nothing() -> Targets {
    Targets::new()
}

/// The layer that turns events into lines.
struct Lines {
    form: Form,
    addresses: Arc<AtomicU8>,
    outlet: Arc<Outlet>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let addresses = Addresses::ALL[usize::from(self.addresses.load(Relaxed))];
        let line = line::of_event(self.form, addresses, event);
        self.outlet.put(line.as_bytes());
    }
}

/// The layer that tells listeners.
struct Happenings(Arc<Feed>);

impl<S: Subscriber> Layer<S> for Happenings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.put(line::happening(event));
    }
}

#[cfg(test)]
mod tests;
