//! The loop that sees everything: socket, typed lines, paper, clock and [`Conversation`].
//!
//! The conversation decides *what*; here is only *when*: a connection attempt and its back-off, the
//! deadlines of greeting and leaving, and whether the server is still alive.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Connection;
use super::address::Server;
use super::backoff::Backoff;
use super::clock::{Clock, Due};
use super::command::Command;
use super::connection::{LineReader, LineWriter};
use super::conversation::{Action, Conversation};
use super::exit::{Ending, Exit};
use super::front::{Front, Input};
use super::item::Item;
use super::render::{Audience, Line, Renderer};
use super::wire::{Event, Labelled, Request};
use crate::escape::visible;

/// From a person's wish to leave to leaving with messages unanswered.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// From `quit` to the server's end of the connection.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Bytes that wait for the socket; above it no more is read from anybody.
const WAITING: usize = 64 * 1024;

/// What is fixed for the whole run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) server: Server,
    pub(super) renderer: Renderer,
    /// Print the server's lines as they are instead of what they mean.
    pub(super) json: bool,
    /// `/join` and the like are commands; otherwise every line is said as it is.
    pub(super) commands: bool,
    /// Every line is for this nick alone.
    pub(super) to: Option<String>,
    pub(super) backoff: Backoff,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Driver {
    run: Run,
    conversation: Conversation,
    front: Front,
    /// Typed lines that were carried out.
    done: u64,
    /// When a person who wants to leave stops waiting for answers.
    leave_by: Option<Instant>,
}

/// What comes after a connection.
enum Next {
    Retry {
        cause: String,
        after: Option<Duration>,
    },
    End(Ending),
}

impl Driver {
    pub(super) fn new(run: Run, conversation: Conversation, front: Front) -> Self {
        Self {
            run,
            conversation,
            front,
            done: 0,
            leave_by: None,
        }
    }

    /// Talks until it is over. Everything is printed when this returns, or handed to the printer.
    pub(super) async fn talk(mut self) -> Ending {
        let ending = self.talk_on().await;
        self.front.paper.feed_all().await;
        self.verdict(ending)
    }

    async fn talk_on(&mut self) -> Ending {
        let mut attempted = match self.attempt(Duration::ZERO).await {
            Ok(Err(fault)) => {
                let text = format!("cannot connect to {}: {fault}", self.run.server);
                return Ending::because(Exit::NoConnection, text);
            }
            Ok(connected) => connected,
            Err(ending) => return ending,
        };
        loop {
            let next = match attempted {
                Ok(connection) => self.serve(connection).await,
                Err(fault) => Next::Retry {
                    cause: format!("cannot connect: {fault}"),
                    after: None,
                },
            };
            let (cause, after) = match next {
                Next::Retry { cause, after } => (cause, after),
                Next::End(ending) => return ending,
            };
            let Some(wait) = self.run.backoff.next_wait(after, random()) else {
                return Ending::because(Exit::Lost, format!("{cause}; giving up"));
            };
            let seconds = wait.as_secs_f64();
            self.print_status(&format!("{cause}; trying again in {seconds:.1} s"));
            attempted = match self.attempt(wait).await {
                Ok(attempted) => attempted,
                Err(ending) => return ending,
            };
        }
    }

    /// A script that could not say everything has failed, and says how much is missing.
    fn verdict(&self, ending: Ending) -> Ending {
        if self.run.commands {
            return ending;
        }
        let refused = self.conversation.failures();
        let open = self.conversation.unanswered() as u64;
        let counts = match self.run.renderer.audience {
            // There was one line, and what became of it has been said.
            Audience::Nobody if refused > 0 => {
                return Ending {
                    exit: Exit::Lost,
                    ..ending
                };
            }
            Audience::Nobody => [(0, ""), (0, "")],
            _ => [(refused, "not sent"), (open, "not acknowledged")],
        };
        let counts = counts.into_iter().filter(|&(count, _)| count > 0);
        let missing = counts.map(|(count, what)| format!("lines {what}: {count}"));
        let sentences: Vec<_> = ending.text.into_iter().chain(missing).collect();
        let exit = match ending.exit {
            Exit::Done if !sentences.is_empty() => Exit::Lost,
            exit => exit,
        };
        Ending {
            exit,
            text: (!sentences.is_empty()).then(|| sentences.join("; ")),
        }
    }

    /// Connects after a while.
    async fn attempt(&mut self, wait: Duration) -> Result<io::Result<Connection>, Ending> {
        let server = self.run.server.clone();
        let trying = async move {
            sleep(wait).await;
            server.connect().await
        };
        self.meanwhile(trying).await
    }

    /// Prints and listens to the user while there is no connection.
    async fn meanwhile<T>(&mut self, trying: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::pin!(trying);
        loop {
            if let Some(Next::End(ending)) = self.act(None) {
                return Err(ending);
            }
            tokio::select! {
                done = &mut trying => return Ok(done),
                fed = self.front.paper.feed() => if fed.is_err() { return Err(Ending::done()) },
                input = self.front.keys.next(), if self.takes_input() => self.input(input),
            }
        }
    }

    /// One connection, from `hello` to its end.
    async fn serve(&mut self, connection: Connection) -> Next {
        let (mut reader, mut writer) = connection.into_split();
        let mut clock = Clock::new(Instant::now());
        let mut writable = true;
        self.conversation.connected();
        loop {
            if let Some(next) = self.act(Some(&mut writer)) {
                // The last lines, `quit` among them, as far as the socket takes them at once.
                if writable {
                    drop(tokio::time::timeout(LAST_LINES, writer.flush()).await);
                }
                return next;
            }
            if self.conversation.is_talking() && clock.has_held() {
                self.run.backoff.reset();
            }
            let wake = clock.next();
            let wake = self.leave_by.map_or(wake, |by| by.min(wake));
            let hears = self.front.paper.has_room() && writer.waiting() < WAITING;
            tokio::select! {
                line = reader.next_line(), if hears => self.line(line, &mut reader, &mut clock),
                written = writer.write_some(), if writable && writer.waiting() > 0 => {
                    // The reason may still be on its way to us: read on until the end.
                    writable = written.is_ok();
                }
                fed = self.front.paper.feed() => {
                    if fed.is_err() {
                        return Next::End(Ending::done());
                    }
                }
                input = self.front.keys.next(), if self.takes_input() => self.input(input),
                () = sleep_until(wake) => self.time(&mut clock),
            }
        }
    }

    /// Does what the conversation wants done.
    fn act(&mut self, mut writer: Option<&mut LineWriter>) -> Option<Next> {
        while let Some(action) = self.conversation.next_action() {
            match action {
                Action::Send { request, label } => {
                    if let Some(writer) = &mut writer {
                        writer.push(&Labelled {
                            request: &request,
                            label: label.as_deref(),
                        });
                    }
                    if matches!(request, Request::Quit { .. }) {
                        self.leave_by = Some(Instant::now() + LAST_LINES);
                    }
                }
                Action::Show(item) => self.show(&item),
                Action::Retry { cause, after } => return Some(Next::Retry { cause, after }),
                Action::End(ending) => return Some(Next::End(ending)),
            }
        }
        if let Some(prompt) = &self.front.prompt
            && self.conversation.is_settled()
        {
            prompt.settle(self.done, &self.conversation.prompt());
        }
        None
    }

    fn show(&mut self, item: &Item) {
        if let Some(prompt) = &self.front.prompt {
            prompt.people.meet(item);
        }
        let own = matches!(item, Item::Failure { .. } | Item::Status(_) | Item::Help);
        if !self.run.json || own || self.run.renderer.audience != Audience::Person {
            self.front.paper.print(self.run.renderer.render(item));
        }
    }

    fn print_status(&mut self, text: &str) {
        self.front.paper.print(self.run.renderer.status(text));
    }

    fn takes_input(&self) -> bool {
        self.run.commands || self.conversation.wants_input()
    }

    fn input(&mut self, input: Input) {
        self.done += 1;
        match input {
            Input::Line(line) if self.run.commands => match Command::parse(&line) {
                Ok(command) => self.conversation.command(command),
                Err(fault) => self.show(&Item::Failure {
                    said: None,
                    text: fault,
                }),
            },
            Input::Line(line) => {
                if let Err(fault) = self.conversation.say(self.run.to.as_deref(), line) {
                    self.complain(fault);
                }
            }
            Input::Unreadable(fault) if self.run.commands => self.complain(fault),
            Input::Unreadable(fault) => {
                self.conversation.unsayable();
                self.complain(fault);
            }
            Input::End if self.run.commands => self.command("/quit"),
            Input::End => self.conversation.finish(None),
        }
    }

    fn command(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        match Command::parse(line) {
            Ok(command) => {
                if matches!(command, Command::Quit(_)) {
                    self.leave_by = Some(Instant::now() + LAST_ANSWERS);
                }
                self.conversation.command(command);
            }
            Err(fault) => self.complain(fault),
        }
    }

    fn complain(&mut self, text: String) {
        self.show(&Item::Failure { said: None, text });
    }

    fn line(
        &mut self,
        line: io::Result<Option<String>>,
        reader: &mut LineReader,
        clock: &mut Clock,
    ) {
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return self.conversation.lost("the server closed the connection"),
            Err(fault) => {
                return self
                    .conversation
                    .lost(&format!("the connection broke: {fault}"));
            }
        };
        clock.heard(Instant::now());
        // What is no event was for the silent listener that we are before `hello` arrives.
        let Ok(event) = Event::parse(&line) else {
            return;
        };
        if self.run.json {
            let line = match self.run.renderer.audience {
                Audience::Person => visible(&line).into_owned(),
                _ => line.clone(),
            };
            self.front.paper.print(Some(Line::Out(line)));
        }
        if let Event::Welcome(welcome) = &event {
            reader.limit(&welcome.limits);
            clock.welcomed(welcome.ping_interval_ms.map(Duration::from_millis));
        }
        self.conversation.heard(event);
    }

    fn time(&mut self, clock: &mut Clock) {
        let now = Instant::now();
        if self.leave_by.is_some_and(|by| by <= now) {
            self.leave_by = None;
            return match self.conversation.is_leaving() {
                true => self
                    .conversation
                    .lost("the server did not close the connection"),
                false => self.conversation.leave(),
            };
        }
        match clock.due(now) {
            Due::Nothing => {}
            Due::Question => self.conversation.ask_for_life(),
            Due::End => self.conversation.lost("the server was silent for too long"),
        }
    }
}

/// A random number, or a poor one where the system has none to give: it only spreads waits.
pub(super) fn random() -> u64 {
    getrandom::u64()
        .unwrap_or_else(|_| u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
