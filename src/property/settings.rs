//! The configuration.

use crate::config::{ConfigFile, Fault, Origin, Sources, load, print, rows};

/// Between the file and each `--set`: what no text of either begins with.
const NEXT: char = '\u{1e}';

/// A configuration is taken or refused. What is taken, printed and taken again is the same; what
/// is refused names at least one place, which is there, in sentences that a terminal does not obey.
///
/// The input is the file, and what stands behind each `--set`.
pub fn settings(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let mut parts = input.split(NEXT).map(str::to_owned);
    let text = parts.next().unwrap_or_default();
    let sources = Sources {
        file: ConfigFile::Text("chatd.toml".into(), text.clone()),
        env: Vec::new(),
        sets: parts.collect(),
    };
    match load(&sources) {
        Ok(loaded) => {
            let printed = print(&loaded);
            let again = load(&Sources {
                file: ConfigFile::Text("printed.toml".into(), printed.clone()),
                ..Sources::default()
            });
            let again = again.unwrap_or_else(|faults| panic!("{faults}\n{printed}"));
            assert_eq!(again.config, loaded.config, "{printed}");
            assert_eq!(rows(&again).len(), rows(&loaded).len());
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| is_placed(fault, &text));
            is_harmless(&faults.to_string());
        }
    }
}

fn is_placed(fault: &Fault, text: &str) {
    assert!(!fault.message.is_empty());
    let headline = fault.headline();
    assert!(!headline.contains(char::is_control), "{headline:?}");
    if let Origin::File {
        position: Some(position),
        ..
    } = &fault.origin
    {
        let line = text.split('\n').nth(position.line - 1);
        let line = line.unwrap_or_else(|| panic!("{headline:?} is beyond the file"));
        let most = line.chars().count() + 1;
        assert!(position.column <= most, "{headline:?} is beyond its line");
    }
}

fn is_harmless(text: &str) {
    let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!text.contains(is_bad), "{text:?}");
}
