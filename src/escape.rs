//! Foreign text made safe to show.
//!
//! Whatever others wrote (a message, a nick, a topic, the words of a `bye`) passes [`visible`]
//! before it reaches a terminal, a log or a line of the text dialect. What a terminal would obey
//! and what a reader would not see comes out as a visible escape; everything else is untouched:
//!
//! - control characters, C0 and C1 alike (U+009B opens a control sequence just as ESC `[` does);
//! - line and paragraph separators: one record stays one line;
//! - bidi controls, zero-width and other format characters, private use, what is not assigned;
//! - letters and marks that show nothing although their category is not "Other";
//! - marks beyond the eighth on one letter, which would smear over the lines above and below.
//!
//! Kept on purpose: the zero-width joiner inside an emoji sequence, the joiners between letters of
//! scripts that are spelled with them (Persian, the Indic scripts), the tags of a flag, and the
//! part of the emoji planes that is not assigned *yet*.
//!
//! The escape is for reading, not for undoing: a text may contain the four characters `\x1b` too.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_properties::{GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};

const JOINER: char = '\u{200d}';
const NON_JOINER: char = '\u{200c}';
const BLACK_FLAG: char = '\u{1f3f4}';

/// The text with everything that a terminal would obey, or a reader not see, as visible escapes.
///
/// Borrows when there is nothing to escape. The result has no character below U+0020, none in
/// U+007F..=U+009F and no line separator, so it stays on one line and moves no cursor.
///
/// ```
/// use chatd::escape::visible;
///
/// assert_eq!(visible("grüß dich 🦀"), "grüß dich 🦀");
/// assert_eq!(visible("\x1b]52;c;aGk=\x07"), r"\x1b]52;c;aGk=\x07");
/// assert_eq!(visible("\u{9b}2J"), r"\x9b2J");
/// assert_eq!(visible("two\nlines"), r"two\nlines");
/// assert_eq!(visible("abc\u{202e}def"), r"abc\u{202e}def");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    let Some(first) = first_hidden(text) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    let mut context = Context::after(&text[..first]);
    let mut rest = text[first..].chars().peekable();
    while let Some(c) = rest.next() {
        if context.shows(c, rest.peek().copied()) {
            out.push(c)
        } else {
            escape(c, &mut out)
        }
        context.passed(c);
    }
    Cow::Owned(out)
}

/// Where the first character stands that has to be escaped.
fn first_hidden(text: &str) -> Option<usize> {
    if text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
        return None;
    }
    let mut context = Context::default();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if !context.shows(c, rest.peek().map(|&(_, next)| next)) {
            return Some(at);
        }
        context.passed(c);
    }
    None
}

/// Marks that one letter may carry: more than any spelling needs.
const MARKS: u8 = 8;

/// What stands before a character, as far as its meaning hangs on it.
#[derive(Default)]
struct Context {
    /// The last character is an emoji, or modifies one.
    emoji: bool,
    /// Inside the tags of a flag that began with a black flag.
    flag: bool,
    /// The last character is a letter or mark of a script that is spelled with joiners.
    spelled: bool,
    /// How many marks in a row came last, at most [`MARKS`].
    marks: u8,
}

impl Context {
    fn after(text: &str) -> Self {
        let mut context = Self::default();
        text.chars().for_each(|c| context.passed(c));
        context
    }

    fn shows(&self, c: char, next: Option<char>) -> bool {
        match c {
            ' '..='~' => true,
            JOINER if self.emoji => next.is_some_and(is_emoji),
            JOINER | NON_JOINER => self.spelled && next.is_some_and(is_spelled_with_joiners),
            '\u{e0020}'..='\u{e007f}' => self.flag,
            _ if self.marks >= MARKS && is_mark(c) => false,
            _ => !is_hidden(c),
        }
    }

    fn passed(&mut self, c: char) {
        self.flag = c == BLACK_FLAG || (self.flag && matches!(c, '\u{e0020}'..='\u{e007e}'));
        self.marks = if is_mark(c) {
            (self.marks + 1).min(MARKS)
        } else {
            0
        };
        self.spelled = is_spelled_with_joiners(c);
        self.emoji = is_emoji(c) || (self.emoji && c == '\u{fe0f}');
    }
}

fn is_emoji(c: char) -> bool {
    !c.is_ascii() && c.is_emoji_char()
}

/// Arabic and Syriac, and the Indic scripts from Devanagari to Sinhala.
fn is_spelled_with_joiners(c: char) -> bool {
    matches!(c, '\u{620}'..='\u{7bf}' | '\u{900}'..='\u{dff}')
        && c.general_category_group() != GeneralCategoryGroup::Other
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && c.general_category_group() == GeneralCategoryGroup::Mark
}

fn is_hidden(c: char) -> bool {
    match c {
        // Hangul fillers, Khmer inherent vowels, the grapheme joiner, the blank Braille cell.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' | '\u{34f}'
        | '\u{2800}' => true,
        // A picture that is newer than the tables is still a picture.
        '\u{1f000}'..='\u{1faff}' => false,
        '\u{2028}' | '\u{2029}' => true,
        _ => c.general_category_group() == GeneralCategoryGroup::Other,
    }
}

fn escape(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Writing to a String cannot fail.
        c if u32::from(c) < 0x100 => drop(write!(out, "\\x{:02x}", u32::from(c))),
        c => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_what_people_write_alone_and_borrows_it() {
        for text in [
            "",
            "hello, world!",
            "Grüße aus Köln",
            "日本語",
            "עברית",
            "e\u{301}",
            "🦀",
            "👩‍💻",
            "👍🏽",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "❤️",
            "🏳️‍🌈",
            "👨‍👩‍👧‍👦",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "\u{1fae9}",
        ] {
            assert!(
                matches!(visible(text), Cow::Borrowed(same) if same == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn escapes_every_control_character() {
        for c in ('\0'..' ').chain('\u{7f}'..='\u{9f}') {
            let text = format!("a{c}b");
            let shown = visible(&text);
            assert!(
                shown.starts_with("a\\") && shown.ends_with('b'),
                "{c:?} became {shown:?}"
            );
            assert!(!shown.chars().any(char::is_control));
        }
    }

    #[test]
    fn escapes_what_reorders_or_hides() {
        let hidden = ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain("\u{200b}\u{200c}\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{feff}\u{ad}".chars())
            .chain(
                "\u{2060}\u{2064}\u{e0041}\u{e000}\u{fff9}\u{180e}\u{115f}\u{3164}\u{2800}".chars(),
            );
        for c in hidden {
            let shown = visible(&format!("a{c}b")).into_owned();
            assert_eq!(shown, format!("a{}b", escaped(c)), "{c:?}");
        }
    }

    #[test]
    fn a_joiner_is_kept_only_between_emoji() {
        assert_eq!(visible("pay\u{200d}pal"), "pay\\u{200d}pal");
        assert_eq!(visible("🦀\u{200d}"), "🦀\\u{200d}");
        assert_eq!(visible("1\u{200d}2"), "1\\u{200d}2");
        assert_eq!(visible("a\u{e0061}"), "a\\u{e0061}");
        assert_eq!(
            visible("x\u{1b}👩\u{200d}💻"),
            "x\\x1b👩\u{200d}💻",
            "after an escape too"
        );
    }

    #[test]
    fn marks_do_not_pile_up() {
        let tower = format!("a{}b", "\u{301}".repeat(10));
        let shown = format!("a{}\\u{{301}}\\u{{301}}b", "\u{301}".repeat(8));
        assert_eq!(visible(&tower), shown);
    }

    fn escaped(c: char) -> String {
        let code = u32::from(c);
        if code < 0x100 {
            format!("\\x{code:02x}")
        } else {
            format!("\\u{{{code:x}}}")
        }
    }
}
