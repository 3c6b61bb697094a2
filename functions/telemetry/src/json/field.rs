//! The forms of a value: what a field may hold is judged later, here it is only read.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::context::Context;

/// A value that is no block and no list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scalar<'de> {
    /// No such key.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// `[]`, the emitter's word for nothing.
    Empty,
    Bool(bool),
    /// As it was written.
    Number(&'de str),
    /// Between the quotes, no backslash among it.
    Text(&'de str),
    /// Between the quotes, with escapes that are known to be valid.
    Escaped(&'de str),
    /// An object, or a list that is not empty.
    Container,
}

/// An object-typed field.
#[derive(Debug, Default)]
pub(crate) enum Block<T> {
    /// Missing, `null` or `[]`.
    #[default]
    Absent,
    /// Neither an object nor nothing.
    Wrong,
    Present(T),
}

/// An array-typed field.
#[derive(Debug, Default)]
pub(crate) enum List<T> {
    /// Missing or `null`.
    #[default]
    Absent,
    /// Not an array.
    Wrong,
    Items(Vec<T>),
}

/// An object of which some keys are read.
pub(crate) trait Shape<'de>: Default {
    /// Takes the value of a key: it must be read or skipped.
    fn take<A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, 'de, A>) -> Result<(), A::Error>;
}

/// The value of a key, not yet read.
pub(crate) struct Value<'c, 'de, A> {
    map: &'c mut A,
    context: &'c mut Context<'de>,
}

impl<'de, A: MapAccess<'de>> Value<'_, 'de, A> {
    pub(crate) fn read<F: Field<'de>>(self) -> Result<F, A::Error> {
        self.map.next_value_seed(Seed::new(self.context))
    }

    /// Unknown keys are ignored, but what is in them must be JSON as we take it.
    pub(crate) fn skip(self) -> Result<(), A::Error> {
        self.read()
    }
}

/// Anything that can be read without knowing what it should be.
pub(crate) trait Field<'de>: Sized {
    fn read<D: Deserializer<'de>>(deserializer: D, context: &mut Context<'de>) -> Result<Self, D::Error>;
}

/// A [`Field`] on its way.
pub(crate) struct Seed<'c, 'de, F> {
    context: &'c mut Context<'de>,
    field: PhantomData<F>,
}

impl<'c, 'de, F> Seed<'c, 'de, F> {
    pub(crate) fn new(context: &'c mut Context<'de>) -> Self {
        Self { context, field: PhantomData }
    }
}

impl<'de, F: Field<'de>> DeserializeSeed<'de> for Seed<'_, 'de, F> {
    type Value = F;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        F::read(deserializer, self.context)
    }
}

/// Skipped.
impl<'de> Field<'de> for () {
    fn read<D: Deserializer<'de>>(deserializer: D, context: &mut Context<'de>) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Skip(context))
    }
}

impl<'de> Field<'de> for Scalar<'de> {
    fn read<D: Deserializer<'de>>(deserializer: D, context: &mut Context<'de>) -> Result<Self, D::Error> {
        use serde::Deserialize;
        let token = <&'de RawValue>::deserialize(deserializer)?.get();
        match token.as_bytes() {
            [b'"', .., b'"'] => {
                let text = &token[1..token.len() - 1];
                if !text.contains('\\') {
                    return Ok(Self::Text(text));
                }
                // A raw token was skipped, not decoded: surrogates have not been paired yet.
                if text.contains("\\u") {
                    decode(token).ok_or_else(|| D::Error::custom("a surrogate without its partner"))?;
                }
                Ok(Self::Escaped(text))
            }
            [b't', ..] => Ok(Self::Bool(true)),
            [b'f', ..] => Ok(Self::Bool(false)),
            [b'n', ..] => Ok(Self::Null),
            [b'[' | b'{', inner @ ..] => {
                // Nor were the keys, the depth and the numbers in it looked at.
                let mut parser = serde_json::Deserializer::from_str(token);
                <()>::read(&mut parser, context).map_err(D::Error::custom)?;
                let empty = token.starts_with('[') && inner.trim_ascii() == b"]";
                Ok(if empty { Self::Empty } else { Self::Container })
            }
            _ if is_finite(token) => Ok(Self::Number(token)),
            _ => Err(D::Error::custom("more than a double holds")),
        }
    }
}

/// Few digits without an exponent need no look.
fn is_finite(number: &str) -> bool {
    let short = number.len() < 300 && !number.contains(['e', 'E']);
    short || number.parse().is_ok_and(f64::is_finite)
}

/// The text of a string token, quotes included.
fn decode(token: &str) -> Option<String> {
    serde_json::from_str(token).ok()
}

impl<'de> Scalar<'de> {
    /// The text of a [`Text`](Self::Text) or [`Escaped`](Self::Escaped).
    pub(crate) fn text(self) -> Option<Cow<'de, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Escaped(text) => decode(&format!("\"{text}\"")).map(Cow::Owned),
            _ => None,
        }
    }
}

impl<'de, T: Shape<'de>> Field<'de> for Block<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, context: &mut Context<'de>) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BlockVisitor { context, shape: PhantomData })
    }
}

impl<'de, F: Field<'de>> Field<'de> for List<F> {
    fn read<D: Deserializer<'de>>(deserializer: D, context: &mut Context<'de>) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor { context, field: PhantomData })
    }
}

fn too_deep<E: Error>() -> E {
    E::custom("nested too deep")
}

/// Reads an object key by key, so that none comes twice.
fn each_key<'de, A: MapAccess<'de>>(
    context: &mut Context<'de>,
    mut map: A,
    mut take: impl FnMut(&str, Value<'_, 'de, A>) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    if !context.enter() {
        return Err(too_deep());
    }
    let mut keys = context.begin_object();
    while let Some(key) = map.next_key_seed(KeySeed)? {
        if !context.add_key(&mut keys, key.clone()) {
            return Err(A::Error::custom("a key appears twice"));
        }
        take(&key, Value { map: &mut map, context })?;
    }
    context.end_object(&keys);
    context.leave();
    Ok(())
}

/// Skips the rest of a list. `true`: there was none.
fn skip_items<'de, A: SeqAccess<'de>>(context: &mut Context<'de>, mut items: A) -> Result<bool, A::Error> {
    if !context.enter() {
        return Err(too_deep());
    }
    let mut empty = true;
    while items.next_element_seed(Seed::<()>::new(context))?.is_some() {
        empty = false;
    }
    context.leave();
    Ok(empty)
}

/// Borrowed unless it has escapes.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Visits of scalars where something else belongs.
macro_rules! scalars {
    (null: $null:expr, other: $other:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($null)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($other)
        }
    };
}

struct Skip<'c, 'de>(&'c mut Context<'de>);

impl<'de> Visitor<'de> for Skip<'_, 'de> {
    type Value = ();

    scalars!(null: (), other: ());

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        skip_items(self.0, items).map(|_| ())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        each_key(self.0, map, |_, value| value.skip())
    }
}

struct BlockVisitor<'c, 'de, T> {
    context: &'c mut Context<'de>,
    shape: PhantomData<T>,
}

impl<'de, T: Shape<'de>> Visitor<'de> for BlockVisitor<'_, 'de, T> {
    type Value = Block<T>;

    scalars!(null: Block::Absent, other: Block::Wrong);

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        skip_items(self.context, items).map(|empty| if empty { Block::Absent } else { Block::Wrong })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut shape = T::default();
        each_key(self.context, map, |key, value| shape.take(key, value))?;
        Ok(Block::Present(shape))
    }
}

struct ListVisitor<'c, 'de, F> {
    context: &'c mut Context<'de>,
    field: PhantomData<F>,
}

impl<'de, F: Field<'de>> Visitor<'de> for ListVisitor<'_, 'de, F> {
    type Value = List<F>;

    scalars!(null: List::Absent, other: List::Wrong);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if !self.context.enter() {
            return Err(too_deep());
        }
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Seed::new(self.context))? {
            read.push(item);
        }
        self.context.leave();
        Ok(List::Items(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        each_key(self.context, map, |_, value| value.skip())?;
        Ok(List::Wrong)
    }
}
