//! What a full client makes of each line that it hears.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::asides::PAGE_LABEL;
use super::client::{Lines, Read};
use super::full::State;
use super::home::Home;
use super::mind::Mind;
use super::recorder::Recorder;
use crate::checker::{Event, PageLine, Position, id_of};

/// Any line of the server, as far as the judge cares.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    epoch: Option<Cow<'a, str>>,
    seq: Option<u64>,
    first: Option<u64>,
    from: Option<u64>,
    to: Option<To>,
    more: Option<bool>,
    #[serde(borrow)]
    label: Option<Cow<'a, str>>,
    count: Option<u64>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    username: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<Cow<'a, str>>,
}

/// The last number of a gap, or whom a message is for.
#[derive(Deserialize)]
#[serde(untagged)]
enum To {
    Number(u64),
    Nick(IgnoredAny),
}

impl Line<'_> {
    /// The numbers of a gap.
    fn bounds(&self) -> Option<(u64, u64)> {
        match (self.from, &self.to) {
            (Some(from), Some(To::Number(to))) => Some((from, *to)),
            _ => None,
        }
    }

    fn is_private(&self) -> bool {
        matches!(self.to, Some(To::Nick(_)))
    }
}

/// How the lines begin that a silent listener hears.
const SILENT: &str = r#"{"username":"#;

/// Reads for as long as the connection lasts.
pub(super) async fn listen(
    mut lines: Lines,
    record: Recorder,
    mind: Mind<State>,
    username: String,
    home: Home,
) {
    let mut scratch = Vec::new();
    loop {
        let event = match lines.next(&mut scratch).await {
            Read::End => Event::Closed,
            Read::Garbled(line) => Event::Garbled { line },
            Read::Cut(line) => Event::Cut { line },
            Read::Line(line) => match serde_json::from_str::<Line<'_>>(line) {
                // What a silent listener hears before its `welcome` is not meant for a full client.
                _ if line.starts_with(SILENT) && !mind.with(|state| state.welcomed) => continue,
                Err(_) => Event::Garbled {
                    line: line.to_owned(),
                },
                Ok(object) => match mind.learn(|state| state.hear(object, &username)) {
                    Some(event) => event,
                    None => continue,
                },
            },
        };
        let is_end = event == Event::Closed;
        if matches!(event, Event::Ack { .. }) {
            home.acknowledged();
        }
        record.note(event);
        if is_end {
            return mind.learn(|state| state.closed = true);
        }
    }
}

impl State {
    /// Takes in one line; the event to write down, if it is one.
    fn hear(&mut self, line: Line<'_>, username: &str) -> Option<Event> {
        if line.label.as_deref() == Some(PAGE_LABEL) {
            return self.turn_page(line);
        }
        let room = || line.room.as_deref().unwrap_or_default().to_owned();
        let epoch = || line.epoch.as_deref().unwrap_or_default().to_owned();
        let seq = line.seq.unwrap_or(0);
        Some(match line.kind.as_ref() {
            "welcome" => {
                self.resume = line.resume.map(Cow::into_owned);
                self.welcomed = true;
                return None;
            }
            "joined" => {
                let head = Position {
                    epoch: epoch(),
                    seq,
                };
                *self.joined.entry(room()).or_default() += 1;
                let since = self
                    .asked
                    .get_mut(&room())
                    .and_then(VecDeque::pop_front)
                    .flatten();
                let first = line.first.unwrap_or(0);
                let position = match since {
                    None => head.clone(),
                    Some(since) if since.epoch == head.epoch && since.seq <= head.seq => since,
                    // Another numbering is read from its first message on.
                    Some(_) => Position {
                        seq: first.saturating_sub(1),
                        ..head.clone()
                    },
                };
                self.rooms.insert(room(), position);
                Event::Joined {
                    room: room(),
                    head,
                    first: line.first.unwrap_or(0),
                }
            }
            "parted" => {
                self.rooms.remove(&room());
                Event::Parted { room: room() }
            }
            "message" if line.is_private() => Event::Whispered {
                username: line.username.unwrap_or_default().into_owned(),
                text: line.message.unwrap_or_default().into_owned(),
            },
            "message" => {
                if let Some(position) = self.rooms.get_mut(&room()) {
                    position.seq = seq;
                }
                if line.username.as_deref() == Some(username) {
                    self.own = line.cid.as_deref().unwrap_or_default().to_owned();
                }
                Event::Heard {
                    room: room(),
                    seq: line.seq,
                    id: line.cid.map(Cow::into_owned),
                    username: line.username.unwrap_or_default().into_owned(),
                    text: line.message.unwrap_or_default().into_owned(),
                }
            }
            "gap" => {
                if let Some(position) = self.rooms.get_mut(&room()) {
                    position.epoch = epoch();
                    position.seq = line.bounds().map_or(position.seq, |(_, to)| to);
                }
                let bounds = line.bounds();
                Event::Gap {
                    room: room(),
                    epoch: epoch(),
                    bounds,
                    count: line.count,
                }
            }
            "ack" => {
                let id = line.cid.as_deref().unwrap_or_default().to_owned();
                if line.is_private() {
                    return Some(Event::Delivered { id });
                }
                self.unacked.retain(|(_, text)| id_of(text) != id);
                Event::Ack {
                    id,
                    room: room(),
                    at: Position {
                        epoch: epoch(),
                        seq,
                    },
                }
            }
            "error" => {
                let id = line.cid.as_deref().unwrap_or_default().to_owned();
                self.unacked.retain(|(_, text)| id_of(text) != id);
                Event::Refused {
                    id,
                    code: line.code.unwrap_or_default().into_owned(),
                }
            }
            "bye" => {
                let code = line.code.unwrap_or_default().into_owned();
                self.bye = Some(code.clone());
                Event::Bye { code }
            }
            _ => return None,
        })
    }

    /// Takes in one line of a page of history; the whole page, once it is there.
    fn turn_page(&mut self, line: Line<'_>) -> Option<Event> {
        match line.kind.as_ref() {
            "message" => self.page.lines.push(PageLine {
                seq: line.seq.unwrap_or(0),
                username: line.username.unwrap_or_default().into_owned(),
                text: line.message.unwrap_or_default().into_owned(),
            }),
            "gap" => self.page.gap = line.bounds(),
            "history" => {
                let more = line.more.unwrap_or(false);
                self.page.ended = Some(Some(more));
                return Some(Event::Page {
                    room: line.room.unwrap_or_default().into_owned(),
                    epoch: line.epoch.unwrap_or_default().into_owned(),
                    gap: self.page.gap,
                    lines: self.page.lines.clone(),
                    more,
                });
            }
            // Refused: there is no such request, or no such room.
            _ => self.page.ended = Some(None),
        }
        None
    }
}
