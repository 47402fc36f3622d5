//! The two-field dialect, for servers that know no other.
//!
//! No rooms, no numbers, no acks, no way to resume: what is lost is lost, so a lost connection is
//! the end. `/quit` and `/help` are the only commands.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::address::Server;
use super::command::Command;
use super::connection::LineWriter;
use super::exit::{Ending, Exit};
use super::front::{Front, Input};
use super::item::Item;
use super::render::{Audience, Line, Renderer};
use super::wire::Basic;
use crate::escape::visible;

/// How long the server may take to close after we have said everything.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Bytes that wait for the socket; above it no more is read from the user.
const WAITING: usize = 64 * 1024;

/// A conversation in the two-field dialect.
#[derive(Debug)]
pub(super) struct BasicDriver {
    server: Server,
    username: String,
    renderer: Renderer,
    json: bool,
    commands: bool,
    front: Front,
    failures: u64,
    done: u64,
}

impl BasicDriver {
    pub(super) const fn new(
        server: Server,
        username: String,
        renderer: Renderer,
        json: bool,
        commands: bool,
        front: Front,
    ) -> Self {
        Self {
            server,
            username,
            renderer,
            json,
            commands,
            front,
            failures: 0,
            done: 0,
        }
    }

    /// Talks until it is over.
    pub(super) async fn talk(mut self) -> Ending {
        let ending = self.talk_on().await;
        self.front.paper.feed_all().await;
        ending
    }

    async fn talk_on(&mut self) -> Ending {
        let connection = match self.server.connect().await {
            Ok(connection) => connection,
            Err(fault) => {
                let text = format!("cannot connect to {}: {fault}", self.server);
                return Ending::because(Exit::NoConnection, text);
            }
        };
        let (mut reader, mut writer) = connection.into_split();
        let mut leaving = false;
        // When the server should have closed, once we have.
        let mut close_by: Option<Instant> = None;
        loop {
            self.settle_prompt();
            if leaving && writer.waiting() == 0 && close_by.is_none() {
                close_by = Some(Instant::now() + LAST_LINES);
                // If the connection is broken already, reading says so.
                drop(writer.finish().await);
            }
            let deadline = close_by.unwrap_or_else(Instant::now);
            tokio::select! {
                line = reader.next_line(), if self.front.paper.has_room() => match line {
                    Ok(Some(line)) => self.heard(&line),
                    _ if leaving => return self.done(),
                    Ok(None) => return lost("the server closed the connection"),
                    Err(fault) => return lost(&format!("the connection broke: {fault}")),
                },
                written = writer.write_some(), if writer.waiting() > 0 => {
                    if let Err(fault) = written {
                        return lost(&format!("the connection broke: {fault}"));
                    }
                }
                fed = self.front.paper.feed() => if fed.is_err() { return Ending::done() },
                input = self.front.keys.next(), if !leaving && writer.waiting() < WAITING => {
                    leaving = self.input(input, &mut writer);
                }
                () = sleep_until(deadline), if close_by.is_some() => return self.done(),
            }
        }
    }

    fn done(&self) -> Ending {
        match self.failures {
            0 => Ending::done(),
            _ if self.commands => Ending::done(),
            count => Ending::because(Exit::Lost, format!("lines that were not sent: {count}")),
        }
    }

    fn settle_prompt(&self) {
        if let Some(prompt) = &self.front.prompt {
            prompt.settle(self.done, &format!("{}> ", self.username));
        }
    }

    fn heard(&mut self, line: &str) {
        if self.json {
            let line = match self.renderer.audience {
                Audience::Person => visible(line).into_owned(),
                _ => line.to_owned(),
            };
            return self.front.paper.print(Some(Line::Out(line)));
        }
        if let Ok(Basic {
            username,
            message: text,
        }) = serde_json::from_str(line)
        {
            self.show(&Item::Said {
                room: None,
                username,
                text,
            });
        }
    }

    /// Takes an input; true if it was the last.
    fn input(&mut self, input: Input, writer: &mut LineWriter) -> bool {
        self.done += 1;
        match input {
            Input::Line(line) if self.commands => match Command::parse(&line) {
                Ok(Command::Say(text)) => self.say(text, writer),
                Ok(Command::Quit(_)) => return true,
                Ok(Command::Help) => self.show(&Item::Help),
                Ok(_) => self.fail("the two-field dialect has only what is said; /quit leaves"),
                Err(fault) => self.fail(&fault),
            },
            Input::Line(line) => self.say(line, writer),
            Input::Unreadable(fault) => self.fail(&fault),
            Input::End => return true,
        }
        false
    }

    fn say(&mut self, message: String, writer: &mut LineWriter) {
        if message.is_empty() {
            return self.fail("an empty message cannot be sent");
        }
        writer.push(&Basic {
            username: self.username.clone(),
            message,
        });
    }

    fn fail(&mut self, text: &str) {
        self.failures += 1;
        self.show(&Item::Failure {
            said: None,
            text: text.to_owned(),
        });
    }

    fn show(&mut self, item: &Item) {
        if let Some(prompt) = &self.front.prompt {
            prompt.people.meet(item);
        }
        self.front.paper.print(self.renderer.render(item));
    }
}

fn lost(text: &str) -> Ending {
    Ending::because(Exit::Lost, text)
}
