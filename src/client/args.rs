//! The command line: as typed, then as meant.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use super::address::Server;
use crate::name::Nick;

/// Talk on a chatd server: a line editor on a terminal, a line filter on a pipe.
///
/// On a terminal, /help lists the commands. On a pipe every line of standard input is said in the
/// (first) room and what others say is printed; at end of input the program waits until the
/// server has acknowledged everything.
#[derive(Debug, Parser)]
#[command(
    name = "chat-client",
    version = crate::build::VERSION,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "chat-client [OPTIONS] [SERVER[:PORT]] [USERNAME]\n       \
                      chat-client send [OPTIONS] TEXT",
    after_help = "Exit status: 0 ended by the user, 1 closed by the server or lost for good, \
                  2 usage, 3 cannot connect, 4 refused (nick, room, ban)."
)]
pub struct Typed {
    #[command(subcommand)]
    command: Option<TypedCommand>,
    /// The server: a name or address, with or without a port [default: 127.0.0.1:7687]
    #[arg(value_name = "SERVER[:PORT]", env = "CHATD_SERVER")]
    server: Option<String>,
    /// Your nick [default: your login name if it is free, else one that the server makes up]
    #[arg(value_name = "USERNAME", env = "CHATD_USERNAME")]
    username: Option<String>,
    /// Enter this room instead of the server's default room; may be repeated
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// Speak the two-field dialect, for servers that know no other
    #[arg(long, conflicts_with = "rooms")]
    basic: bool,
    /// Print the server's JSON lines as they are
    #[arg(long)]
    json: bool,
    /// Never colour; so does NO_COLOR in the environment
    #[arg(long)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    /// Say one thing and return when the server has acknowledged it
    Send(TypedSend),
}

#[derive(Debug, Args)]
struct TypedSend {
    /// The server: a name or address, with or without a port [default: 127.0.0.1:7687]
    #[arg(long, value_name = "SERVER[:PORT]", env = "CHATD_SERVER")]
    server: Option<String>,
    /// Your nick [default: your login name if it is free, else one that the server makes up]
    #[arg(long, value_name = "USERNAME", env = "CHATD_USERNAME")]
    username: Option<String>,
    /// Say it in this room instead of the server's default room
    #[arg(long, value_name = "ROOM", conflicts_with = "to")]
    room: Option<String>,
    /// Say it to this person alone
    #[arg(long, value_name = "NICK")]
    to: Option<String>,
    /// What to say
    text: String,
}

/// The command line of `chat-client`, for its manual and its completions.
pub fn typed() -> clap::Command {
    <Typed as clap::CommandFactory>::command()
}

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where.
    pub server: Server,
    /// As whom; nobody in particular if there is none.
    pub username: Option<String>,
    /// Nobody asked for this nick by name.
    pub username_is_guess: bool,
    /// What to do there.
    pub task: Task,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Talk.
    Talk {
        /// Rooms to enter; none means the default room.
        rooms: Vec<String>,
        /// In the two-field dialect.
        basic: bool,
        /// Print the server's own lines.
        json: bool,
        /// `--no-color`.
        no_color: bool,
    },
    /// Say one thing.
    Send {
        /// The room; none means the default room.
        room: Option<String>,
        /// The recipient of a private message.
        to: Option<String>,
        /// What.
        text: String,
    },
}

impl Wish {
    /// Reads the command line. `login` is the user's login name, the nick where none is given.
    ///
    /// # Errors
    /// What `clap` has to say; `--help` and `--version` are errors in this sense too.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        login: Option<String>,
    ) -> Result<Self, clap::Error> {
        let typed = Typed::try_parse_from(arguments)?;
        let (server, username, task) = match typed.command {
            Some(TypedCommand::Send(TypedSend {
                server,
                username,
                room,
                to,
                text,
            })) => (server, username, Task::Send { room, to, text }),
            None if typed.server.as_deref() == Some("send") => {
                return Err(fault("the options of send come after the word send"));
            }
            None => {
                let Typed {
                    rooms,
                    basic,
                    json,
                    no_color,
                    ..
                } = typed;
                (
                    typed.server,
                    typed.username,
                    Task::Talk {
                        rooms,
                        basic,
                        json,
                        no_color,
                    },
                )
            }
        };
        let given = username.filter(|name| !name.is_empty());
        let username_is_guess = given.is_none();
        let username = given.or_else(|| login.and_then(|login| nick_like(&login)));
        if username.is_none() && matches!(task, Task::Talk { basic: true, .. }) {
            return Err(fault(
                "--basic needs a USERNAME: the two-field dialect has no guests",
            ));
        }
        Ok(Self {
            server: place(server)?,
            username,
            username_is_guess,
            task,
        })
    }
}

fn place(server: Option<String>) -> Result<Server, clap::Error> {
    match server.filter(|server| !server.is_empty()) {
        Some(server) => Server::parse(&server).map_err(|why| fault(&format!("SERVER: {why}"))),
        None => Ok(Server::local()),
    }
}

fn fault(text: &str) -> clap::Error {
    use clap::CommandFactory;
    Typed::command().error(clap::error::ErrorKind::ValueValidation, text)
}

/// A login name made a nick, if that is possible.
fn nick_like(login: &str) -> Option<String> {
    let letters: String = login
        .chars()
        .filter(|&c| c.is_alphanumeric() || "-_.".contains(c))
        .collect();
    let nick: String = letters.chars().take(32).collect();
    Nick::new(&nick).ok().map(|_| nick)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, login: Option<&str>) -> Result<Wish, clap::Error> {
        let words = std::iter::once("chat-client").chain(line.split_whitespace());
        Wish::read(words.map(OsString::from), login.map(str::to_owned))
    }

    #[test]
    fn without_arguments_it_talks_here_under_the_login_name() {
        let wish = read("", Some("alice")).unwrap();
        assert_eq!(wish.server, Server::local());
        assert_eq!(
            (wish.username.as_deref(), wish.username_is_guess),
            (Some("alice"), true)
        );
        let task = Task::Talk {
            rooms: vec![],
            basic: false,
            json: false,
            no_color: false,
        };
        assert_eq!(wish.task, task);
    }

    #[test]
    fn a_login_name_is_made_a_nick_or_left() {
        for (login, nick) in [
            ("alice@corp", Some("alicecorp")),
            ("al.ice-2_x", Some("al.ice-2_x")),
            ("1000", None),
            ("admin", None),
            ("", None),
        ] {
            assert_eq!(
                read("", Some(login)).unwrap().username.as_deref(),
                nick,
                "{login}"
            );
        }
        assert_eq!(read("", None).unwrap().username, None);
    }

    #[test]
    fn takes_server_name_and_rooms() {
        let wish = read(
            "chat.example:99 bob --room dev --room ops --json",
            Some("x"),
        )
        .unwrap();
        assert_eq!(wish.server.to_string(), "chat.example:99");
        assert_eq!(
            (wish.username.as_deref(), wish.username_is_guess),
            (Some("bob"), false)
        );
        let Task::Talk {
            rooms, json: true, ..
        } = wish.task
        else {
            panic!("{:?}", wish.task)
        };
        assert_eq!(rooms, ["dev", "ops"]);
    }

    #[test]
    fn send_is_a_word_and_not_a_server() {
        let wish = read("send --server ::1 --username ci --room ops deployed", None).unwrap();
        assert_eq!(wish.server.to_string(), "[::1]:7687");
        let task = Task::Send {
            room: Some("ops".into()),
            to: None,
            text: "deployed".into(),
        };
        assert_eq!(wish.task, task);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for line in [
            "send",
            "send --room a --to b hi",
            "send hi there",
            "host:0",
            "--nonsense",
            "host nick more",
            "--basic --room dev host nick",
            "--room dev send hi",
        ] {
            let fault = read(line, Some("alice")).unwrap_err();
            assert_eq!(fault.exit_code(), 2, "{line}");
        }
        assert!(
            read("--basic", None)
                .unwrap_err()
                .to_string()
                .contains("needs a USERNAME")
        );
        assert_eq!(read("--help", None).unwrap_err().exit_code(), 0);
    }
}
