//! The file of typed lines: `$XDG_STATE_HOME/chat-client/history`, for its owner's eyes only.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Lines that are kept.
pub(super) const LINES: usize = 1000;

/// Where the file is, with its directory made; `None` where there is no home for it.
pub(super) fn file() -> Option<PathBuf> {
    let directory = directory(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .ok()?;
    Some(directory.join("history"))
}

fn directory(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification says that a path that is not absolute is to be ignored.
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let state = state.and_then(absolute);
    let state = state.or_else(|| Some(home.and_then(absolute)?.join(".local/state")))?;
    Some(state.join("chat-client"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn is_where_the_specification_says() {
        let place = |state: Option<&str>, home: Option<&str>| {
            directory(state.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(
            place(Some("/s"), Some("/h")).as_deref(),
            Some(Path::new("/s/chat-client"))
        );
        let at_home = Some(Path::new("/h/.local/state/chat-client"));
        assert_eq!(place(None, Some("/h")).as_deref(), at_home);
        assert_eq!(place(Some("relative"), Some("/h")).as_deref(), at_home);
        assert_eq!(place(None, None), None);
    }
}
