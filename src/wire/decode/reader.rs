//! The strict reader: one object of JSON into the fields that the protocol knows.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{DEPTH, Fields};
use crate::fault::Detail;

/// What this reader itself found wrong: serde's errors are only words.
type Broken<'c> = &'c Cell<Option<Detail>>;

/// A value, as far as any field needs it.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(u64),
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    Cursor { epoch: Cow<'a, str>, seq: u64 },
    Other,
}

/// The keys of one object that were seen. Linear while there are few, hashed when there are many.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

const FEW: usize = 16;

impl<'a> Keys<'a> {
    fn note<E: de::Error>(&mut self, key: Cow<'a, str>, broken: Broken<'_>) -> Result<(), E> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(twice(&key, broken));
        }
        if self.few.len() < FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

fn twice<E: de::Error>(key: &str, broken: Broken<'_>) -> E {
    broken.set(Some(Detail::DuplicateKey));
    let shown: String = key.chars().take(40).collect();
    E::custom(format_args!("the key `{shown}` stands twice"))
}

/// The object that a line is.
pub(super) struct TopLevel<'c>(pub(super) Broken<'c>);

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        let mut keys = Keys::default();
        while let Some(key) = map.next_key_seed(Key)? {
            let nested = Nested {
                depth: 1,
                broken: self.0,
            };
            let value = map.next_value_seed(nested)?;
            match fields.slot(&key) {
                Some(slot @ None) => *slot = Some(value),
                Some(Some(_)) => return Err(twice(&key, self.0)),
                None => keys.note(key, self.0)?,
            }
        }
        Ok(fields)
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A value at this depth.
#[derive(Clone, Copy)]
struct Nested<'c> {
    depth: usize,
    broken: Broken<'c>,
}

impl Nested<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            self.broken.set(Some(Detail::Depth));
            return Err(E::custom(format_args!("nested deeper than {DEPTH}")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let inner = self.deeper()?;
        let mut texts = Some(Vec::new());
        while let Some(value) = seq.next_element_seed(inner)? {
            texts = match (texts, value) {
                (Some(mut texts), Value::Text(text)) => {
                    texts.push(text);
                    Some(texts)
                }
                _ => None,
            };
        }
        Ok(texts.map_or(Value::Other, Value::Texts))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let inner = self.deeper()?;
        let mut keys = Keys::default();
        let (mut epoch, mut seq) = (None, None);
        while let Some(key) = map.next_key_seed(Key)? {
            match (key.as_ref(), map.next_value_seed(inner)?) {
                ("epoch", Value::Text(text)) => epoch = Some(text),
                ("seq", Value::Number(number)) => seq = Some(number),
                _ => {}
            }
            keys.note(key, self.broken)?;
        }
        Ok(match (epoch, seq) {
            (Some(epoch), Some(seq)) => Value::Cursor { epoch, seq },
            _ => Value::Other,
        })
    }
}
