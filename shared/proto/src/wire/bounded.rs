//! Lists that are read up to a limit and no further: in memory the smallest element takes some twenty times its bytes.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a list of at most `MOST` elements; a longer one is an error. For `#[serde(deserialize_with)]`.
///
/// # Errors
/// Too many elements, or one that can't be read.
pub fn at_most<'de, T: Deserialize<'de>, D: Deserializer<'de>, const MOST: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Elements::<T, MOST>(PhantomData))
}

struct Elements<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Elements<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() >= MOST {
                return Err(A::Error::custom("a list has too many elements"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}
