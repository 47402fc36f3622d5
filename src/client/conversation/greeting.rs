//! From `hello` to `welcome`.

use std::time::Duration;

use super::{Asked, Conversation, HELLO, Phase, Question};
use crate::client::exit::{Ending, Exit};
use crate::client::item::Item;
use crate::client::wire::{self, ErrorEvent, Event, Hello, Request};

impl Conversation {
    pub(super) fn greet(&mut self) {
        let hello = Hello {
            version: wire::VERSION,
            username: self.settings.username.clone(),
            caps: Some(self.settings.caps.clone()),
            join: Some(!self.default_room_asked),
            resume: self.resume.clone(),
            client: Some(concat!("chat-client/", env!("CARGO_PKG_VERSION")).to_owned()),
        };
        self.send(Request::Hello(hello), Some(HELLO.to_owned()));
    }

    pub(super) fn heard_greeting(&mut self, event: Event) {
        match event {
            Event::Welcome(welcome) => self.welcome(welcome),
            Event::Error(error) => self.refused(error),
            Event::Bye(bye) => self.bye(bye),
            // Anything else was for the silent listener that we were until now.
            _ => {}
        }
    }

    fn welcome(&mut self, welcome: wire::Welcome) {
        let again = std::mem::replace(&mut self.welcomed, true);
        self.phase = Phase::Talking;
        self.resume = welcome.resume.or(self.resume.take());
        self.limits = welcome.limits;
        let words = if again {
            "connected again"
        } else {
            "connected"
        };
        self.show(Item::Status(format!("{words} as {}", welcome.username)));
        self.me = Some(welcome.username);
        if !self.default_room_asked {
            let what = Question::Join {
                room: None,
                by_command: false,
            };
            self.asked.push_back(Asked {
                label: HELLO.to_owned(),
                what,
            });
        }
        let wanted: Vec<_> = self
            .rooms
            .iter()
            .map(|room| (room.name.clone(), room.since()))
            .collect();
        for (room, since) in wanted {
            let what = Question::Join {
                room: Some(room.clone()),
                by_command: false,
            };
            self.ask(Request::Join { room, since }, what);
        }
        self.pump();
    }

    /// `hello` was refused; it may be said again on the same connection.
    fn refused(&mut self, error: ErrorEvent) {
        if error.code == "rate_limited" || error.code == "draining" {
            return self.retry(error.text, error.retry_after_ms.map(Duration::from_millis));
        }
        let about_nick = matches!(
            &*error.code,
            "nick_in_use" | "nick_invalid" | "nick_reserved"
        );
        let must_have =
            !self.settings.username_is_guess && (!self.welcomed || self.settings.unattended);
        match self.settings.username.take() {
            Some(nick) if about_nick && !must_have => {
                if !self.settings.username_is_guess {
                    let words = format!("{nick}: {}; /nick NAME takes another", error.text);
                    self.fail(&words);
                }
                self.greet();
            }
            nick => {
                let text =
                    nick.map_or_else(|| error.text.clone(), |n| format!("{n}: {}", error.text));
                self.end(Ending::because(Exit::Refused, text));
            }
        }
    }
}
