//! Plays between an operator who writes a file, variables and flags, and the loader.

mod display;
mod faults;
mod files;
mod reloads;
mod shipped;
mod values;

use super::*;

/// Sources with this text as `chatd.toml`.
fn file(text: &str) -> Sources {
    Sources {
        file: ConfigFile::Text("chatd.toml".into(), text.to_owned()),
        ..Sources::default()
    }
}

/// Sources with this variable.
fn env(variable: &str, value: &str) -> Sources {
    Sources {
        env: vec![(variable.into(), value.into())],
        ..Sources::default()
    }
}

/// Sources with this `--set`.
fn set(written: &str) -> Sources {
    Sources {
        sets: vec![written.to_owned()],
        ..Sources::default()
    }
}

/// The configuration of sources that must be right.
#[track_caller]
fn good(sources: &Sources) -> Loaded {
    load(sources).unwrap_or_else(|faults| panic!("refused:\n{faults}"))
}

/// The headlines of the faults of sources that must be wrong.
#[track_caller]
fn bad(sources: &Sources) -> Vec<String> {
    load(sources)
        .expect_err("must be refused")
        .iter()
        .map(Fault::headline)
        .collect()
}
