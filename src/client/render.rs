//! How things look, to a person and to a script.
//!
//! Every string of an [`Item`] passes [`visible`] here: nothing that another has written reaches a
//! terminal raw, and no line breaks in two.

use super::item::{Change, Item};
use super::palette::Palette;
use crate::escape::visible;

/// Longest part of an own message that a failure quotes, in characters.
const QUOTE: usize = 40;

const HELP: &str = "\
/join ROOM        enter a room, or go to one that you are in
/part [ROOM]      leave a room
/msg NICK TEXT    say something to one person; \"a nick\" with a space in quotes
/nick NAME        take another name
/names [ROOM]     who is here
/topic [TEXT]     what the room is about
/history [N]      the last N messages, their times in UTC
/rooms            which rooms there are
/quit [REASON]    leave; so do Ctrl-C and Ctrl-D
//text            say /text";

/// For whom things are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Somebody reads along: everything, in one stream.
    Person,
    /// A pipe: what was said on standard output, what went wrong on standard error.
    Filter,
    /// A pipe that reads the server's own lines: only what went wrong, on standard error.
    Machine,
    /// `send`: only what went wrong, and gaps do not matter.
    Nobody,
}

/// One or more whole lines, without the last line end, safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// For standard output.
    Out(String),
    /// For standard error.
    Err(String),
}

/// Turns items into lines.
#[derive(Clone, Copy, Debug)]
pub struct Renderer {
    /// For whom.
    pub audience: Audience,
    /// In which colours.
    pub palette: Palette,
}

impl Renderer {
    /// The item as this audience sees it, if it sees it.
    pub fn render(&self, item: &Item) -> Option<Line> {
        match self.audience {
            Audience::Person => Some(Line::Out(self.for_person(item))),
            Audience::Filter => for_filter(item),
            Audience::Machine => for_filter(item).filter(|line| matches!(line, Line::Err(_))),
            Audience::Nobody if matches!(item, Item::Failure { .. }) => for_filter(item),
            Audience::Nobody => None,
        }
    }

    /// A sentence of this program's own about the connection, which scripts read on standard error.
    pub fn status(&self, text: &str) -> Option<Line> {
        match self.audience {
            Audience::Person => self.render(&Item::Status(text.to_owned())),
            _ => Some(complaint(text)),
        }
    }

    fn for_person(&self, item: &Item) -> String {
        let palette = self.palette;
        match item {
            Item::Said {
                room,
                username,
                text,
            } => {
                format!(
                    "{}<{}> {}",
                    tag(room.as_deref()),
                    self.nick(username),
                    visible(text)
                )
            }
            Item::Private { username, text } => {
                format!(
                    "{} <{}> {}",
                    palette.private("(private)"),
                    self.nick(username),
                    visible(text)
                )
            }
            Item::Past {
                time,
                username,
                text,
            } => {
                let time = minute(time);
                let (time, nick) = (palette.quiet(&visible(&time)), self.nick(username));
                format!("{time} <{nick}> {}", visible(text))
            }
            Item::Failure { .. } => palette.wrong(&format!("! {}", sentence(item))),
            Item::Names { room, members } => {
                let members: Vec<_> = members.iter().map(|nick| self.nick(nick)).collect();
                format!(
                    "{} {}",
                    palette.quiet(&format!("* in {}:", visible(room))),
                    members.join(", ")
                )
            }
            Item::Rooms(rooms) => rooms.iter().map(room_line).collect::<Vec<_>>().join("\n"),
            Item::Help => HELP.to_owned(),
            _ => palette.quiet(&format!("* {}", sentence(item))),
        }
    }

    fn nick(&self, nick: &str) -> String {
        self.palette.nick(&visible(nick))
    }
}

fn for_filter(item: &Item) -> Option<Line> {
    match item {
        Item::Said {
            room,
            username,
            text,
        } => {
            let tag = tag(room.as_deref());
            Some(Line::Out(format!(
                "{tag}<{}> {}",
                visible(username),
                visible(text)
            )))
        }
        Item::Private { username, text } => Some(Line::Out(format!(
            "(private) <{}> {}",
            visible(username),
            visible(text)
        ))),
        Item::Gap { .. } | Item::Failure { .. } | Item::Notice { .. } => {
            Some(complaint(&sentence(item)))
        }
        _ => None,
    }
}

fn complaint(text: &str) -> Line {
    Line::Err(format!("chat-client: {}", visible(text)))
}

/// The item in words; safe to show, though [`visible`] may be applied again.
fn sentence(item: &Item) -> String {
    match item {
        Item::Presence { room, change } => presence(room, change),
        Item::Joined {
            room,
            topic,
            members,
            total,
        } => {
            let topic = topic.as_ref().map(|topic| format!(": {}", visible(topic)));
            let topic = topic.unwrap_or_default();
            format!(
                "you are in {}{topic} ({})",
                visible(room),
                who(members.as_deref(), *total)
            )
        }
        Item::Parted { room } => format!("you left {}", visible(room)),
        Item::Gap {
            room,
            count,
            reason,
        } => gap(room, *count, reason),
        Item::PastEnd { room, count, more } => past_end(room, *count, *more),
        Item::Topic { room, topic, .. } if topic.is_empty() => {
            format!("{} has no topic", visible(room))
        }
        Item::Topic {
            room,
            topic,
            username,
        } => {
            let by = username
                .as_ref()
                .map(|nick| format!(" (set by {})", visible(nick)));
            let by = by.unwrap_or_default();
            format!("{} is about: {}{by}", visible(room), visible(topic))
        }
        Item::Notice { room, text } => format!("{}notice: {}", tag(room.as_deref()), visible(text)),
        Item::Failure {
            said: Some(said),
            text,
        } => {
            format!("not sent: \"{}\": {}", visible(&quote(said)), visible(text))
        }
        Item::Failure { said: None, text } | Item::Status(text) => visible(text).into_owned(),
        Item::Said { .. }
        | Item::Past { .. }
        | Item::Private { .. }
        | Item::Names { .. }
        | Item::Rooms(_)
        | Item::Help => String::new(),
    }
}

fn presence(room: &str, change: &Change) -> String {
    match change {
        Change::Joined(nick) => format!("{} joined {}", visible(nick), visible(room)),
        Change::Left(nick, reason) => {
            let reason = reason
                .as_ref()
                .map(|reason| format!(" ({})", visible(reason)));
            format!(
                "{} left {}{}",
                visible(nick),
                visible(room),
                reason.unwrap_or_default()
            )
        }
        Change::Renamed(old, new) => format!("{} is now {}", visible(old), visible(new)),
    }
}

fn gap(room: &str, count: Option<u64>, reason: &str) -> String {
    let room = visible(room);
    let skipped = match count {
        Some(1) => format!("1 message was skipped in {room}"),
        Some(count) => format!("{count} messages were skipped in {room}"),
        None => format!("messages may be missing in {room}"),
    };
    let why = match reason {
        "slow_consumer" => "this client did not read fast enough",
        "history_expired" => "the server keeps no older ones",
        "epoch_changed" => "the server has lost its log and numbers anew",
        _ => "the server did not say why",
    };
    format!("{skipped}: {why}")
}

fn past_end(room: &str, count: u64, more: bool) -> String {
    let room = visible(room);
    let older = if more { "; there are older ones" } else { "" };
    match count {
        0 => format!("there is no history of {room}"),
        1 => format!("that was 1 message of {room}{older}"),
        _ => format!("those were {count} messages of {room}{older}"),
    }
}

/// Day and minute of a time as the server writes it; anything else as it is.
fn minute(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..16)) {
        (Some(day), Some("T"), Some(clock)) => format!("{day} {clock}"),
        _ => time.to_owned(),
    }
}

fn who(members: Option<&[String]>, total: u64) -> String {
    match members {
        Some(members) if !members.is_empty() => members
            .iter()
            .map(|nick| visible(nick))
            .collect::<Vec<_>>()
            .join(", "),
        _ if total == 1 => "1 member".to_owned(),
        _ => format!("{total} members"),
    }
}

fn room_line((room, members, topic): &(String, u64, Option<String>)) -> String {
    let topic = topic
        .as_ref()
        .map(|topic| format!("  {}", visible(topic)))
        .unwrap_or_default();
    format!("{members:>6}  {}{topic}", visible(room))
}

fn tag(room: Option<&str>) -> String {
    room.map_or_else(String::new, |room| format!("[{}] ", visible(room)))
}

fn quote(text: &str) -> String {
    let mut quote: String = text.chars().take(QUOTE).collect();
    if quote.len() < text.len() {
        quote.push('…');
    }
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b]52;c;aGk=\x07\u{9b}2J\u{202e}b\r\n\u{2028}c";

    fn person() -> Renderer {
        Renderer {
            audience: Audience::Person,
            palette: Palette { colours: false },
        }
    }

    /// One item of each kind, every string in it hostile.
    fn hostile_items() -> Vec<Item> {
        let h = || HOSTILE.to_owned();
        vec![
            Item::Said {
                room: Some(h()),
                username: h(),
                text: h(),
            },
            Item::Private {
                username: h(),
                text: h(),
            },
            Item::Presence {
                room: h(),
                change: Change::Joined(h()),
            },
            Item::Presence {
                room: h(),
                change: Change::Left(h(), Some(h())),
            },
            Item::Presence {
                room: h(),
                change: Change::Renamed(h(), h()),
            },
            Item::Joined {
                room: h(),
                topic: Some(h()),
                members: Some(vec![h()]),
                total: 1,
            },
            Item::Parted { room: h() },
            Item::Gap {
                room: h(),
                count: Some(2),
                reason: h(),
            },
            Item::Names {
                room: h(),
                members: vec![h()],
            },
            Item::Rooms(vec![(h(), 1, Some(h()))]),
            Item::Past {
                time: h(),
                username: h(),
                text: h(),
            },
            Item::PastEnd {
                room: h(),
                count: 2,
                more: true,
            },
            Item::Topic {
                room: h(),
                topic: h(),
                username: Some(h()),
            },
            Item::Notice {
                room: Some(h()),
                text: h(),
            },
            Item::Failure {
                said: Some(h()),
                text: h(),
            },
            Item::Status(h()),
        ]
    }

    #[test]
    fn nothing_foreign_reaches_anybody_raw() {
        for audience in [
            Audience::Person,
            Audience::Filter,
            Audience::Machine,
            Audience::Nobody,
        ] {
            let renderer = Renderer {
                audience,
                ..person()
            };
            for item in hostile_items() {
                let Some(Line::Out(text) | Line::Err(text)) = renderer.render(&item) else {
                    continue;
                };
                assert_eq!(visible(&text), text, "{item:?}");
            }
        }
    }

    #[test]
    fn every_item_says_something_to_a_person() {
        for item in hostile_items() {
            let Some(Line::Out(text)) = person().render(&item) else {
                panic!("{item:?}")
            };
            assert!(text.len() > 4 && !text.ends_with("* "), "{item:?}: {text}");
        }
    }

    #[test]
    fn looks_as_the_protocol_shows_it() {
        let said = |room: Option<&str>| Item::Said {
            room: room.map(str::to_owned),
            username: "alice".into(),
            text: "hi".into(),
        };
        let gap = |count| Item::Gap {
            room: "lobby".into(),
            count,
            reason: "slow_consumer".into(),
        };
        for (item, text) in [
            (said(None), "<alice> hi"),
            (said(Some("dev")), "[dev] <alice> hi"),
            (
                Item::Private {
                    username: "bob".into(),
                    text: "hi".into(),
                },
                "(private) <bob> hi",
            ),
            (
                Item::Presence {
                    room: "lobby".into(),
                    change: Change::Joined("bob".into()),
                },
                "* bob joined lobby",
            ),
            (
                Item::Past {
                    time: "2026-01-02T03:04:05.678Z".into(),
                    username: "bob".into(),
                    text: "hi".into(),
                },
                "2026-01-02 03:04 <bob> hi",
            ),
            (
                gap(Some(37)),
                "* 37 messages were skipped in lobby: this client did not read fast enough",
            ),
            (
                gap(Some(1)),
                "* 1 message was skipped in lobby: this client did not read fast enough",
            ),
            (
                Item::Failure {
                    said: None,
                    text: "no".into(),
                },
                "! no",
            ),
            (
                Item::Failure {
                    said: Some("x".repeat(50)),
                    text: "too long".into(),
                },
                &format!("! not sent: \"{}…\": too long", "x".repeat(40)),
            ),
        ] {
            assert_eq!(person().render(&item), Some(Line::Out(text.to_owned())));
        }
    }

    #[test]
    fn a_filter_has_only_what_was_said_on_its_standard_output() {
        let filter = Renderer {
            audience: Audience::Filter,
            ..person()
        };
        let out: Vec<_> = hostile_items()
            .iter()
            .filter(|item| matches!(filter.render(item), Some(Line::Out(_))))
            .cloned()
            .collect();
        assert_eq!(out.len(), 2);
        assert!(matches!(out[..], [Item::Said { .. }, Item::Private { .. }]));
    }
}
