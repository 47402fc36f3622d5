//! One field: there or not, and of the right kind.

use std::borrow::Cow;

use super::reader::Value;
use super::{Cursor, Flaw, PageStart, TAG, Target};
use crate::event::{SEQ_MAX, Seq};

pub(super) fn required<T>(field: &str, value: Option<T>) -> Result<T, Flaw> {
    value.ok_or_else(|| Flaw::missing(field))
}

pub(super) fn text<'a>(
    field: &str,
    value: Option<Value<'a>>,
) -> Result<Option<Cow<'a, str>>, Flaw> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Flaw::bad(field, "a string")),
    }
}

pub(super) fn tag<'a>(field: &str, value: Option<Value<'a>>) -> Result<Option<Cow<'a, str>>, Flaw> {
    match text(field, value)? {
        Some(text) if text.len() > TAG => Err(Flaw::bad(field, "a string of at most 64 bytes")),
        text => Ok(text),
    }
}

pub(super) fn number(field: &str, value: Option<Value<'_>>) -> Result<Option<u64>, Flaw> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(_) => Err(Flaw::bad(field, "a whole number that is not negative")),
    }
}

pub(super) fn count(field: &str, value: Option<Value<'_>>) -> Result<Option<usize>, Flaw> {
    match number(field, value)? {
        Some(0) => Err(Flaw::bad(field, "a whole number from 1")),
        Some(n) => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
        None => Ok(None),
    }
}

pub(super) fn flag(field: &str, value: Option<Value<'_>>) -> Result<bool, Flaw> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(Flaw::bad(field, "true or false")),
    }
}

pub(super) fn presence(caps: Option<Value<'_>>) -> Result<bool, Flaw> {
    match caps {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Texts(caps)) => Ok(caps.iter().any(|cap| cap == "presence")),
        Some(_) => Err(Flaw::bad("caps", "a list of strings")),
    }
}

pub(super) fn cursor<'a>(
    field: &str,
    value: Option<Value<'a>>,
) -> Result<Option<Cursor<'a>>, Flaw> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Cursor { epoch, seq }) if seq <= SEQ_MAX => Ok(Some(Cursor { epoch, seq })),
        Some(_) => Err(Flaw::bad(
            field,
            "an object with `epoch` (string) and `seq` (number)",
        )),
    }
}

fn seq(field: &str, value: Option<Value<'_>>) -> Result<Option<Seq>, Flaw> {
    match number(field, value)? {
        Some(seq) if seq > SEQ_MAX => Err(Flaw::bad(field, "a number below 2^53")),
        seq => Ok(seq),
    }
}

pub(super) fn page_start(
    before: Option<Value<'_>>,
    after: Option<Value<'_>>,
) -> Result<PageStart, Flaw> {
    match (seq("before", before)?, seq("after", after)?) {
        (None, None) => Ok(PageStart::Latest),
        (Some(before), None) => Ok(PageStart::Before(before)),
        (None, Some(after)) => Ok(PageStart::After(after)),
        (Some(_), Some(_)) => Err(Flaw::bad("after", "absent where `before` is given")),
    }
}

pub(super) fn target<'a>(
    room: Option<Value<'a>>,
    to: Option<Value<'a>>,
) -> Result<Target<'a>, Flaw> {
    match (text("room", room)?, text("to", to)?) {
        (None, None) => Ok(Target::Default),
        (Some(room), None) => Ok(Target::Room(room)),
        (None, Some(to)) => Ok(Target::Nick(to)),
        (Some(_), Some(_)) => Err(Flaw::bad("to", "absent where `room` is given")),
    }
}
