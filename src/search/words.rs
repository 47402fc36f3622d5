//! What is searched for.

/// Words that a message must all have, in the language of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    /// Words of one query.
    pub const MOST: usize = 16;

    /// Reads what a person typed: words, in any order and case. One that ends with `*` stands for all
    /// that begin with it; several in double quotes stand side by side. Nothing else has a meaning.
    ///
    /// # Errors
    /// There is no word, or there are more than [`Words::MOST`]; a sentence for who typed it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for (at, part) in text.split('"').enumerate() {
            if at % 2 == 1 {
                terms.extend(term(part, ""));
                continue;
            }
            for word in part.split_whitespace() {
                let prefix = word.strip_suffix('*');
                let star = if prefix.is_some() { "*" } else { "" };
                terms.extend(term(prefix.unwrap_or(word), star));
            }
        }
        match terms.len() {
            0 => Err("there is no word to search for".to_owned()),
            1..=Self::MOST => Ok(Self(terms.join(" "))),
            many => Err(format!(
                "{many} words are too many: at most {} of them",
                Self::MOST
            )),
        }
    }

    pub(super) fn expression(&self) -> &str {
        &self.0
    }
}

/// A string of the query language, which the index cuts into words as it cuts texts. None if
/// nothing in it is part of a word.
fn term(text: &str, star: &str) -> Option<String> {
    let has_word = text.chars().any(char::is_alphanumeric);
    has_word.then(|| format!("\"{text}\"{star}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_is_typed_is_taken_for_the_language_of_the_index() {
        for (typed, expression) in [
            ("tea", r#""tea""#),
            ("tea  five", r#""tea" "five""#),
            ("depl* NOT", r#""depl"* "NOT""#),
            (r#"say "tea at five""#, r#""say" "tea at five""#),
            (r#"text:x (y) ^z a"b"#, r#""text:x" "(y)" "^z" "a" "b""#),
            ("tea - &", r#""tea""#),
        ] {
            let words = Words::parse(typed).unwrap();
            assert_eq!(words.expression(), expression, "{typed}");
        }
        for typed in ["", "  ", "* - \"\"", &"x ".repeat(17)] {
            Words::parse(typed).unwrap_err();
        }
    }
}
