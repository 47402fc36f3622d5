//! What stands in the rows, and the sum that guards it.

use std::sync::Arc;

use rusqlite::Row;

use super::{StoreError, Trouble};
use crate::event::{Epoch, Message, Seq, SessionId, Topic};
use crate::name::{Nick, RoomName};

/// Bits of a message's key that are its number; those above are its room.
const SEQ_BITS: u32 = 40;

/// The first number that a stored room can not have any more (2^40: a hundred thousand messages a
/// second for four months).
pub const SEQ_END: Seq = 1 << SEQ_BITS;

/// Which row of `rooms` a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub(super) u32);

impl RoomKey {
    /// Keys are below this: they share an `i64` with a number.
    pub(super) const END: i64 = 1 << (63 - SEQ_BITS);

    pub(super) fn of_row(id: i64) -> Result<Self, StoreError> {
        let key = u32::try_from(id).ok().filter(|_| id < Self::END);
        key.map(Self)
            .ok_or_else(|| StoreError::new(Trouble::Corrupt, format!("a room has the key {id}")))
    }

    /// The key of its message with this number. Numbers above the last possible one are that.
    pub(super) fn message(self, seq: Seq) -> i64 {
        i64::from(self.0) << SEQ_BITS | seq.min(SEQ_END - 1) as i64
    }
}

/// The number in a message's key.
pub(super) fn seq_of(id: i64) -> Seq {
    (id & (SEQ_END as i64 - 1)) as Seq
}

/// What a room's row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRow {
    /// Which row.
    pub key: RoomKey,
    /// Its name, as its maker wrote it.
    pub name: RoomName,
    /// The 64 bits of its epoch.
    pub epoch: u64,
    /// Its last number.
    pub head: Seq,
    /// Its oldest number that is kept; `head` + 1 when there is none.
    pub first: Seq,
    /// What its kept messages cost ([`NewMessage::cost`]).
    pub bytes: u64,
    /// The turn that wrote to it last.
    pub turn: u64,
    /// What it is about.
    pub topic: Option<Topic>,
}

impl RoomRow {
    /// The columns, in the order in which [`RoomRow::read`] takes them.
    pub(super) const COLUMNS: &'static str =
        "id, name, epoch, head, first, bytes, turn, topic, topic_nick, topic_ms";

    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let name: String = row.get(1)?;
        let name = RoomName::new(&name).map_err(|why| {
            StoreError::new(
                Trouble::Corrupt,
                format!("a room is called {name:?}: {why}"),
            )
        })?;
        let topic = match row.get::<_, Option<String>>(7)? {
            None => None,
            Some(text) => Some(Topic {
                text: text.into(),
                nick: Nick::kept(row.get_ref(8)?.as_str().map_err(wrong)?),
                time_ms: row.get(9)?,
            }),
        };
        let room = Self {
            key: RoomKey::of_row(row.get(0)?)?,
            name,
            epoch: row.get::<_, i64>(2)? as u64,
            head: row.get(3)?,
            first: row.get(4)?,
            bytes: row.get(5)?,
            turn: row.get(6)?,
            // Older daemons kept that a topic was taken away.
            topic: topic.filter(|topic| !topic.is_none()),
        };
        if room.first == 0 || room.first > room.head + 1 || room.head >= SEQ_END {
            let text = format!("the numbers of room {} cannot be", room.name);
            return Err(StoreError::new(Trouble::Corrupt, text));
        }
        Ok(room)
    }

    /// The epoch as it stands on the wire.
    pub fn wire_epoch(&self) -> Epoch {
        Epoch::from_bits(self.epoch)
    }

    /// Messages that are kept.
    pub fn messages(&self) -> u64 {
        self.head + 1 - self.first
    }
}

/// A message on its way into the store.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Who says it.
    pub session: SessionId,
    /// What they are called.
    pub nick: &'a Nick,
    /// What they say.
    pub text: &'a str,
    /// Their own id of it.
    pub cid: Option<&'a str>,
    /// Who they are across connections; kept with a `cid` only, for retries.
    pub identity: Option<u128>,
}

/// What a message costs beside its text, name and id, in bytes: about what its row takes more.
const ROW: usize = 32;

impl<'a> NewMessage<'a> {
    /// A message without an id of its author's.
    pub fn new(session: SessionId, nick: &'a Nick, text: &'a str) -> Self {
        Self {
            session,
            nick,
            text,
            cid: None,
            identity: None,
        }
    }

    /// What it counts against `history.max_bytes`.
    pub fn cost(&self) -> u64 {
        let text = self.nick.as_str().len() + self.text.len() + self.cid.map_or(0, str::len);
        (ROW + text) as u64
    }

    /// The sum of its row. `author` is the session with the run that it belongs to.
    pub(super) fn sum(&self, id: i64, time_ms: i64, author: i64) -> u32 {
        sum(
            [id, time_ms, author],
            self.nick.as_str(),
            self.text,
            self.cid,
            self.identity
                .map(u128::to_be_bytes)
                .as_ref()
                .map(<[u8; 16]>::as_slice),
        )
    }
}

fn sum(
    numbers: [i64; 3],
    nick: &str,
    text: &str,
    cid: Option<&str>,
    identity: Option<&[u8]>,
) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    // No UTF-8 has these bytes: parts cannot run into one another.
    hasher.update(nick.as_bytes());
    hasher.update(&[0xff]);
    hasher.update(text.as_bytes());
    if let Some(cid) = cid {
        hasher.update(&[0xfe]);
        hasher.update(cid.as_bytes());
    }
    if let Some(identity) = identity {
        hasher.update(&[0xfd]);
        hasher.update(identity);
    }
    hasher.finalize()
}

/// Bits of an author's column that are the session; those above are the run of the daemon.
const SESSION_BITS: u32 = 32;

/// A session of a run: session ids come again in the next run, and then mean somebody else.
pub(super) fn author(run: u32, session: SessionId) -> i64 {
    let session = session.0 & ((1 << SESSION_BITS) - 1);
    (i64::from(run) << SESSION_BITS) | session as i64
}

fn session(run: u32, author: i64) -> SessionId {
    if author >> SESSION_BITS == i64::from(run) {
        SessionId((author & ((1 << SESSION_BITS) - 1)) as u64)
    } else {
        SessionId::NOBODY
    }
}

/// The columns of `messages`, in the order in which [`message`] and [`checked`] take them.
pub(super) const MESSAGE: &str = "id, time_ms, author, nick, text, cid, identity, sum";

/// A message as it was, if its sum says so. Who said it in an earlier run is nobody now.
pub(super) fn message(row: &Row<'_>, run: u32) -> Result<Arc<Message>, StoreError> {
    let (id, time_ms, author) = checked(row)?;
    Ok(Arc::new(Message {
        seq: seq_of(id),
        end: 0,
        time_ms,
        author: session(run, author),
        nick: Nick::kept(text(row, 3)?),
        text: text(row, 4)?.into(),
        cid: row
            .get_ref(5)?
            .as_str_or_null()
            .map_err(wrong)?
            .map(Into::into),
    }))
}

/// Reads a row's numbers, and checks it against its sum.
pub(super) fn checked(row: &Row<'_>) -> Result<(i64, i64, i64), StoreError> {
    let numbers @ [id, time_ms, author] = [row.get(0)?, row.get(1)?, row.get(2)?];
    let identity = row.get_ref(6)?.as_blob_or_null().map_err(wrong)?;
    let cid = row.get_ref(5)?.as_str_or_null().map_err(wrong)?;
    let found = sum(numbers, text(row, 3)?, text(row, 4)?, cid, identity);
    if row.get::<_, i64>(7)? != i64::from(found) {
        let (room, seq) = (id >> SEQ_BITS, seq_of(id));
        let text = format!("message {seq} of room {room} is not what was written");
        return Err(StoreError::new(Trouble::Corrupt, text));
    }
    Ok((id, time_ms, author))
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, StoreError> {
    row.get_ref(column)?.as_str().map_err(wrong)
}

pub(super) fn wrong(error: rusqlite::types::FromSqlError) -> StoreError {
    StoreError::new(
        Trouble::Corrupt,
        format!("a column is not what it should be: {error}"),
    )
}
