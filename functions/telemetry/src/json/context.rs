//! What a parse knows besides where it is: how deep, and which keys the open objects have.

use std::borrow::Cow;
use std::collections::HashSet;

/// Objects with more keys than this are looked up in a set.
const FEW: usize = 32;

/// State of one parse.
#[derive(Debug)]
pub(crate) struct Context<'de> {
    /// Keys of all open objects, outermost first: one allocation for the whole document.
    keys: Vec<Cow<'de, str>>,
    depth: usize,
    max_depth: usize,
}

/// The keys of one object. The emitter sorts them, so that a look at the one before is nearly always enough.
#[derive(Debug)]
pub(crate) struct ObjectKeys<'de> {
    base: usize,
    ascending: bool,
    many: Option<HashSet<Cow<'de, str>>>,
}

impl<'de> Context<'de> {
    pub(crate) fn new(max_depth: usize) -> Self {
        Self { keys: Vec::with_capacity(64), depth: 0, max_depth }
    }

    /// One bracket more. `false`: too deep.
    pub(crate) fn enter(&mut self) -> bool {
        self.depth += 1;
        self.depth <= self.max_depth
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn begin_object(&mut self) -> ObjectKeys<'de> {
        ObjectKeys { base: self.keys.len(), ascending: true, many: None }
    }

    pub(crate) fn end_object(&mut self, keys: &ObjectKeys<'de>) {
        self.keys.truncate(keys.base);
    }

    /// `false`: the object has this key already.
    pub(crate) fn add_key(&mut self, object: &mut ObjectKeys<'de>, key: Cow<'de, str>) -> bool {
        let mine = &self.keys[object.base..];
        object.ascending = object.ascending && mine.last().is_none_or(|last| last.as_bytes() < key.as_bytes());
        if !object.ascending {
            if mine.len() > FEW {
                let many = object.many.get_or_insert_with(|| mine.iter().cloned().collect());
                if !many.insert(key.clone()) {
                    return false;
                }
            } else if mine.contains(&key) {
                return false;
            }
        }
        self.keys.push(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_key_is_found_in_any_order_and_number() {
        for count in [1, 2, FEW, FEW + 1, FEW + 2, 200] {
            for descending in [false, true] {
                let mut context = Context::new(64);
                let mut outer = context.begin_object();
                assert!(context.add_key(&mut outer, Cow::Borrowed("key-001")));
                let mut object = context.begin_object();
                for number in 0..count {
                    let number = if descending { count - number } else { number };
                    assert!(
                        context.add_key(&mut object, Cow::Owned(format!("key-{number:03}"))),
                        "{number} of {count}"
                    );
                }
                let first = if descending { count } else { 0 };
                assert!(!context.add_key(&mut object, Cow::Owned(format!("key-{first:03}"))), "{count} {descending}");
                context.end_object(&object);
                assert!(!context.add_key(&mut outer, Cow::Borrowed("key-001")));
            }
        }
    }
}
