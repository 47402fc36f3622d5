//! Where sockets and state live when nothing is configured: one order, for the daemon that makes
//! them and for the tool that looks for them.
//!
//! - The admin socket: `$RUNTIME_DIRECTORY` (systemd), `/run/chatd`, `$XDG_RUNTIME_DIR/chatd`, else
//!   `chatd-UID` below the temp folder. The daemon takes the first that it can write to.
//! - The token: a credential of systemd's, else with the rest of the state.
//! - State (the token, the bans, the history): `$STATE_DIRECTORY`, `/var/lib/chatd` for root, `$XDG_STATE_HOME/chatd`
//!   (`~/.local/state/chatd`), else beside the socket.
//!
//! A folder of a user's own is made with mode 0700 and is refused when somebody else could have
//! planted it. Not here: the configuration, which wins over all of this.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

/// The name of the admin socket in its folder.
pub const SOCKET: &str = "admin.sock";
/// The name of the token of the TCP door in its folder.
pub const TOKEN: &str = "admin.token";
/// The name of the token among systemd's credentials.
pub const TOKEN_CREDENTIAL: &str = "admin-token";
/// The name of the bans in their folder.
pub const BANS: &str = "bans.json";
/// The name of the history in its folder.
pub const HISTORY: &str = "history.db";

const NAME: &str = "chatd";

/// A folder that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub folder: PathBuf,
    /// Mode that it is made with.
    mode: u32,
    /// Whose it has to be and whom else it must be closed to; `None` trusts who made the parent.
    owner: Option<u32>,
}

impl Place {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or somebody else could have planted it.
    pub fn prepare(&self) -> io::Result<()> {
        match DirBuilder::new()
            .recursive(true)
            .mode(self.mode)
            .create(&self.folder)
        {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.check(),
        }
    }

    /// Whether what is there can be trusted.
    ///
    /// # Errors
    /// It is not there, is no folder, or somebody else could have planted it.
    pub fn check(&self) -> io::Result<()> {
        let refuse = |why: &str| {
            let sentence = format!("{} {why}", self.folder.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence))
        };
        let Some(owner) = self.owner else {
            return fs::metadata(&self.folder).map(drop);
        };
        let found = fs::symlink_metadata(&self.folder)?;
        if !found.is_dir() {
            return refuse("is not a folder");
        }
        if found.uid() != owner || found.mode() & 0o022 != 0 {
            return refuse("belongs to somebody else, or others may write to it");
        }
        Ok(())
    }

    /// The admin socket in it.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// The token in it.
    pub fn token(&self) -> PathBuf {
        self.folder.join(TOKEN)
    }
}

/// Whether the error means "not in this place", so that the next one is tried.
pub fn is_unusable(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(
        error.kind(),
        PermissionDenied | ReadOnlyFilesystem | NotFound | NotADirectory
    )
}

/// What decides where things are.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `$RUNTIME_DIRECTORY`: the first of its folders is used.
    pub runtime_directory: Option<OsString>,
    /// `$STATE_DIRECTORY`: the first of its folders is used.
    pub state_directory: Option<OsString>,
    /// `$CREDENTIALS_DIRECTORY`: secrets that systemd hands over as files.
    pub credentials_directory: Option<OsString>,
    /// `$XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
    /// The temp folder.
    pub temp: PathBuf,
    /// Who we are.
    pub uid: u32,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            runtime_directory: set("RUNTIME_DIRECTORY"),
            state_directory: set("STATE_DIRECTORY"),
            credentials_directory: set("CREDENTIALS_DIRECTORY"),
            xdg_runtime_dir: set("XDG_RUNTIME_DIR"),
            xdg_state_home: set("XDG_STATE_HOME"),
            home: set("HOME"),
            temp: std::env::temp_dir(),
            uid: effective_uid(),
        }
    }

    /// The admin token, if systemd hands one over (`LoadCredential=admin-token:FILE`).
    pub fn token_credential(&self) -> Option<PathBuf> {
        let folder = absolute(self.credentials_directory.as_ref())?;
        Some(folder.join(TOKEN_CREDENTIAL)).filter(|path| path.exists())
    }

    /// Folders for sockets, in the order in which they are tried.
    pub fn runtime(&self) -> Vec<Place> {
        let given = first_of(self.runtime_directory.as_ref()).map(Self::open);
        let system = Self::open("/run/chatd".into());
        let session =
            absolute(self.xdg_runtime_dir.as_ref()).map(|parent| self.private(parent.join(NAME)));
        let temp = self.private(self.temp.join(format!("{NAME}-{}", self.uid)));
        given
            .into_iter()
            .chain([system])
            .chain(session)
            .chain([temp])
            .collect()
    }

    /// Folders for state, in the order in which they are tried.
    pub fn state(&self) -> Vec<Place> {
        let given = first_of(self.state_directory.as_ref()).map(Self::open);
        let system = (self.uid == 0).then(|| Self::open("/var/lib/chatd".into()));
        let home = absolute(self.xdg_state_home.as_ref())
            .or_else(|| Some(absolute(self.home.as_ref())?.join(".local/state")))
            .map(|parent| self.private(parent.join(NAME)));
        given
            .into_iter()
            .chain(system)
            .chain(home)
            .chain(self.runtime())
            .collect()
    }

    /// Where a file of the state is: the first place that has it, else the first that can be used.
    /// What the service manager names is not looked past.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn state_file(&self, name: &str) -> io::Result<PathBuf> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no folder for it");
        let mut first = None;
        for place in self.state() {
            let path = place.folder.join(name);
            if place.check().is_ok() && path.exists() {
                return Ok(path);
            }
            if first.is_some() {
                continue;
            }
            match place.prepare() {
                Ok(()) if self.state_directory.is_some() => return Ok(path),
                Ok(()) => first = Some(path),
                Err(error) if is_unusable(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        first.ok_or(last)
    }

    /// A folder that the system or the service manager answers for.
    fn open(folder: PathBuf) -> Place {
        Place {
            folder,
            mode: 0o750,
            owner: None,
        }
    }

    /// A folder of our own.
    fn private(&self, folder: PathBuf) -> Place {
        Place {
            folder,
            mode: 0o700,
            owner: Some(self.uid),
        }
    }
}

/// systemd separates several folders by colons.
fn first_of(folders: Option<&OsString>) -> Option<PathBuf> {
    let first = std::env::split_paths(folders?).next()?;
    first.is_absolute().then_some(first)
}

fn absolute(folder: Option<&OsString>) -> Option<PathBuf> {
    folder
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
}

/// The user that this process acts as.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folders(places: &[Place]) -> Vec<&str> {
        places
            .iter()
            .map(|place| place.folder.to_str().unwrap())
            .collect()
    }

    fn user() -> Surroundings {
        Surroundings {
            xdg_runtime_dir: Some("/run/user/1000".into()),
            home: Some("/u/ann".into()),
            temp: "/tmp".into(),
            uid: 1000,
            ..Surroundings::default()
        }
    }

    #[test]
    fn a_plain_user_and_root_and_a_service_each_have_their_places() {
        let ann = user();
        assert_eq!(
            folders(&ann.runtime()),
            ["/run/chatd", "/run/user/1000/chatd", "/tmp/chatd-1000"]
        );
        assert_eq!(folders(&ann.state())[0], "/u/ann/.local/state/chatd");
        let root = Surroundings {
            uid: 0,
            temp: "/tmp".into(),
            ..Surroundings::default()
        };
        assert_eq!(folders(&root.runtime()), ["/run/chatd", "/tmp/chatd-0"]);
        assert_eq!(folders(&root.state())[0], "/var/lib/chatd");
        let service = Surroundings {
            runtime_directory: Some("/run/a:/run/b".into()),
            state_directory: Some("/var/lib/a".into()),
            ..user()
        };
        assert_eq!(folders(&service.runtime())[..2], ["/run/a", "/run/chatd"]);
        assert_eq!(folders(&service.state())[0], "/var/lib/a");
    }

    #[test]
    fn a_relative_folder_is_no_place() {
        let odd = Surroundings {
            xdg_runtime_dir: Some("here".into()),
            runtime_directory: Some("there".into()),
            ..user()
        };
        assert_eq!(folders(&odd.runtime()), ["/run/chatd", "/tmp/chatd-1000"]);
    }

    #[test]
    fn our_own_folder_is_made_closed_and_a_planted_one_refused() {
        let temp = tempfile::tempdir().unwrap();
        let uid = effective_uid();
        assert_eq!(uid, fs::metadata(temp.path()).unwrap().uid());
        let own = |name: &str| Place {
            folder: temp.path().join(name),
            mode: 0o700,
            owner: Some(uid),
        };
        own("new").prepare().unwrap();
        own("new").prepare().unwrap();
        let mode = |name: &str| fs::metadata(temp.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!(mode("new"), 0o700);
        fs::create_dir(temp.path().join("open")).unwrap();
        fs::set_permissions(temp.path().join("open"), fs::Permissions::from_mode(0o777)).unwrap();
        own("open").prepare().unwrap_err();
        std::os::unix::fs::symlink(temp.path().join("new"), temp.path().join("link")).unwrap();
        own("link").prepare().unwrap_err();
        fs::write(temp.path().join("file"), "").unwrap();
        own("file").prepare().unwrap_err();
        let others = Place {
            owner: Some(uid + 1),
            ..own("new")
        };
        others.prepare().unwrap_err();
    }
}
