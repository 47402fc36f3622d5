//! The secret of the TCP door: 256 random bits in a file that only the daemon's user can read.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use subtle::ConstantTimeEq;

use crate::places::{Surroundings, is_unusable};

const BYTES: usize = 32;

/// What a caller on TCP has to know. Never shown.
pub struct Token {
    hex: String,
    path: PathBuf,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// The token in the configured file, or where state lives when nothing is configured; made if
    /// it is not there.
    ///
    /// # Errors
    /// It can neither be read nor made, or others could read it; the error says where.
    pub fn open(configured: Option<&Path>, around: &Surroundings) -> io::Result<Self> {
        if let Some(path) = configured {
            return Self::at(path);
        }
        if let Some(path) = around.token_credential() {
            // Who may read it is systemd's business, which says so with an access list, not by mode.
            return Self::handed_over(&path);
        }
        let mut last = io::Error::new(ErrorKind::NotFound, "no folder for the admin token");
        for place in around.state() {
            match place.prepare().and_then(|()| Self::at(&place.token())) {
                Err(error) if is_unusable(&error) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    fn handed_over(path: &Path) -> io::Result<Self> {
        let hex = check(fs::read_to_string(path)?).map_err(|error| named(path, error))?;
        let path = path.to_owned();
        Ok(Self { hex, path })
    }

    /// The token in this file; made if it is not there.
    ///
    /// # Errors
    /// As for [`Token::open`].
    pub fn at(path: &Path) -> io::Result<Self> {
        let read = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path).and_then(|()| read(path))
            }
            Err(error) => Err(error),
            Ok(_) => read(path),
        };
        read.map(|hex| Self {
            hex,
            path: path.to_owned(),
        })
        .map_err(|error| named(path, error))
    }

    /// A token that stands in no file.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            hex: text.to_owned(),
            path: PathBuf::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is it; takes the same time for every wrong one of its length.
    pub(super) fn is(&self, offered: &str) -> bool {
        self.hex.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

/// Whole or not at all, and never over one that another daemon has made meanwhile.
fn make(path: &Path) -> io::Result<()> {
    let mut bits = [0; BYTES];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", process::id()));
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = writeln!(file, "{hex}").and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let refuse = |why: &str| Err(io::Error::new(ErrorKind::InvalidData, why));
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > 4096 {
        return refuse("is not a token");
    }
    if found.mode() & 0o077 != 0 {
        return refuse("others may read it; chmod 600 it");
    }
    check(fs::read_to_string(path)?)
}

fn check(text: String) -> io::Result<String> {
    let token = text.trim();
    if token.len() < BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "has no token of at least 32 characters; remove it and a new one is made";
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    Ok(token.to_owned())
}

fn named(path: &Path, error: io::Error) -> io::Error {
    let sentence = format!("token file {}: {error}", path.display());
    io::Error::new(error.kind(), sentence)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let token = Token::at(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(token.is(text.trim()));
        assert!(!token.is("") && !token.is(&text) && !token.is(&text[1..64]));
        assert!(Token::at(&path).unwrap().is(text.trim()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!format!("{token:?}").contains(text.trim()));
    }

    #[test]
    fn what_systemd_hands_over_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let secret = "s".repeat(40);
        let path = folder.path().join("admin-token");
        fs::write(&path, format!("{secret}\n")).unwrap();
        // Its access list makes the mode look open.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let around = Surroundings {
            credentials_directory: Some(folder.path().into()),
            ..Surroundings::default()
        };
        let token = Token::open(None, &around).unwrap();
        assert!(token.is(&secret));
        let configured = folder.path().join("own.token");
        let own = Token::open(Some(&configured), &around).unwrap();
        assert!(!own.is(&secret), "what is configured wins");
    }

    #[test]
    fn one_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        Token::at(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            Token::at(&path)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(
            Token::at(&path)
                .unwrap_err()
                .to_string()
                .contains("admin.token")
        );
    }
}
