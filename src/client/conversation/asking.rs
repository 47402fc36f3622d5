//! What the user wants of the server.

use super::outbox::Target;
use super::{ASKED, Asked, Conversation, Question, WAITING};
use crate::client::item::Item;
use crate::client::wire::{Labelled, Request};

impl Conversation {
    pub(super) fn join(&mut self, room: String) {
        if let Some(entry) = self.rooms.find(&room)
            && entry.is_entered()
        {
            self.current = Some(entry.name.clone());
            return;
        }
        self.rooms.want(room.clone());
        if self.is_talking() {
            let what = Question::Join {
                room: Some(room.clone()),
                by_command: true,
            };
            self.ask(Request::Join { room, since: None }, what);
        } else {
            self.show(Item::Status(format!(
                "{room} will be entered when the connection is back"
            )));
        }
    }

    pub(super) fn part(&mut self, room: Option<String>) {
        let Some(room) = room.or_else(|| self.current.clone()) else {
            return self.fail("you are in no room");
        };
        if self.is_talking() {
            self.ask(Request::Part { room: room.clone() }, Question::Part);
        } else {
            self.forget(&room);
            self.show(Item::Parted { room });
        }
    }

    pub(super) fn rename(&mut self, username: String) {
        if self.is_talking() {
            self.ask(Request::Nick { username }, Question::Nick);
        } else {
            self.settings.username_is_guess = false;
            self.settings.username = Some(username);
        }
    }

    pub(super) fn names(&mut self, room: Option<String>) {
        let Some(room) = room.or_else(|| self.current.clone()) else {
            return self.fail("you are in no room; /names ROOM");
        };
        if self.is_online_or_says_so() {
            let request = Request::Names {
                room: room.clone(),
                after: None,
            };
            self.ask(request, Question::Names { page: 1 });
        }
    }

    pub(super) fn topic(&mut self, topic: Option<String>) {
        self.ask_in_current_room(Question::Topic, |room| Request::Topic { room, topic });
    }

    pub(super) fn history(&mut self, limit: u32) {
        self.ask_in_current_room(Question::History, |room| Request::History { room, limit });
    }

    fn ask_in_current_room(&mut self, what: Question, request: impl FnOnce(String) -> Request) {
        let Some(room) = self.current.clone() else {
            return self.fail("you are in no room; /join ROOM");
        };
        if self.is_online_or_says_so() {
            self.ask(request(room), what);
        }
    }

    pub(super) fn list_rooms(&mut self) {
        if self.is_online_or_says_so() {
            self.ask(Request::Rooms { after: None }, Question::Rooms { page: 1 });
        }
    }

    fn is_online_or_says_so(&mut self) -> bool {
        if !self.is_talking() {
            self.fail("there is no connection now");
        }
        self.is_talking()
    }

    pub(super) fn say_to(&mut self, target: Target, text: String) {
        let fault = match self.check(&target, &text) {
            Err(fault) => fault,
            Ok(()) if self.outbox.len() >= WAITING => "too many messages are waiting".to_owned(),
            Ok(()) => {
                self.outbox.push(target, text);
                return self.pump();
            }
        };
        self.show(Item::Failure {
            said: Some(text),
            text: fault,
        });
    }

    pub(super) fn check(&self, target: &Target, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("an empty message cannot be sent".to_owned());
        }
        if text.len() > self.limits.message {
            return Err(format!(
                "the message has {} bytes, the server takes {}",
                text.len(),
                self.limits.message
            ));
        }
        let draft = Labelled {
            request: &self.outbox.draft(target, text),
            label: None,
        };
        let line = serde_json::to_string(&draft).map_or(0, |line| line.len());
        if line > self.limits.line {
            return Err(format!(
                "the line has {line} bytes, the server takes {}",
                self.limits.line
            ));
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, request: Request, what: Question) {
        self.labels += 1;
        let label = self.labels.to_string();
        self.asked.push_back(Asked {
            label: label.clone(),
            what,
        });
        if self.asked.len() > ASKED {
            self.asked.pop_front();
        }
        self.send(request, Some(label));
    }

    /// Whether this is part of a page that was asked for and is not at its end.
    pub(super) fn is_past(&self, label: &str) -> bool {
        let is_it = |asked: &Asked| asked.label == label && matches!(asked.what, Question::History);
        self.asked.iter().any(is_it)
    }

    pub(super) fn answered(&mut self, label: Option<&str>) -> Option<Question> {
        let at = self
            .asked
            .iter()
            .position(|asked| Some(&*asked.label) == label)?;
        // Requests are answered in order: what was asked before and has no answer will get none.
        self.asked.drain(..at);
        self.asked.pop_front().map(|asked| asked.what)
    }
}
