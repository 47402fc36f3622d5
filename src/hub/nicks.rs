//! Who holds which name.

use std::net::IpAddr;
use std::sync::Mutex;

use super::{Hub, lock};
use crate::event::SessionId;
use crate::fault::ErrorCode;
use crate::name::{Names, Nick};

/// How a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// For this session alone.
    Alone,
    /// Shared with other basic sessions of the same address, as two windows of one person.
    Shared(IpAddr),
}

/// Who has a name. Nearly all are alone, and take two words.
#[derive(Debug)]
enum Holder {
    Alone(SessionId),
    Shared(Box<Windows>),
}

/// Basic sessions of one address.
///
/// Invariant: there is at least one.
#[derive(Debug)]
struct Windows {
    sessions: Vec<SessionId>,
    address: IpAddr,
}

impl Holder {
    fn new(session: SessionId, claim: Claim) -> Self {
        match claim {
            Claim::Alone => Self::Alone(session),
            Claim::Shared(address) => Self::Shared(Box::new(Windows {
                sessions: vec![session],
                address,
            })),
        }
    }

    fn sessions(&self) -> &[SessionId] {
        match self {
            Self::Alone(session) => std::slice::from_ref(session),
            Self::Shared(windows) => &windows.sessions,
        }
    }

    /// Lets another window in. False if this is none of theirs.
    fn share(&mut self, session: SessionId, claim: Claim) -> bool {
        match (self, claim) {
            (Self::Shared(windows), Claim::Shared(address)) if windows.address == address => {
                windows.sessions.push(session);
                true
            }
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Nicks(Mutex<Names<Holder>>);

impl Hub {
    /// Takes a name for a session, and gives up the one that it had. Another spelling of its own
    /// name is no conflict.
    ///
    /// # Errors
    /// `nick_in_use`, `banned`; then it keeps the one that it had.
    pub fn claim(
        &self,
        nick: &Nick,
        previous: Option<&Nick>,
        session: SessionId,
        claim: Claim,
    ) -> Result<(), ErrorCode> {
        if self.bans.refuse_nick(nick, (self.clock)()) {
            return Err(ErrorCode::Banned);
        }
        let mut names = lock(&self.nicks.0);
        let Err(wanted) = names.insert(nick.as_str(), Holder::new(session, claim)) else {
            if let Some(previous) = previous {
                Nicks::release_in(&mut names, previous, session);
            }
            return Ok(());
        };
        let holder = names.find_mut(nick.as_str());
        let holder = holder.ok_or(ErrorCode::NickInUse)?;
        if holder.sessions() == [session] {
            // Its own, perhaps in another spelling.
            Nicks::release_in(&mut names, previous.unwrap_or(nick), session);
            // It was the only one that was the same.
            let _ = names.insert(nick.as_str(), wanted);
            return Ok(());
        }
        if holder.sessions().contains(&session) {
            return Ok(());
        }
        if !holder.share(session, claim) {
            return Err(ErrorCode::NickInUse);
        }
        if let Some(previous) = previous {
            Nicks::release_in(&mut names, previous, session);
        }
        Ok(())
    }

    /// Gives a name up. Nothing happens if it has passed to somebody else.
    pub fn release(&self, nick: &Nick, session: SessionId) {
        self.nicks.release(nick, session);
    }

    /// Passes a name from one session to another, which is the same identity. True if the first had it.
    pub fn pass_over(&self, nick: &Nick, from: SessionId, to: SessionId) -> bool {
        let mut names = lock(&self.nicks.0);
        match names.find_mut(nick.as_str()) {
            Some(holder) if holder.sessions() == [from] => {
                *holder = Holder::Alone(to);
                true
            }
            _ => false,
        }
    }
}

impl Nicks {
    pub(super) fn release(&self, nick: &Nick, session: SessionId) {
        Self::release_in(&mut lock(&self.0), nick, session);
    }

    fn release_in(names: &mut Names<Holder>, nick: &Nick, session: SessionId) {
        let Some(holder) = names.find_mut(nick.as_str()) else {
            return;
        };
        if holder.sessions() == [session] {
            names.remove_same(nick.as_str());
        } else if let Holder::Shared(windows) = holder {
            windows.sessions.retain(|window| *window != session);
        }
    }

    pub(super) fn holders(&self, nick: &str) -> Vec<SessionId> {
        lock(&self.0)
            .find(nick)
            .map(|holder| holder.sessions().to_vec())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::hub;

    fn nick(text: &str) -> Nick {
        Nick::new(text).unwrap()
    }

    #[test]
    fn a_name_has_one_holder_and_is_free_when_given_up() {
        let (hub, alice, bob) = (hub(), SessionId(1), SessionId(2));
        assert!(hub.claim(&nick("alice"), None, alice, Claim::Alone).is_ok());
        assert_eq!(
            hub.claim(&nick("Alice"), None, bob, Claim::Alone),
            Err(ErrorCode::NickInUse)
        );
        assert!(
            hub.claim(&nick("ALICE"), Some(&nick("alice")), alice, Claim::Alone)
                .is_ok()
        );
        assert!(
            hub.claim(&nick("carol"), Some(&nick("ALICE")), alice, Claim::Alone)
                .is_ok()
        );
        assert!(hub.claim(&nick("alice"), None, bob, Claim::Alone).is_ok());
        hub.release(&nick("alice"), alice);
        assert_eq!(
            hub.nicks.holders("alice"),
            [bob],
            "only its holder gives a name up"
        );
    }

    #[test]
    fn windows_of_one_person_share_a_name() {
        let (hub, here) = (hub(), Claim::Shared("10.0.0.1".parse().unwrap()));
        let there = Claim::Shared("10.0.0.2".parse().unwrap());
        assert!(hub.claim(&nick("alice"), None, SessionId(1), here).is_ok());
        assert!(hub.claim(&nick("alice"), None, SessionId(2), here).is_ok());
        assert!(
            hub.claim(&nick("alice"), None, SessionId(3), there)
                .is_err()
        );
        assert!(
            hub.claim(&nick("alice"), None, SessionId(4), Claim::Alone)
                .is_err()
        );
        hub.release(&nick("alice"), SessionId(1));
        assert_eq!(hub.nicks.holders("alice"), [SessionId(2)]);
    }
}
