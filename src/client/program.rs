//! The program `chat-client`: a wish in, an exit status out.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::thread::JoinHandle;

use tokio::runtime;

use super::args::{Task, Wish};
use super::backoff::Backoff;
use super::basic::BasicDriver;
use super::conversation::{Conversation, Settings};
use super::driver::{Driver, Run, random};
use super::exit::{Ending, Exit};
use super::front::Front;
use super::palette::Palette;
use super::pipe;
use super::render::{Audience, Renderer};
use super::terminal::{self, Terminal};
use crate::escape::visible;

/// Runs the program to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let login = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok();
    let wish = match Wish::read(arguments, login) {
        Ok(wish) => wish,
        Err(words) => {
            // Where its own words cannot be printed, the status has to do.
            drop(words.print());
            return if words.exit_code() == 0 {
                Exit::Done
            } else {
                Exit::Usage
            };
        }
    };
    let ending = talk(wish).unwrap_or_else(|fault| Ending::because(Exit::Lost, fault.to_string()));
    if let Some(text) = &ending.text {
        // Nobody may be there to read it.
        drop(writeln!(io::stderr(), "chat-client: {}", visible(text)));
    }
    ending.exit
}

/// What is at the other end of the front, to be waited for.
enum Desk {
    Terminal(Terminal),
    Pipe(JoinHandle<()>),
}

impl Desk {
    fn close(self) {
        match self {
            Self::Terminal(terminal) => terminal.close(),
            // It ends when all is printed; a panic of it is on standard error already.
            Self::Pipe(printing) => drop(printing.join()),
        }
    }
}

fn talk(wish: Wish) -> io::Result<Ending> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let on_terminal = terminal::is_there();
    let (front, desk) = match &wish.task {
        Task::Send { text, .. } => at_pipe(pipe::one_line(text.clone())?),
        Task::Talk { no_color, .. } if on_terminal => at_terminal(colours(*no_color))?,
        Task::Talk { .. } => at_pipe(pipe::open()?),
    };
    let ending = runtime.block_on(talk_at(wish, front, on_terminal));
    desk.close();
    Ok(ending)
}

fn at_pipe((front, printing): (Front, JoinHandle<()>)) -> (Front, Desk) {
    (front, Desk::Pipe(printing))
}

fn at_terminal(colours: bool) -> io::Result<(Front, Desk)> {
    let (front, terminal) = terminal::open(colours)?;
    Ok((front, Desk::Terminal(terminal)))
}

fn colours(no_color: bool) -> bool {
    !no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

async fn talk_at(wish: Wish, front: Front, on_terminal: bool) -> Ending {
    // A dumb terminal has no editor, but a person in front of it.
    let person = on_terminal || (io::stdin().is_terminal() && io::stdout().is_terminal());
    let Wish {
        server,
        username,
        username_is_guess,
        task,
    } = wish;
    let settings = |rooms, unattended| Settings {
        username: username.clone(),
        username_is_guess,
        rooms,
        caps: if unattended {
            vec![]
        } else {
            vec!["presence".to_owned()]
        },
        unattended,
        cid_prefix: format!("{:016x}", random()),
    };
    match task {
        Task::Send { room, to, .. } => {
            let conversation = Conversation::new(settings(room.into_iter().collect(), true));
            let renderer = Renderer {
                audience: Audience::Nobody,
                palette: plain(),
            };
            let backoff = Backoff::bounded();
            let run = Run {
                server,
                renderer,
                json: false,
                commands: false,
                to,
                backoff,
            };
            Driver::new(run, conversation, front).talk().await
        }
        Task::Talk {
            rooms,
            basic,
            json,
            no_color,
        } => {
            let audience = match (person, json) {
                (true, _) => Audience::Person,
                (false, false) => Audience::Filter,
                (false, true) => Audience::Machine,
            };
            let palette = Palette {
                colours: on_terminal && colours(no_color),
            };
            let renderer = Renderer { audience, palette };
            if let (true, Some(username)) = (basic, username.clone()) {
                let driver = BasicDriver::new(server, username, renderer, json, person, front);
                return driver.talk().await;
            }
            let conversation = Conversation::new(settings(rooms, !person));
            let backoff = if person {
                Backoff::patient()
            } else {
                Backoff::bounded()
            };
            let run = Run {
                server,
                renderer,
                json,
                commands: person,
                to: None,
                backoff,
            };
            Driver::new(run, conversation, front).talk().await
        }
    }
}

const fn plain() -> Palette {
    Palette { colours: false }
}
