//! How a full session begins: its identity, its name, its first room.

use super::Lane;
use super::input::Flow;
use super::reply::About;
use crate::close::CloseReason;
use crate::fault::ErrorCode;
use crate::hub::{Claim, Dialect};
use crate::meter::Kind;
use crate::name::{NameFault, Nick};
use crate::wire::{Fields, Flaw, Hello, Reply, Request, Voice};

impl Lane {
    /// A first line that is a `hello`. It may fail and be tried again.
    pub(super) fn open_full(&mut self, at: usize, mut fields: Fields<'_>) -> Flow {
        let about = About {
            voice: Some(Voice::Full),
            ..About::default()
        };
        let label = match fields.take_label() {
            Ok(label) => label,
            Err(flaw) => {
                self.fault(at, &flaw, about);
                return Flow::Done;
            }
        };
        let about = About {
            label: label.as_deref(),
            ..about
        };
        let hello = match fields.into_request() {
            Ok(Request::Hello(hello)) => hello,
            Ok(_) => return Flow::Done,
            Err(flaw) => {
                self.fault(at, &flaw, about);
                return Flow::Done;
            }
        };
        if let Err(flaw) = self.hello(at, &hello, label.as_deref()) {
            self.fault(at, &flaw, about);
        }
        Flow::Done
    }

    fn hello(&mut self, at: usize, hello: &Hello<'_>, label: Option<&str>) -> Result<(), Flaw> {
        if hello.version != 1 {
            return Err(Flaw::new(ErrorCode::BadField, "`version` must be 1"));
        }
        let nick = self.name_for(at, hello)?;
        let session = self.seats[at].card.id;
        let Ok(identity) = self.hub.identify(session, hello.resume.as_deref()) else {
            self.hub.release(&nick, session);
            return Err(Flaw::new(
                ErrorCode::StoreUnavailable,
                "no identity can be made now",
            ));
        };
        if let Some(old) = identity.replaced.and_then(|old| self.hub.card(old)) {
            old.close(CloseReason::Replaced, None);
        }
        self.end_listening(at);
        self.speak(at, Voice::Full, Dialect::Full);
        let seat = &mut self.seats[at];
        seat.presence = hello.presence;
        seat.identity = Some(identity.id);
        if let Some(client) = &hello.client {
            let client = client.as_ref().into();
            seat.card.edit(|text| text.client = Some(client));
        }
        self.rename(at, &nick);
        self.meter.received.count(Kind::Request as usize);
        let (hub, limits) = (self.hub.clone(), self.limits.clone());
        let welcome = Reply::Welcome {
            session,
            server: &hub.name,
            username: &nick,
            presence: hello.presence,
            resume: &identity.secret,
            limits: &limits,
        };
        self.reply_to(at, &welcome, label);
        if hello.join {
            let room = self.hub.default_room.clone();
            let entered = self.join(at, room.as_str(), None)?;
            self.tell_joined(at, &entered, None);
        }
        Ok(())
    }

    /// Claims the name of a session that says hello. Nothing else is taken before that has worked:
    /// a hello may fail and be tried again.
    ///
    /// The name of the identity passes over from the session that holds it; another name that is
    /// asked for wins; without one, a name that somebody else has meanwhile is no fault.
    fn name_for(&self, at: usize, hello: &Hello<'_>) -> Result<Nick, Flaw> {
        let session = self.seats[at].card.id;
        let wanted = hello.username.as_deref().map(nick).transpose()?;
        let known = hello
            .resume
            .as_deref()
            .and_then(|secret| self.hub.whose(secret));
        let (holder, held) = known.unwrap_or((None, None));
        // Whoever was banned under their name does not come back under another with their secret.
        if held
            .as_ref()
            .is_some_and(|nick| self.hub.is_banned_nick(nick))
        {
            return Err(Flaw::new(ErrorCode::Banned, "this identity is banned"));
        }
        let Some(name) = wanted.clone().or(held) else {
            return self.guest(at);
        };
        if holder.is_some_and(|holder| self.hub.pass_over(&name, holder, session)) {
            return Ok(name);
        }
        match self.hub.claim(&name, None, session, Claim::Alone) {
            Ok(()) => Ok(name),
            Err(_) if wanted.is_none() => self.guest(at),
            Err(code) => Err(not_to_be_had(code, &name)),
        }
    }

    /// A name for a session that has not chosen one.
    pub(super) fn guest(&self, at: usize) -> Result<Nick, Flaw> {
        let session = self.seats[at].card.id;
        let nick = Nick::guest(session.0);
        // Nobody can take a guest's name, and session ids never repeat.
        self.hub
            .claim(&nick, self.seats[at].nick.as_ref(), session, Claim::Alone)
            .map_err(|code| not_to_be_had(code, &nick))?;
        Ok(nick)
    }
}

/// Why a name cannot be had: somebody else has it, or it is banned.
pub(super) fn not_to_be_had(code: ErrorCode, nick: &Nick) -> Flaw {
    let why = match code {
        ErrorCode::Banned => "is banned",
        _ => "is in use",
    };
    Flaw::new(code, format!("the name {nick} {why}"))
}

/// Checks a name.
///
/// # Errors
/// `nick_invalid`, `nick_reserved`.
pub(super) fn nick(text: &str) -> Result<Nick, Flaw> {
    Nick::new(text).map_err(|fault| match fault {
        NameFault::Invalid(why) => Flaw::new(ErrorCode::NickInvalid, why),
        NameFault::Reserved => Flaw::new(ErrorCode::NickReserved, "this name is reserved"),
    })
}
