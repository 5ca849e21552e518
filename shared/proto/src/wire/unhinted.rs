//! Decoding that believes no claimed length.
//!
//! A message says how long each of its collections is before the elements come. serde's own collections reserve
//! room for up to 1 MiB on that word alone, at every level of nesting, and owned texts are allocated whole before
//! they are read. This adapter stands between any serde decoder and the message: it withholds the claimed
//! lengths, so collections grow as elements arrive, and asks for texts and bytes as borrowed ones, which exist only
//! once their length was checked against the input. It changes nothing else.

use core::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// A message decoded without reserving memory for what has not arrived.
pub(super) struct Unhinted<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unhinted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Wary(deserializer)).map(Self)
    }
}

/// A deserializer, a visitor or an access of serde, with the lengths that it claims withheld.
struct Wary<T>(T);

/// Deserializer methods that take a visitor, and perhaps arguments before it, and pass both on.
macro_rules! pass_on {
    ($($method:ident => $inner:ident ( $($argument:ident : $type:ty),* );)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.0.$inner($($argument,)* Wary(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Wary<D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any => deserialize_any();
        deserialize_bool => deserialize_bool();
        deserialize_i8 => deserialize_i8();
        deserialize_i16 => deserialize_i16();
        deserialize_i32 => deserialize_i32();
        deserialize_i64 => deserialize_i64();
        deserialize_i128 => deserialize_i128();
        deserialize_u8 => deserialize_u8();
        deserialize_u16 => deserialize_u16();
        deserialize_u32 => deserialize_u32();
        deserialize_u64 => deserialize_u64();
        deserialize_u128 => deserialize_u128();
        deserialize_f32 => deserialize_f32();
        deserialize_f64 => deserialize_f64();
        deserialize_char => deserialize_char();
        deserialize_str => deserialize_str();
        deserialize_string => deserialize_str();
        deserialize_bytes => deserialize_bytes();
        deserialize_byte_buf => deserialize_bytes();
        deserialize_option => deserialize_option();
        deserialize_unit => deserialize_unit();
        deserialize_unit_struct => deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct => deserialize_newtype_struct(name: &'static str);
        deserialize_seq => deserialize_seq();
        deserialize_tuple => deserialize_tuple(len: usize);
        deserialize_tuple_struct => deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map => deserialize_map();
        deserialize_struct => deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum => deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier => deserialize_identifier();
        deserialize_ignored_any => deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Visitor methods that take a plain value and pass it on.
macro_rules! take {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Wary<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    take! {
        visit_bool(bool); visit_i8(i8); visit_i16(i16); visit_i32(i32); visit_i64(i64); visit_i128(i128);
        visit_u8(u8); visit_u16(u16); visit_u32(u32); visit_u64(u64); visit_u128(u128); visit_f32(f32);
        visit_f64(f64); visit_char(char); visit_str(&str); visit_borrowed_str(&'de str); visit_string(String);
        visit_bytes(&[u8]); visit_borrowed_bytes(&'de [u8]); visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Wary(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Wary(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Wary(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Wary(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Wary(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Wary<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Wary(deserializer))
    }
}

// The point of it all: `size_hint` is left at its default, "unknown".
impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Wary(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Wary(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Wary(seed))
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Wary<A> {
    type Error = A::Error;
    type Variant = Wary<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Wary(seed))?;
        Ok((value, Wary(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Wary(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Wary(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Wary(visitor))
    }
}
