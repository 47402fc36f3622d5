//! The admin socket as a file: made without a moment in which others could use it, taken over
//! only from a dead daemon, removed at the end.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::places::{Surroundings, is_unusable};

/// Who can open the folder and is of the group may connect; what they may do is another matter.
const MODE: u32 = 0o660;
const BACKLOG: i32 = 64;

/// The bound socket. Its file goes when this does, unless somebody has put another there.
#[derive(Debug)]
pub struct AdminSocket {
    pub(super) listener: Option<UnixListener>,
    path: PathBuf,
    /// What is at the path, if it is ours to remove.
    inode: Option<u64>,
    /// Held as long as the daemon lives; the file stays, because removing it would race.
    lock: Option<File>,
}

/// Why there is no socket.
#[derive(Debug)]
pub enum OpenError {
    /// Another daemon uses it, or something else that is not ours to remove is there.
    Taken {
        /// The socket.
        path: PathBuf,
        /// What is there.
        why: String,
    },
    /// It cannot be made.
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No folder is to be had.
    Nowhere,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { path, why } => write!(f, "admin socket {}: {why}", path.display()),
            Self::Io { path, error } => write!(f, "admin socket {}: {error}", path.display()),
            Self::Nowhere => f.write_str("no folder for the admin socket: set admin.socket"),
        }
    }
}

impl std::error::Error for OpenError {}

impl AdminSocket {
    /// Opens the configured socket, or the first that can be made where sockets live when
    /// nothing is configured.
    ///
    /// # Errors
    /// Another daemon lives there, or no place can be written to.
    pub fn open(configured: Option<&Path>, around: &Surroundings) -> Result<Self, OpenError> {
        if let Some(path) = configured {
            return Self::at(path);
        }
        let mut last = OpenError::Nowhere;
        for place in around.runtime() {
            let path = place.socket();
            let opened = match place.prepare() {
                Ok(()) => Self::at(&path),
                Err(error) => Err(OpenError::Io { path, error }),
            };
            match opened {
                Err(OpenError::Io { path, error }) if is_unusable(&error) => {
                    last = OpenError::Io { path, error };
                }
                other => return other,
            }
        }
        Err(last)
    }

    /// Opens the socket at this path.
    ///
    /// # Errors
    /// Another daemon lives there, or it cannot be made.
    pub fn at(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        let taken = |why: &str| OpenError::Taken {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let lock = lock_beside(path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken("another chatd is running with it")),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        if let Some(why) = living(path) {
            return Err(taken(&why));
        }
        let listener = bind(path).map_err(io)?;
        let inode = fs::symlink_metadata(path).map_err(io)?.ino();
        Ok(Self {
            listener: Some(listener),
            path: path.to_owned(),
            inode: Some(inode),
            lock: Some(lock),
        })
    }

    /// A socket that somebody else has opened and keeps.
    pub fn inherited(listener: UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.and_then(|address| Some(address.as_pathname()?.to_owned()));
        Self {
            listener: Some(listener),
            path: path.unwrap_or_default(),
            inode: None,
            lock: None,
        }
    }

    /// Whether somebody else holds it, and decides where it is.
    pub fn is_inherited(&self) -> bool {
        self.lock.is_none()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| Some(found.ino()) == self.inode) {
            // Nobody is left to tell; the next daemon finds a stale socket and takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lock_beside(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(name)
}

/// Why what is at the path must stay; none if there is nothing or nobody behind it.
fn living(path: &Path) -> Option<String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(error.to_string()),
        Ok(found) if !found.file_type().is_socket() => {
            return Some("there is something else with this name".to_owned());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Some("another daemon answers there".to_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => Some(format!("it is unclear who is there: {error}")),
    }
}

/// Under a name of its own until it has its mode and listens: nobody connects to a half-made one,
/// and the rename replaces a stale one in one step.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", process::id()));
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&temporary)?)?;
    let ready = fs::set_permissions(&temporary, Permissions::from_mode(MODE))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = ready {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_closed_to_others_and_goes_with_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_daemon_is_refused_and_a_stale_socket_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = AdminSocket::at(&path).unwrap();
        let refused = AdminSocket::at(&path).unwrap_err().to_string();
        assert!(refused.contains("another chatd is running"), "{refused}");
        drop(first);
        // What a killed daemon leaves.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _second = AdminSocket::at(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let foreign = UnixListener::bind(&path).unwrap();
        let refused = AdminSocket::at(&path).unwrap_err().to_string();
        assert!(refused.contains("another daemon answers"), "{refused}");
        drop(foreign);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a letter").unwrap();
        assert!(matches!(
            AdminSocket::at(&path),
            Err(OpenError::Taken { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    }

    #[test]
    fn a_later_socket_is_not_removed_with_an_earlier_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = AdminSocket::at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[test]
    fn without_a_setting_the_first_place_that_can_be_written_to_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("blocked"), "").unwrap();
        let around = Surroundings {
            runtime_directory: Some(folder.path().join("mine").into()),
            temp: folder.path().to_owned(),
            uid: crate::places::effective_uid(),
            ..Surroundings::default()
        };
        let socket = AdminSocket::open(None, &around).unwrap();
        assert_eq!(socket.path(), folder.path().join("mine/admin.sock"));
        assert!(matches!(
            AdminSocket::open(None, &around),
            Err(OpenError::Taken { .. })
        ));
    }
}
