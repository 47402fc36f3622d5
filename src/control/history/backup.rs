//! A copy of the whole store, as it is at one moment, given out in parts.
//!
//! The copy is made beside the store, read through, and has no name from then on: when the daemon
//! ends, however it ends, the disk has its room back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{IDLE, over, work_id};
use crate::control::{Control, Refused, lock};
use crate::log::Keep;

/// Bytes of one part: with base64 it fits an answer.
const PART: u64 = 512 * 1024;

/// A backup that can be read.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// What names it in the next requests.
    pub id: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of all of it, in hexadecimal digits.
    pub sha256: String,
    /// Messages in it.
    pub messages: u64,
}

/// Which part of a backup.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupQuery {
    /// Which backup.
    pub id: String,
    /// From which byte on; at the end of it the backup is over.
    pub offset: u64,
}

/// Some bytes of a backup.
#[derive(Clone, Debug, Serialize)]
pub struct BackupPart {
    /// In base64; empty at the end.
    pub data: String,
}

/// A copy that is being given out.
#[derive(Debug)]
pub(super) struct Copy {
    id: String,
    /// The connection on which it began.
    pub(super) owner: u64,
    file: Arc<File>,
    bytes: u64,
    touched: Instant,
}

impl Copy {
    pub(super) fn is_idle(&self) -> bool {
        self.touched.elapsed() >= IDLE
    }
}

impl Control {
    /// Makes a copy of the store and reads it through. It waits a minute for its reader.
    ///
    /// # Errors
    /// There is no store, another backup is under way, or the copy cannot be made or is not whole.
    pub async fn begin_backup(&self, owner: u64) -> Result<BackupReport, Refused> {
        let keep = self.kept()?;
        let id = work_id()?;
        // Whoever is making one holds its place with a file that has nothing in it.
        let place = Copy {
            id: id.clone(),
            owner,
            file: Arc::new(File::open("/dev/null").map_err(failed)?),
            bytes: 0,
            touched: Instant::now() + IDLE * 60,
        };
        {
            let mut known = lock(&self.0.works.backup);
            if known.is_some() {
                return Err(Refused::State("another backup is under way".to_owned()));
            }
            *known = Some(place);
        }
        let made = self.on_disk(move || make(&keep)).await;
        let mut known = lock(&self.0.works.backup);
        *known = None;
        let (file, bytes, sha256, messages) = made?;
        *known = Some(Copy {
            id: id.clone(),
            owner,
            file: Arc::new(file),
            bytes,
            touched: Instant::now(),
        });
        Ok(BackupReport {
            id,
            bytes,
            sha256,
            messages,
        })
    }

    /// Bytes of a backup.
    ///
    /// # Errors
    /// The backup is over, or cannot be read.
    pub async fn read_backup(&self, query: &BackupQuery) -> Result<BackupPart, Refused> {
        let (file, left) = {
            let mut known = lock(&self.0.works.backup);
            let copy = known.as_mut().filter(|copy| copy.id == query.id);
            let Some(copy) = copy else {
                return Err(over("backup"));
            };
            copy.touched = Instant::now();
            (copy.file.clone(), copy.bytes.saturating_sub(query.offset))
        };
        if left == 0 {
            lock(&self.0.works.backup).take_if(|copy| copy.id == query.id);
            return Ok(BackupPart {
                data: String::new(),
            });
        }
        let offset = query.offset;
        self.on_disk(move || {
            let mut data = vec![0; left.min(PART) as usize];
            file.read_exact_at(&mut data, offset).map_err(failed)?;
            Ok(BackupPart {
                data: STANDARD.encode(data),
            })
        })
        .await
    }
}

fn make(keep: &Keep) -> Result<(File, u64, String, u64), Refused> {
    let path = beside(&keep.store.files().database);
    // What a daemon left that died while it made one.
    remove(&path).map_err(failed)?;
    let made = copy(keep, &path);
    remove(&path).map_err(failed)?;
    made
}

fn copy(keep: &Keep, path: &Path) -> Result<(File, u64, String, u64), Refused> {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let messages = keep.store.reader()?.copy_to(path)?;
    let (bytes, sha256) = sum(&file).map_err(failed)?;
    Ok((file, bytes, sha256, messages))
}

fn sum(file: &File) -> io::Result<(u64, String)> {
    let bytes = file.metadata()?.len();
    let mut hasher = Sha256::new();
    let mut part = vec![0; PART as usize];
    let mut offset = 0;
    while offset < bytes {
        let count = file.read_at(&mut part, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&part[..count]);
        offset += count as u64;
    }
    let digest = hasher.finalize();
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    Ok((bytes, digits.collect()))
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-backup");
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(error: io::Error) -> Refused {
    Refused::Failed(format!("the copy: {error}"))
}
