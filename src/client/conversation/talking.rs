//! What the server says after `welcome`.

use std::time::Duration;

use super::rooms::Place;
use super::{Asked, Conversation, Gate, PAGES, Phase, Question};
use crate::client::exit::{Ending, Exit};
use crate::client::item::{Change, Item};
use crate::client::wire::{self, Bye, ErrorEvent, Event, Joined, Presence, Request};

impl Conversation {
    pub(super) fn heard_talk(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.heard_message(message),
            Event::Ack(ack) => drop(ack.cid.and_then(|cid| self.outbox.settle(&cid))),
            Event::Joined(joined) => self.joined(&joined),
            Event::Parted { room, label } => self.parted(&room, label.as_deref()),
            Event::Presence(presence) => self.presence(presence),
            Event::Gap(gap) => self.gap(&gap),
            Event::Names(names) => self.heard_names(names),
            Event::Rooms(rooms) => self.heard_rooms(rooms),
            Event::Topic {
                room,
                topic,
                username,
                label,
            } => {
                drop(self.answered(label.as_deref()));
                self.show(Item::Topic {
                    room,
                    topic,
                    username,
                });
            }
            Event::History(page) => self.heard_history(page),
            Event::Notice { text, room } => self.show(Item::Notice { room, text }),
            Event::Nick { username, label } => {
                drop(self.answered(label.as_deref()));
                self.renamed(username);
            }
            Event::Ping { token } => self.send(Request::Pong { token }, None),
            Event::Error(error) => self.heard_error(error),
            Event::Bye(bye) => return self.bye(bye),
            Event::Welcome(_) | Event::Pong { .. } | Event::Other => {}
        }
        self.pump();
    }

    fn heard_message(&mut self, message: wire::Message) {
        if let Some(label) = &message.label {
            if self.is_past(label) {
                let wire::Message {
                    time,
                    username,
                    message: text,
                    ..
                } = message;
                self.show(Item::Past {
                    time,
                    username,
                    text,
                });
            }
            return;
        }
        let wire::Message {
            room,
            seq,
            username,
            message: text,
            cid,
            ..
        } = message;
        let Some(room) = room else {
            return self.show(Item::Private { username, text });
        };
        if let (Some(seq), Some(entry)) = (seq, self.rooms.find(&room)) {
            match entry.hear(seq) {
                Place::Next => {}
                Place::Old => return,
                Place::After(missing) => {
                    let reason = "unannounced".to_owned();
                    self.show(Item::Gap {
                        room: room.clone(),
                        count: Some(missing),
                        reason,
                    });
                }
            }
        }
        if let Some(cid) = cid {
            let ours = self.outbox.is_echo(&cid);
            if ours && self.gate == Gate::CatchingUp {
                // Heard while catching up: it arrived before the connection was lost.
                self.outbox.settle(&cid);
            }
            if ours {
                return;
            }
        }
        let room = self.tag(&room);
        self.show(Item::Said {
            room,
            username,
            text,
        });
    }

    fn joined(&mut self, joined: &Joined) {
        let asked = self.answered(joined.label.as_deref());
        let (requested, by_command) = match asked {
            Some(Question::Join { room, by_command }) => (room, by_command),
            _ => {
                // A server that does not label what `hello` asked for.
                self.expect_default_room_no_more();
                (None, false)
            }
        };
        if requested.is_none() {
            self.default_room_asked = true;
        }
        let entry = self
            .rooms
            .want(requested.unwrap_or_else(|| joined.room.clone()));
        let known = entry.is_known();
        entry.enter(joined);
        if by_command || self.current.is_none() {
            self.current = Some(joined.room.clone());
        }
        if !known {
            self.show(Item::Joined {
                room: joined.room.clone(),
                topic: joined.topic.clone().filter(|topic| !topic.is_empty()),
                members: joined.members.clone(),
                total: joined.members_total,
            });
        }
    }

    fn expect_default_room_no_more(&mut self) {
        let default = |asked: &Asked| matches!(asked.what, Question::Join { room: None, .. });
        self.asked.retain(|asked| !default(asked));
    }

    fn parted(&mut self, room: &str, label: Option<&str>) {
        drop(self.answered(label));
        self.forget(room);
        self.show(Item::Parted {
            room: room.to_owned(),
        });
    }

    pub(super) fn forget(&mut self, room: &str) {
        self.rooms.remove(room);
        let gone = self
            .current
            .as_deref()
            .is_some_and(|current| current.eq_ignore_ascii_case(room));
        if gone {
            self.current = self.rooms.iter().next().map(|room| room.name.clone());
        }
    }

    fn presence(&mut self, presence: Presence) {
        let Presence {
            room,
            event,
            username,
            new_username,
            reason,
        } = presence;
        let ours = self.me.as_deref() == Some(&username);
        let change = match (&*event, new_username) {
            ("nick", Some(new)) => return self.rename_heard(room, ours, username, new),
            _ if ours => return,
            ("join", _) => Change::Joined(username),
            ("part" | "quit", _) => Change::Left(username, reason),
            _ => return,
        };
        self.show(Item::Presence { room, change });
    }

    /// A rename is heard in every room that both are in, and shown once.
    fn rename_heard(&mut self, room: String, ours: bool, old: String, new: String) {
        let change = Change::Renamed(old, new.clone());
        if self.last_rename.as_ref() == Some(&change) {
            return;
        }
        self.last_rename = Some(change.clone());
        if ours {
            self.renamed(new)
        } else {
            self.show(Item::Presence { room, change })
        }
    }

    fn renamed(&mut self, username: String) {
        if self.me.as_deref() == Some(&username) {
            return;
        }
        if let Some(old) = self.me.take() {
            // The rooms will tell us too, now or later.
            self.last_rename = Some(Change::Renamed(old, username.clone()));
        }
        self.show(Item::Status(format!("you are now {username}")));
        self.settings.username = Some(username.clone());
        self.settings.username_is_guess = false;
        self.me = Some(username);
    }

    fn heard_history(&mut self, page: wire::History) {
        if let Some(Question::History) = self.answered(page.label.as_deref()) {
            self.show(Item::PastEnd {
                room: page.room,
                count: (page.last + 1).saturating_sub(page.first),
                more: page.more,
            });
        }
    }

    fn gap(&mut self, gap: &wire::Gap) {
        if gap.label.is_some() {
            return;
        }
        let Some(entry) = self.rooms.find(&gap.room) else {
            return;
        };
        if let Some(count) = entry.skip(gap) {
            self.show(Item::Gap {
                room: gap.room.clone(),
                count,
                reason: gap.reason.clone(),
            });
        }
    }

    fn heard_names(&mut self, names: wire::Names) {
        if names.reset {
            return;
        }
        let asked = self.answered(names.label.as_deref());
        let Some(Question::Names { page }) = asked else {
            return;
        };
        let after = names.members.last().cloned();
        self.show(Item::Names {
            room: names.room.clone(),
            members: names.members,
        });
        if names.more && after.is_some() && page < PAGES {
            let what = Question::Names { page: page + 1 };
            self.ask(
                Request::Names {
                    room: names.room,
                    after,
                },
                what,
            );
        } else if names.more {
            self.show(Item::Status(format!(
                "{} has more members than fit here",
                names.room
            )));
        }
    }

    fn heard_rooms(&mut self, rooms: wire::Rooms) {
        let asked = self.answered(rooms.label.as_deref());
        let Some(Question::Rooms { page }) = asked else {
            return;
        };
        let after = rooms.rooms.last().map(|entry| entry.room.clone());
        let lines = rooms
            .rooms
            .into_iter()
            .map(|entry| (entry.room, entry.members, entry.topic));
        self.show(Item::Rooms(lines.collect()));
        if rooms.more && after.is_some() && page < PAGES {
            self.ask(Request::Rooms { after }, Question::Rooms { page: page + 1 });
        } else if rooms.more {
            self.show(Item::Status(
                "there are more rooms than fit here".to_owned(),
            ));
        }
    }

    fn heard_error(&mut self, error: ErrorEvent) {
        let text = if error.text.is_empty() {
            error.code.clone()
        } else {
            error.text
        };
        if let Some(cid) = &error.cid {
            if error.code == "draining" {
                self.gate = Gate::Draining;
                return self.outbox.postpone(cid);
            }
            if let Some(pending) = self.outbox.refuse(cid) {
                self.failures += 1;
                return self.show(Item::Failure {
                    said: Some(pending.text),
                    text,
                });
            }
        }
        match self.answered(error.label.as_deref()) {
            Some(Question::Join { room, .. }) => self.not_joined(room, &text),
            _ => self.fail(&text),
        }
    }

    fn not_joined(&mut self, room: Option<String>, text: &str) {
        if let Some(room) = &room {
            self.forget(room);
        } else {
            self.default_room_asked = true;
        }
        let words = room.map_or_else(|| text.to_owned(), |room| format!("{room}: {text}"));
        if self.settings.unattended {
            self.end(Ending::because(Exit::Refused, words));
        } else {
            self.fail(&words);
        }
    }

    pub(super) fn bye(&mut self, bye: Bye) {
        if self.phase == Phase::Leaving {
            return self.end(Ending::done());
        }
        let text = if bye.text.is_empty() {
            bye.code.clone()
        } else {
            bye.text
        };
        if bye.reconnect {
            return self.retry(text, bye.retry_after_ms.map(Duration::from_millis));
        }
        let exit = if bye.code == "banned" {
            Exit::Refused
        } else {
            Exit::Lost
        };
        self.end(Ending::because(exit, text));
    }
}
