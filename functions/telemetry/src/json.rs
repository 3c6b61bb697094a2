//! Reading JSON as stations write it: strict, in one pass, with everything checked that a parser lets through.

mod context;
mod diagnosis;
mod field;
mod source;

use serde::de::DeserializeSeed;

pub(crate) use field::{Block, List, Scalar, Shape, Value};
pub(crate) use source::{Source, refuse_before_decoding};

use crate::{Reason, Rejection};
use context::Context;
use diagnosis::diagnose;
use field::Seed;

/// The object that a document is.
///
/// # Errors
/// From `nul_byte` to `not_an_object` in the table of telemetry.md section 6.
pub(crate) fn parse<'de, T: Shape<'de>>(source: &'de Source<'_>, max_depth: usize) -> Result<T, Rejection> {
    if source.may_hold_nul()
        && let Some(rejection) = diagnose(source.original(), max_depth)
    {
        return Err(rejection);
    }
    // Strict parsers take no raw control characters within strings; hardly any file has them.
    let document = read(source.original(), max_depth).or_else(|error| match source.escaped() {
        Some(escaped) => read(escaped, max_depth),
        None => Err(error),
    });
    match document {
        Ok(Block::Present(object)) => Ok(object),
        Ok(_) => Err(Rejection::new(Reason::NotAnObject, "the document is not an object")),
        // The parser stops at the first thing it meets; the table has an order of its own.
        Err(error) => Err(diagnose(source.original(), max_depth)
            .unwrap_or_else(|| Rejection::new(Reason::MalformedJson, error.to_string()))),
    }
}

fn read<'de, T: Shape<'de>>(text: &'de str, max_depth: usize) -> serde_json::Result<Block<T>> {
    let mut context = Context::new(max_depth);
    let mut parser = serde_json::Deserializer::from_str(text);
    let document = Seed::new(&mut context).deserialize(&mut parser)?;
    parser.end()?;
    Ok(document)
}
