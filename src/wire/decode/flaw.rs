//! What is wrong with what came in.

use std::borrow::Cow;

use crate::fault::{ErrorCode, Rejection};

/// What is wrong with a line or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The words.
    pub rejection: Rejection,
    /// The sentence.
    pub text: Cow<'static, str>,
    /// The byte of the line at which it is, where that is known.
    pub offset: Option<usize>,
}

impl Flaw {
    /// A flaw with its sentence.
    pub fn new(rejection: impl Into<Rejection>, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rejection: rejection.into(),
            text: text.into(),
            offset: None,
        }
    }

    /// The same at this byte of the line.
    pub(super) fn at(self, offset: usize) -> Self {
        Self {
            offset: Some(offset),
            ..self
        }
    }

    /// The code that the client reads.
    pub const fn code(&self) -> ErrorCode {
        self.rejection.code()
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::new(ErrorCode::MissingField, format!("`{field}` is missing"))
    }

    /// A field is there, but not as it has to be.
    pub fn bad(field: &str, expected: &str) -> Self {
        Self::new(ErrorCode::BadField, format!("`{field}` must be {expected}"))
    }
}
