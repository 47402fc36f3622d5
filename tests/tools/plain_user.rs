//! Somebody without rights who has just built the programs: no flag, no file, no folder made before.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::stage::{PATIENCE, Program, own, succeeds};

const NOBODY: u32 = 65534;

pub(crate) fn needs_no_flag_and_no_file() {
    for variables in [&["XDG_RUNTIME_DIR", "XDG_STATE_HOME"][..], &[]] {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        talks_to_its_own_daemon(home.path(), variables);
    }
}

fn talks_to_its_own_daemon(home: &Path, variables: &[&str]) {
    let daemon = Program::start(&mut as_nobody("chatd", home, variables));
    daemon.hears("chat=127.0.0.1:7687 ");
    let status = succeeds(as_nobody("chatctl", home, variables).arg("status"));
    assert!(status.contains("ready"), "{status}");
    succeeds(as_nobody("chatctl", home, variables).arg("shutdown"));
    assert!(daemon.ends_within(PATIENCE).success());
}

/// One of the programs as user nobody in this home, with these variables naming folders in it.
fn as_nobody(program: &str, home: &Path, variables: &[&str]) -> Command {
    let copy = home.join(program);
    if !copy.exists() {
        fs::copy(own(program), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(copy);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .current_dir(home);
    command.envs(
        variables
            .iter()
            .map(|name| (name, home.join(name.to_lowercase()))),
    );
    for name in variables {
        let folder = home.join(name.to_lowercase());
        fs::create_dir_all(&folder).unwrap();
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    command
}
