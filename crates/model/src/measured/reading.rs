//! Reads a figure that may be absent, without keeping what it reads: serde's own way with untagged values copies each into
//! memory first, which took most of the time in which a journal is read.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::Measured;

const ABSENT: &str = "absent";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Measured<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Told(PhantomData))
    }
}

struct Told<T>(PhantomData<T>);

macro_rules! plain {
    ($($visit:ident: $of:ty),+) => {
        $(fn $visit<E: Error>(self, value: $of) -> Result<Self::Value, E> {
            T::deserialize(value.into_deserializer()).map(Measured::Value)
        })+
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Told<T> {
    type Value = Measured<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a figure, or why it is absent")
    }

    plain!(visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_str: &str, visit_string: String);

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        T::deserialize(().into_deserializer()).map(Measured::Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq)).map(Measured::Value)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match map.next_key::<Key<'de>>()? {
            Some(Key::Absent) => {
                let absent = map.next_value()?;
                match map.next_key::<Key<'de>>()? {
                    None => Ok(Measured::Absent { absent }),
                    Some(more) => Err(A::Error::unknown_field(more.name(), &[ABSENT])),
                }
            }
            first => {
                let whole = Resumed { first, rest: map };
                T::deserialize(MapAccessDeserializer::new(whole)).map(Measured::Value)
            }
        }
    }
}

/// The key that tells an absence from a value.
enum Key<'de> {
    Absent,
    Other(Cow<'de, str>),
}

impl Key<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Absent => ABSENT,
            Self::Other(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(if name == ABSENT { Key::Absent } else { Key::Other(Cow::Borrowed(name)) })
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
                let other = || Key::Other(Cow::Owned(name.to_owned()));
                Ok(if name == ABSENT { Key::Absent } else { other() })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A map of which the first key was read already.
struct Resumed<'de, A> {
    first: Option<Key<'de>>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Resumed<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(key) => seed.deserialize(key.name().into_deserializer()).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}
