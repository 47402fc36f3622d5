//! Names: text checked once, valid ever after.
//!
//! A nick has 1–32 characters, a room name 1–64. Both are in NFKC (refused otherwise, never
//! changed), of one script, without controls, bidi marks, quotes or any of `/ @ # : , * ! < >`,
//! without characters that show nothing, and not digits alone. Nicks may contain single inner spaces.
//!
//! Two pure-ASCII names are the same if their lower case is. Where a non-ASCII name is involved
//! they are the same if the confusable skeletons (UTS #39) of their case folds are: [`Names`] is
//! the map that knows this.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use hashbrown::HashTable;
use unicode_normalization::is_nfkc;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::MixedScript;
use unicode_security::confusable_detection::skeleton;

use crate::escape::visible;

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

    /// A name that was checked when it was first given, and was kept since.
    pub(crate) fn kept(text: &str) -> Self {
        Self(text.into())
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
    if text.contains(is_variation) || visible(text) != text {
        return Err("a name must have only what is shown");
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

/// Chooses between two pictures of the character before, and mostly does nothing that can be seen.
fn is_variation(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
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
        if text.is_ascii() {
            let fold = text.to_ascii_lowercase();
            let skeleton = fold.bytes().map(|c| &*LOOKS[usize::from(c)]).collect();
            return Self { fold, skeleton };
        }
        let fold = text.to_lowercase();
        let skeleton = skeleton(&fold).collect();
        Self { fold, skeleton }
    }
}

/// The skeleton of each ASCII character. Put together they are the skeleton of ASCII text: no rule
/// looks at two of them. Nearly all names are such text, and the rules are thirty times dearer.
static LOOKS: LazyLock<[Box<str>; 128]> =
    LazyLock::new(|| std::array::from_fn(|c| skeleton(&(c as u8 as char).to_string()).collect()));

/// Whether two names are the same.
pub fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (Key::of(one), Key::of(other));
    if one.fold.is_ascii() && other.fold.is_ascii() {
        one.fold == other.fold
    } else {
        one.skeleton == other.skeleton
    }
}

/// A map by name that holds no two names that are the same.
///
/// Invariant: `looks` holds exactly the keys of `values`, each under the hash of its skeleton.
#[derive(Debug)]
pub struct Names<T> {
    values: HashMap<Arc<str>, T>,
    looks: HashTable<Look>,
    hasher: RandomState,
}

/// Skeletons are made again where they are compared. Kept, they would be most of what an idle
/// client's name takes.
#[derive(Debug)]
struct Look {
    /// Of the skeleton: kept, so that a growing table makes none.
    hash: u64,
    fold: Arc<str>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            looks: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T> Names<T> {
    /// The value under this name or one that is the same.
    pub fn find(&self, name: &str) -> Option<&T> {
        if name.is_ascii()
            && let Some(value) = self.values.get(&*name.to_ascii_lowercase())
        {
            return Some(value);
        }
        self.values.get(self.look_alike(&Key::of(name))?)
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
        let key = Key::of(name);
        if self.values.contains_key(&*key.fold) || self.look_alike(&key).is_some() {
            return Err(value);
        }
        let fold: Arc<str> = key.fold.into();
        let look = Look {
            hash: self.hasher.hash_one(&key.skeleton),
            fold: fold.clone(),
        };
        self.looks.insert_unique(look.hash, look, |look| look.hash);
        self.values.insert(fold, value);
        Ok(())
    }

    /// Takes out exactly this name (by case fold: a look-alike is somebody else).
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let key = Key::of(name);
        let value = self.values.remove(&*key.fold)?;
        let hash = self.hasher.hash_one(&key.skeleton);
        if let Ok(look) = self.looks.find_entry(hash, |look| *look.fold == *key.fold) {
            look.remove();
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
    fn fold_of(&self, name: &str) -> Option<Arc<str>> {
        if name.is_ascii() {
            let known = self.values.get_key_value(&*name.to_ascii_lowercase());
            if let Some((fold, _)) = known {
                return Some(fold.clone());
            }
        }
        self.look_alike(&Key::of(name)).cloned()
    }

    /// The fold of a name that is the same by its looks. Two names in ASCII never are.
    fn look_alike(&self, key: &Key) -> Option<&Arc<str>> {
        let is_ascii = key.fold.is_ascii();
        let hash = self.hasher.hash_one(&key.skeleton);
        let look = self.looks.find(hash, |look| {
            look.hash == hash
                && !(is_ascii && look.fold.is_ascii())
                && Key::of(&look.fold).skeleton == key.skeleton
        })?;
        Some(&look.fold)
    }
}

#[cfg(test)]
mod tests;
