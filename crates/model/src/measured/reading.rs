//! Reads a figure that may be absent without keeping what it reads: serde's own way with untagged values copies each into memory
//! first, text by text.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
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
    ($($visit:ident: $of:ty => $plain:path),+) => {
        $(fn $visit<E: Error>(self, value: $of) -> Result<Self::Value, E> {
            T::deserialize(Plain($plain(value), PhantomData)).map(Measured::Value)
        })+
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Told<T> {
    type Value = Measured<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a figure, or why it is absent")
    }

    plain!(
        visit_bool: bool => Scalar::Bool, visit_u64: u64 => Scalar::U64, visit_i64: i64 => Scalar::I64,
        visit_f64: f64 => Scalar::F64, visit_str: &str => Scalar::Str
    );

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        T::deserialize(Plain(Scalar::Unit, PhantomData)).map(Measured::Value)
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

/// A value that is neither a map nor a sequence.
enum Scalar<'a> {
    Bool(bool),
    U64(u64),
    I64(i64),
    F64(f64),
    Str(&'a str),
    Unit,
}

/// One source for all of them, so that each type is built for one source of scalars and not for six.
struct Plain<'a, E>(Scalar<'a>, PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for Plain<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::U64(value) => visitor.visit_u64(value),
            Scalar::I64(value) => visitor.visit_i64(value),
            Scalar::F64(value) => visitor.visit_f64(value),
            Scalar::Str(value) => visitor.visit_str(value),
            Scalar::Unit => visitor.visit_unit(),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        let Scalar::Str(value) = self.0 else { return self.deserialize_any(visitor) };
        let value: StrDeserializer<'_, E> = value.into_deserializer();
        value.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
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
