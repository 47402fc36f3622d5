//! Who a full session is, across connections.
//!
//! An identity is a 128-bit secret. Its number is half of the SHA-256 of that: the store keeps the
//! number with messages, and nobody who reads the store can say whose they are. It lives while a
//! session holds it and rests for `limits.dedup_age` afterwards; at most twice `limits.clients` are
//! remembered, the longest resting ones make place.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Hub, lock};
use crate::event::SessionId;
use crate::limits::Limits;
use crate::name::Nick;

/// What a session is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number, for retries.
    pub id: u128,
    /// The secret, in 32 hexadecimal digits.
    pub secret: Box<str>,
    /// The session that held it until now.
    pub replaced: Option<SessionId>,
}

#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_number: HashMap<u128, Entry>,
    /// When each resting identity began to rest, oldest first; stale entries are skipped.
    resting: VecDeque<(Instant, u128)>,
    stock: Stock,
}

/// Secrets that nobody has been given: the system is asked for several in one call.
#[derive(Default)]
struct Stock(Vec<u128>);

/// Secrets are shown to nobody.
impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stock").field(&self.0.len()).finish()
    }
}

impl Stock {
    fn take(&mut self) -> Result<u128, getrandom::Error> {
        if let Some(secret) = self.0.pop() {
            return Ok(secret);
        }
        let mut bits = [[0; 16]; 16];
        getrandom::fill(bits.as_flattened_mut())?;
        let [secret, others @ ..] = bits.map(u128::from_be_bytes);
        self.0.extend(others);
        Ok(secret)
    }
}

#[derive(Debug)]
struct Entry {
    state: State,
    nick: Option<Nick>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held(SessionId),
    RestsSince(Instant),
}

impl Entry {
    fn holder(&self) -> Option<SessionId> {
        match self.state {
            State::Held(session) => Some(session),
            State::RestsSince(_) => None,
        }
    }
}

impl Hub {
    /// The session that holds the identity of this secret, and what it is called.
    pub fn whose(&self, secret: &str) -> Option<(Option<SessionId>, Option<Nick>)> {
        let known = lock(&self.identities.0);
        let entry = known.by_number.get(&number(secret))?;
        Some((entry.holder(), entry.nick.clone()))
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
        let of_secret = secret.map(|secret| (secret, number(secret)));
        if let Some((secret, id, entry)) =
            of_secret.and_then(|(secret, id)| Some((secret, id, known.by_number.remove(&id)?)))
        {
            let replaced = entry.holder().filter(|holder| *holder != session);
            known.hold(id, session, entry.nick);
            return Ok(Identity {
                id,
                secret: secret.into(),
                replaced,
            });
        }
        let secret: Box<str> = format!("{:032x}", known.stock.take()?).into();
        let id = number(&secret);
        known.hold(id, session, None);
        Ok(Identity {
            id,
            secret,
            replaced: None,
        })
    }

    /// Notes what an identity is called, if this session still holds it.
    pub fn note_nick(&self, id: u128, session: SessionId, nick: &Nick) {
        if let Some(entry) = lock(&self.identities.0).held_by(id, session) {
            entry.nick = Some(nick.clone());
        }
    }

    /// The identity of a session that ends begins to rest, if this session still holds it.
    pub fn rest(&self, id: u128, session: SessionId) {
        self.identities.rest(id, session, &self.limits());
    }
}

fn number(secret: &str) -> u128 {
    let digest = Sha256::digest(secret.as_bytes());
    let half = digest.iter().take(16);
    half.fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

impl Identities {
    /// Identities that a former run of the daemon gave out, the longest resting first.
    pub(super) fn of_store(rows: impl IntoIterator<Item = (u128, Nick, Instant)>) -> Self {
        let mut known = Known::default();
        for (id, nick, since) in rows {
            let entry = Entry {
                state: State::RestsSince(since),
                nick: Some(nick),
            };
            known.by_number.insert(id, entry);
            known.resting.push_back((since, id));
        }
        Self(Mutex::new(known))
    }

    fn rest(&self, id: u128, session: SessionId, limits: &Limits) {
        let mut known = lock(&self.0);
        let now = Instant::now();
        if let Some(entry) = known.held_by(id, session) {
            entry.state = State::RestsSince(now);
            known.resting.push_back((now, id));
        }
        let most = limits.clients.saturating_mul(2);
        while let Some((since, id)) = known.resting.front().copied() {
            let full = known.resting.len() > limits.clients || known.by_number.len() > most;
            if now.duration_since(since) < limits.dedup_age && !full {
                break;
            }
            known.resting.pop_front();
            if known
                .by_number
                .get(&id)
                .is_some_and(|entry| entry.state == State::RestsSince(since))
            {
                known.by_number.remove(&id);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).by_number.len()
    }
}

impl Known {
    fn hold(&mut self, id: u128, session: SessionId, nick: Option<Nick>) {
        let state = State::Held(session);
        self.by_number.insert(id, Entry { state, nick });
    }

    /// Nothing, once another session has taken the identity over.
    fn held_by(&mut self, id: u128, session: SessionId) -> Option<&mut Entry> {
        let entry = self.by_number.get_mut(&id)?;
        (entry.state == State::Held(session)).then_some(entry)
    }
}
