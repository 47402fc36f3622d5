//! A copy of the whole history into a file.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::progress;
use crate::ctl::beside::Beside;
use crate::ctl::desk::Desk;
use crate::ctl::trouble::Trouble;

/// How long the daemon may take to make its copy and read it through.
const COPYING: Duration = Duration::from_secs(3600);

/// Writes a copy of the store as it is at one moment.
pub(crate) fn backup(desk: &mut Desk<'_>, path: &Path) -> Result<(), Trouble> {
    let doing = "back the history up";
    let mut file = Beside::begin(path)?;
    let copy = desk.call_patiently("history.backup", json!({}), doing, COPYING)?;
    let total = copy["bytes"].as_u64().unwrap_or(0);
    let bar = progress(total, "backing up", true);
    let (mut hasher, mut offset) = (Sha256::new(), 0);
    loop {
        let params = json!({"id": copy["id"], "offset": offset});
        let part = desk.call("history.backup_part", params, doing)?;
        let data = part["data"].as_str().unwrap_or_default();
        let data = STANDARD
            .decode(data)
            .map_err(|error| Trouble::Failed(format!("cannot {doing}: {error}")))?;
        if data.is_empty() {
            break;
        }
        hasher.update(&data);
        file.write(&data)?;
        offset += data.len() as u64;
        bar.set_position(offset);
    }
    let digest = hasher.finalize();
    let sum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if offset != total || copy["sha256"] != sum {
        return Err(Trouble::Failed(format!(
            "cannot {doing}: what arrived is not what the daemon copied"
        )));
    }
    file.end()?;
    bar.finish_and_clear();
    if desk.is_for_people() {
        let messages = &copy["messages"];
        return desk.say(&format!(
            "{messages} messages backed up to {} ({total} bytes)",
            path.display()
        ));
    }
    let report = json!({"messages": copy["messages"], "bytes": total, "sha256": sum});
    desk.print_object(&report)
}
