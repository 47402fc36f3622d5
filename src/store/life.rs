//! Which run of a daemon, which boot of the machine, which life of the numbers.

use rusqlite::{Connection, OptionalExtension, params};

use super::witness::Testimony;
use super::{StoreError, Trouble};
use crate::event::Durability;

/// Why a store begins a new life of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// The machine went down in the middle of a life whose commits did not wait for the disk; so
    /// many turns are known to be missing.
    PowerLoss {
        /// Turns that were committed and are not there.
        missing: u64,
    },
    /// The file is another than the one that was here: a backup was put in its place.
    Restored,
}

impl Anew {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerLoss { .. } => "power_loss",
            Self::Restored => "restored",
        }
    }
}

/// The row of `store`.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: u64,
    pub(super) seed: u64,
    pub(super) run: u32,
    pub(super) turn: u64,
    pub(super) boot: String,
    pub(super) durability: String,
    pub(super) clean: bool,
}

/// Which boot of the kernel this is. A sandbox may hide the file; then a unit says it in the
/// environment. Empty if nobody says it, and then every unclean end counts as that of the machine.
pub(super) fn boot_id() -> String {
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let said = std::env::var("CHATD_BOOT_ID").ok();
    let id = read().or(said).unwrap_or_default();
    // The file has dashes, systemd's word for it has none.
    id.trim().replace('-', "")
}

pub(super) fn life(connection: &Connection) -> Result<Option<Life>, StoreError> {
    let sql = "SELECT id, seed, run, turn, boot, durability, clean FROM store";
    let found = connection.query_row(sql, [], |row| {
        Ok(Life {
            id: row.get::<_, i64>(0)? as u64,
            seed: row.get::<_, i64>(1)? as u64,
            run: row.get(2)?,
            turn: row.get(3)?,
            boot: row.get(4)?,
            durability: row.get(5)?,
            clean: row.get(6)?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn last_turn(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT max(ifnull((SELECT max(turn) FROM rooms), 0), \
                          ifnull((SELECT turn FROM store), 0))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Whether numbers of the last life could come twice.
pub(super) fn judge(
    old: &Life,
    turn: u64,
    testimony: Testimony,
    boot: &str,
) -> Result<Option<Anew>, StoreError> {
    let Testimony::Turns {
        store,
        turn: witnessed,
    } = testimony
    else {
        return Ok((turn > 0).then_some(Anew::Restored));
    };
    if store != old.id {
        return Ok(Some(Anew::Restored));
    }
    let missing = witnessed.saturating_sub(turn);
    let went_down = !old.clean && (boot.is_empty() || old.boot != boot);
    if went_down && old.durability == Durability::Process.as_str() {
        return Ok(Some(Anew::PowerLoss { missing }));
    }
    if missing > 0 {
        let text = format!("its last {missing} committed turns are missing");
        return Err(StoreError::new(Trouble::Lost, text));
    }
    Ok(None)
}

pub(super) fn random_bits() -> Result<u64, StoreError> {
    getrandom::u64()
        .map_err(|error| StoreError::new(Trouble::Other, format!("no random bits: {error}")))
}

/// Notes that a run begins.
pub(super) fn begin(
    connection: &mut Connection,
    old: Option<Life>,
    durability: Durability,
    boot: &str,
    turn: u64,
    anew: Option<Anew>,
) -> Result<Life, StoreError> {
    let (fresh, seed) = (random_bits()?, random_bits()?);
    let is_new = old.is_none();
    let mut life = old.unwrap_or_else(|| Life {
        id: fresh,
        seed,
        run: 0,
        turn: 0,
        boot: String::new(),
        durability: String::new(),
        clean: false,
    });
    if anew.is_some() {
        // A restored store is another one: the witness of the old one must not speak for it.
        (life.id, life.seed) = (fresh, seed);
    }
    life.run += 1;
    life.turn = turn;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if anew.is_some() {
        transaction.execute("UPDATE rooms SET epoch = random()", [])?;
    }
    let sql = if is_new {
        "INSERT INTO store (only, id, seed, run, turn, boot, durability, clean) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0)"
    } else {
        "UPDATE store SET id = ?1, seed = ?2, run = ?3, turn = ?4, boot = ?5, durability = ?6, \
         clean = 0"
    };
    transaction.execute(
        sql,
        params![
            life.id as i64,
            life.seed as i64,
            life.run,
            turn,
            boot,
            durability.as_str()
        ],
    )?;
    transaction.commit()?;
    Ok(life)
}
