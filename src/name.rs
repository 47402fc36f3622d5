//! Names: text checked once, valid ever after.
//!
//! A nick has 1–32 characters, a room name 1–64. Both are in NFKC (refused otherwise, never
//! changed), of one script, without controls, bidi marks, quotes or any of `/ @ # : , * ! < >`,
//! and not digits alone. Nicks may contain single inner spaces.
//!
//! Two pure-ASCII names are the same if their lower case is. Where a non-ASCII name is involved
//! they are the same if the confusable skeletons (UTS #39) of their case folds are: [`Names`] is
//! the map that knows this.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::is_nfkc;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::MixedScript;
use unicode_security::confusable_detection::skeleton;

/// Longest nick, in characters.
pub const NICK_CHARS: usize = 32;
/// Longest room name, in characters.
pub const ROOM_CHARS: usize = 64;

const FORBIDDEN: &[char] = &[
    '/', '@', '#', ':', ',', '*', '!', '<', '>', '"', '\'', '`', '\\', '\u{2018}', '\u{2019}',
    '\u{201c}', '\u{201d}', '\u{ab}', '\u{bb}',
];
const RESERVED: [&str; 4] = ["chatd", "admin", "server", "system"];
const GUEST: &str = "guest-";

/// Why text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It breaks a rule; the sentence says which.
    Invalid(&'static str),
    /// It is well formed, but nobody may take it.
    Reserved,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid(why) => why,
            Self::Reserved => "this name is reserved",
        })
    }
}

/// What a person is called.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nick(Arc<str>);

impl Nick {
    /// Checks text that a client sent.
    ///
    /// # Errors
    /// Says which rule is broken; a reserved name or one that looks like it is [`NameFault::Reserved`].
    pub fn new(text: &str) -> Result<Self, NameFault> {
        check(text, NICK_CHARS, true).map_err(NameFault::Invalid)?;
        if is_reserved(text) {
            return Err(NameFault::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The name of a session that has not chosen one.
    pub fn guest(number: u64) -> Self {
        Self(format!("{GUEST}{number}").into())
    }

    /// The name as its holder wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a room is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Checks text that a client or the configuration gave.
    ///
    /// # Errors
    /// The sentence that says which rule is broken.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        check(text, ROOM_CHARS, false)?;
        Ok(Self(text.into()))
    }

    /// The name as its maker wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! shown_as_text {
    ($($name:ty),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )+};
}
shown_as_text!(Nick, RoomName);

fn check(text: &str, longest: usize, spaces: bool) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a name must not be empty");
    }
    if text.chars().take(longest + 1).count() > longest {
        return Err(if spaces {
            "a nick has at most 32 characters"
        } else {
            "a room name has at most 64 characters"
        });
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a name must not be digits alone");
    }
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err("spaces may only stand single and inside a nick");
    }
    if !text.chars().all(|c| is_allowed(c, spaces)) {
        return Err(
            "a name has no spaces at its ends, controls, quotes or any of / @ # : , * ! < > \\",
        );
    }
    if text.is_ascii() {
        return Ok(());
    }
    if !is_nfkc(text) {
        return Err("a name must be in Unicode normal form NFKC");
    }
    if !text.is_single_script() {
        return Err("a name must not mix scripts");
    }
    Ok(())
}

fn is_allowed(c: char, spaces: bool) -> bool {
    if c == ' ' {
        return spaces;
    }
    if FORBIDDEN.contains(&c) {
        return false;
    }
    c.is_ascii_graphic()
        || !c.is_ascii()
            && !matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator
            )
}

fn is_reserved(text: &str) -> bool {
    let key = Key::of(text);
    if key.fold.starts_with(GUEST) || key.skeleton.starts_with(GUEST) {
        return true;
    }
    RESERVED.iter().any(|reserved| {
        if text.is_ascii() {
            key.fold == **reserved
        } else {
            key.skeleton == Key::of(reserved).skeleton
        }
    })
}

/// What two names are compared by.
struct Key {
    fold: String,
    skeleton: String,
}

impl Key {
    fn of(text: &str) -> Self {
        let fold = text.to_lowercase();
        let skeleton = skeleton(&fold).collect();
        Self { fold, skeleton }
    }
}

/// A map by name that holds no two names that are the same.
///
/// Invariant: `folds[s]` lists exactly the keys of `values` whose skeleton is `s`.
#[derive(Debug)]
pub struct Names<T> {
    values: HashMap<Box<str>, T>,
    folds: HashMap<Box<str>, Vec<Box<str>>>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            folds: HashMap::new(),
        }
    }
}

impl<T> Names<T> {
    /// The value under this name or one that is the same.
    pub fn find(&self, name: &str) -> Option<&T> {
        self.fold_of(name).and_then(|fold| self.values.get(&fold))
    }

    /// As [`Names::find`], to change it.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut T> {
        self.fold_of(name)
            .and_then(|fold| self.values.get_mut(&fold))
    }

    /// Puts a value under a free name. Gives it back if the name is taken.
    ///
    /// # Errors
    /// The value, if the same name is there already.
    pub fn insert(&mut self, name: &str, value: T) -> Result<(), T> {
        if self.fold_of(name).is_some() {
            return Err(value);
        }
        let key = Key::of(name);
        let fold: Box<str> = key.fold.into();
        self.folds
            .entry(key.skeleton.into())
            .or_default()
            .push(fold.clone());
        self.values.insert(fold, value);
        Ok(())
    }

    /// Takes out exactly this name (by case fold: a look-alike is somebody else).
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let key = Key::of(name);
        let value = self.values.remove(&*key.fold)?;
        if let Some(folds) = self.folds.get_mut(&*key.skeleton) {
            folds.retain(|fold| **fold != *key.fold);
            if folds.is_empty() {
                self.folds.remove(&*key.skeleton);
            }
        }
        Some(value)
    }

    /// Takes out what [`Names::find`] would find.
    pub fn remove_same(&mut self, name: &str) -> Option<T> {
        let fold = self.fold_of(name)?;
        self.remove(&fold)
    }

    /// Every value, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The fold under which the same name stands, if it does.
    fn fold_of(&self, name: &str) -> Option<Box<str>> {
        if name.is_ascii() {
            let lower = name.to_ascii_lowercase();
            if self.values.contains_key(&*lower) {
                return Some(lower.into());
            }
        }
        let folds = self.folds.get(&*Key::of(name).skeleton)?;
        folds
            .iter()
            .find(|fold| !(name.is_ascii() && fold.is_ascii()))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_names() {
        for name in [
            "alice",
            "Bob-2",
            "a",
            "jörg",
            "мария",
            "山田",
            "x_y.z",
            "Anna Maria",
            "日本",
        ] {
            assert!(Nick::new(name).is_ok(), "{name}");
        }
        assert!(Nick::new(&"x".repeat(32)).is_ok());
        assert!(RoomName::new(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn what_is_not_a_name_says_why() {
        let long = "x".repeat(33);
        let bad = [
            "",
            &long,
            "12",
            " a",
            "a ",
            "a  b",
            "a/b",
            "a@b",
            "#a",
            "a:b",
            "a,b",
            "*",
            "a!",
            "<a>",
            "a\"",
            "a'",
            "a\u{7f}",
            "a\u{1b}[1m",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{a0}b",
            "ﬁsh",
            "e\u{301}",
            "pаypal",
            "a\tb",
        ];
        for name in bad {
            assert!(
                matches!(Nick::new(name), Err(NameFault::Invalid(_))),
                "{name:?}"
            );
        }
        assert!(RoomName::new("two words").is_err());
        assert!(RoomName::new(&"x".repeat(65)).is_err());
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in ["chatd", "Admin", "SERVER", "system", "guest-1", "Guest-x"] {
            assert_eq!(Nick::new(name), Err(NameFault::Reserved), "{name}");
        }
        assert!(Nick::new("administrator").is_ok());
        assert_eq!(Nick::guest(7).as_str(), "guest-7");
    }

    #[test]
    fn ascii_names_are_the_same_by_case_and_others_by_looks() {
        let mut names = Names::default();
        names.insert("modern", 1).unwrap();
        assert_eq!(names.insert("Modern", 2), Err(2));
        names.insert("modem", 3).unwrap();
        // Cyrillic letters that look like "oxo".
        names.insert("охо", 4).unwrap();
        assert_eq!(names.find("oxo"), Some(&4));
        assert_eq!(names.insert("OXO", 5), Err(5));
        assert_eq!(names.remove("oxo"), None, "a look-alike is not the holder");
        assert_eq!(names.remove("охо"), Some(4));
        assert_eq!(names.find("oxo"), None);
        names.insert("oxo", 6).unwrap();
        assert_eq!(names.len(), 3);
    }
}
