//! What rustyline is told about the line that is being edited, and what it tells.

use std::borrow::Cow;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::gate::Gate;
use crate::client::command::Command;
use crate::client::people::People;
use crate::client::prompt::Prompt;

/// A prompt that says when it is drawn: only while a line is being edited.
pub(super) struct Drawn {
    pub(super) text: String,
    pub(super) gate: Arc<Gate>,
}

impl rustyline::Prompt for Drawn {
    fn raw(&self) -> &str {
        self.gate.draws();
        &self.text
    }

    fn styled(&self) -> &str {
        self.raw()
    }
}

/// Notices that a line is complete, and completes commands and names.
pub(super) struct Watch {
    pub(super) gate: Arc<Gate>,
    pub(super) prompt: Arc<Prompt>,
}

impl Helper for Watch {}

impl Validator for Watch {
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.gate.leaves();
        Ok(ValidationResult::Valid(None))
    }
}

impl Highlighter for Watch {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m"))
    }
}

impl Hinter for Watch {
    type Hint = String;
}

impl Completer for Watch {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..at).unwrap_or(line);
        Ok(completions(before, &self.prompt.people))
    }
}

/// Where the word begins that stands before the cursor, and what it may become.
fn completions(before: &str, people: &People) -> (usize, Vec<String>) {
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let begun = &before[start..];
    if begun.is_empty() {
        return (start, vec![]);
    }
    if start == 0 && begun.starts_with('/') {
        let words = Command::WORDS.iter().filter(|word| word.starts_with(begun));
        return (start, words.map(|word| format!("{word} ")).collect());
    }
    // `/msg` takes a name with a space in it only in quotes.
    let named = |nick: String| match nick.contains(' ') && before.starts_with("/msg ") {
        true => format!("\"{nick}\" "),
        false if start == 0 => format!("{nick}: "),
        false => format!("{nick} "),
    };
    (
        start,
        people.beginning(begun).into_iter().map(named).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::item::Item;

    #[test]
    fn completes_commands_at_the_start_and_names_everywhere() {
        let people = People::default();
        for nick in ["bob", "Bo Peep"] {
            let (username, text) = (nick.to_owned(), String::new());
            people.meet(&Item::Private { username, text });
        }
        for (before, start, all) in [
            ("/n", 0, &["/names ", "/nick "][..]),
            ("bo", 0, &["Bo Peep: ", "bob: "]),
            ("ask bo", 4, &["Bo Peep ", "bob "]),
            ("/msg bo", 5, &["\"Bo Peep\" ", "bob "]),
            ("ask /n", 4, &[]),
            ("ask ", 4, &[]),
            ("", 0, &[]),
            ("größe bo", 8, &["Bo Peep ", "bob "]),
        ] {
            let expected = all.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(
                completions(before, &people),
                (start, expected),
                "{before:?}"
            );
        }
    }
}
