//! What goes wrong with a store, in words from a closed set.

use std::{fmt, io};

use rusqlite::ErrorCode;

use crate::words::words;

words! {
    /// What kind of trouble a store is in.
    pub enum Trouble {
        /// The disk has no room left.
        Full = "disk_full",
        /// The disk does not read or write.
        Io = "io_error",
        /// Nothing may be written there.
        ReadOnly = "read_only",
        /// Somebody else holds it.
        Locked = "locked",
        /// What is there is not what was written.
        Corrupt = "corrupt",
        /// What is there was made by a newer chatd, or by something else.
        Foreign = "foreign",
        /// Committed turns are missing.
        Lost = "lost",
        /// Anything else.
        Other = "other",
    }
}

impl Trouble {
    fn of_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Self::Io,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed => Self::Locked,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt,
            _ => Self::Other,
        }
    }
}

/// Why something could not be done with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// Its kind.
    pub trouble: Trouble,
    /// The sentence.
    pub text: String,
}

impl StoreError {
    pub(crate) fn new(trouble: Trouble, text: impl Into<String>) -> Self {
        Self {
            trouble,
            text: text.into(),
        }
    }

    /// The same, with what was being done in front.
    #[must_use]
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self {
            text: format!("{what}: {}", self.text),
            ..self
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let trouble = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => Trouble::of_code(failure.code),
            // A column that does not hold what the schema says.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..) => Trouble::Corrupt,
            _ => Trouble::Other,
        };
        Self::new(trouble, error.to_string())
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        let trouble = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Trouble::ReadOnly
            }
            _ => Trouble::Io,
        };
        Self::new(trouble, error.to_string())
    }
}
