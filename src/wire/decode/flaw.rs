//! What is wrong with what came in.

use std::borrow::Cow;

use crate::fault::ErrorCode;

/// What is wrong with a line or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The word.
    pub code: ErrorCode,
    /// The sentence.
    pub text: Cow<'static, str>,
}

impl Flaw {
    /// A flaw with a fixed sentence.
    pub const fn new(code: ErrorCode, text: &'static str) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
        }
    }

    pub(super) fn missing(field: &str) -> Self {
        Self {
            code: ErrorCode::MissingField,
            text: format!("`{field}` is missing").into(),
        }
    }

    pub(super) fn bad(field: &str, expected: &str) -> Self {
        Self {
            code: ErrorCode::BadField,
            text: format!("`{field}` must be {expected}").into(),
        }
    }
}
