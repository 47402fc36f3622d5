//! A file that is there whole or as it was before.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::trouble::Trouble;

/// What stands behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// A file on its way. It is written beside its target, and takes the target's place in one step when it
/// is whole and on the disk. Until then the target is as it was; what a killed program leaves beside
/// it is written over by the next.
#[derive(Debug)]
pub(super) struct Beside {
    target: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl Beside {
    /// Begins one that only its owner may read.
    pub(super) fn begin(target: &Path) -> Result<Self, Trouble> {
        let mut part = target.as_os_str().to_owned();
        part.push(PART);
        let part = PathBuf::from(part);
        let file = open(&part).map_err(|error| failed(&part, &error))?;
        Ok(Self {
            target: target.to_owned(),
            part,
            file: BufWriter::new(file),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| failed(&self.part, &error))
    }

    /// It is whole: puts it in its place.
    pub(super) fn end(mut self) -> Result<(), Trouble> {
        let ended = self.file.flush().and_then(|()| {
            self.file.get_ref().sync_all()?;
            fs::rename(&self.part, &self.target)?;
            File::open(folder(&self.target))?.sync_all()
        });
        ended.map_err(|error| failed(&self.target, &error))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the end there is no such file any more.
        let _ = fs::remove_file(&self.part);
    }
}

fn open(part: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(part)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::other("another chatctl is writing it"));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if fs::metadata(part)?.ino() != file.metadata()?.ino() {
        return Err(io::Error::other("another chatctl has just written it"));
    }
    file.set_len(0)?;
    Ok(file)
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Failed(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_old_one_until_it_is_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("export");
        fs::write(&target, "old").unwrap();
        let mut beside = Beside::begin(&target).unwrap();
        beside.write(b"half").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        drop(beside);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What a killed one leaves.
        fs::write(folder.path().join("export.part"), "something longer").unwrap();
        let mut beside = Beside::begin(&target).unwrap();
        Beside::begin(&target).unwrap_err();
        beside.write(b"new").unwrap();
        beside.end().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
