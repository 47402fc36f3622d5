//! What a hub knows of the run before it: who was here, and what they had sent.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Hub;
use super::identity::Identities;
use crate::mail::{RetryKey, RetryTarget};
use crate::store::{Remembered, RoomRow, Store, StoreError};

impl Hub {
    /// Identities and the ids of messages come back as they were, so that a retry after a restart is
    /// answered with the first ack.
    pub(super) fn remember(&mut self, store: &Store, rooms: &[RoomRow]) -> Result<(), StoreError> {
        let limits = self.limits();
        let (now, now_ms) = (Instant::now(), (self.clock)());
        let age_ms = i64::try_from(limits.dedup_age.as_millis()).unwrap_or(i64::MAX);
        let since_ms = now_ms.saturating_sub(age_ms);
        let known = store
            .reader()?
            .remembered(rooms, since_ms, limits.dedup_entries)?;
        let at = |one: &Remembered| {
            let ago = u64::try_from(now_ms.saturating_sub(one.stamp.time_ms)).unwrap_or(0);
            now.checked_sub(Duration::from_millis(ago)).unwrap_or(now)
        };
        // What came last of each says what it was called; it rests from now.
        let mut last = HashMap::new();
        for one in &known {
            last.insert(one.identity, one.nick.clone());
        }
        let resting = last.into_iter().take(limits.clients);
        self.identities = Identities::of_store(resting.map(|(id, nick)| (id, nick, now)));
        self.retries.remember(known.iter().map(|one| {
            let key = RetryKey {
                identity: one.identity,
                target: RetryTarget::Room(one.room),
                cid: one.cid.clone(),
            };
            (key, one.stamp.clone(), at(one))
        }));
        Ok(())
    }
}
