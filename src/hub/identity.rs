//! Who a full session is, across connections.
//!
//! An identity is a 128-bit secret. It lives while a session holds it and rests for
//! `limits.dedup_age` afterwards; at most twice `limits.clients` are remembered, the longest
//! resting ones make place.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use tokio::time::Instant;

use super::{Hub, lock};
use crate::event::SessionId;
use crate::limits::Limits;
use crate::name::Nick;

/// What a session is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number, for retries.
    pub id: u64,
    /// The secret, in 32 hexadecimal digits.
    pub secret: Box<str>,
    /// The session that held it until now.
    pub replaced: Option<SessionId>,
}

#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    next: u64,
    by_secret: HashMap<Box<str>, Entry>,
    by_session: HashMap<SessionId, Box<str>>,
    /// When each resting identity began to rest, oldest first; stale entries are skipped.
    resting: VecDeque<(Instant, Box<str>)>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    holder: Option<SessionId>,
    nick: Option<Nick>,
    rests_since: Option<Instant>,
}

impl Hub {
    /// The session that holds the identity of this secret, and what it is called.
    pub fn whose(&self, secret: &str) -> Option<(Option<SessionId>, Option<Nick>)> {
        let known = lock(&self.identities.0);
        let entry = known.by_secret.get(secret)?;
        Some((entry.holder, entry.nick.clone()))
    }

    /// Gives a session the identity of this secret, or a new one.
    ///
    /// # Errors
    /// The system gives no random bits.
    pub fn identify(
        &self,
        session: SessionId,
        secret: Option<&str>,
    ) -> Result<Identity, getrandom::Error> {
        let mut known = lock(&self.identities.0);
        if let Some((secret, entry)) = secret.and_then(|s| known.by_secret.remove_entry(s)) {
            let identity = Identity {
                id: entry.id,
                secret: secret.clone(),
                replaced: entry.holder.filter(|holder| *holder != session),
            };
            if let Some(holder) = identity.replaced {
                known.by_session.remove(&holder);
            }
            known.hold(
                secret,
                Entry {
                    holder: Some(session),
                    rests_since: None,
                    ..entry
                },
            );
            return Ok(identity);
        }
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        let secret: Box<str> = bits
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into();
        known.next += 1;
        let id = known.next;
        known.hold(
            secret.clone(),
            Entry {
                id,
                holder: Some(session),
                nick: None,
                rests_since: None,
            },
        );
        Ok(Identity {
            id,
            secret,
            replaced: None,
        })
    }

    /// Notes what an identity is called.
    pub fn note_nick(&self, session: SessionId, nick: &Nick) {
        let mut known = lock(&self.identities.0);
        let Some(secret) = known.by_session.get(&session).cloned() else {
            return;
        };
        if let Some(entry) = known.by_secret.get_mut(&secret) {
            entry.nick = Some(nick.clone());
        }
    }
}

impl Identities {
    pub(super) fn rest(&self, session: SessionId, limits: &Limits) {
        let mut known = lock(&self.0);
        let now = Instant::now();
        if let Some(secret) = known.by_session.remove(&session)
            && let Some(entry) = known.by_secret.get_mut(&secret)
        {
            entry.holder = None;
            entry.rests_since = Some(now);
            known.resting.push_back((now, secret));
        }
        let most = limits.clients.saturating_mul(2);
        while let Some((since, secret)) = known.resting.front() {
            let (since, secret) = (*since, secret.clone());
            let full = known.resting.len() > limits.clients || known.by_secret.len() > most;
            if now.duration_since(since) < limits.dedup_age && !full {
                break;
            }
            known.resting.pop_front();
            if known
                .by_secret
                .get(&secret)
                .is_some_and(|entry| entry.rests_since == Some(since))
            {
                known.by_secret.remove(&secret);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).by_secret.len()
    }
}

impl Known {
    fn hold(&mut self, secret: Box<str>, entry: Entry) {
        if let Some(session) = entry.holder {
            self.by_session.insert(session, secret.clone());
        }
        self.by_secret.insert(secret, entry);
    }
}
