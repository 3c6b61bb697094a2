//! One text for both databases, and what is bound to it.
//!
//! A text may hold these marks, which say what the two write differently or what is repeated for every item of a batch:
//!
//! | mark | SQLite | MySQL |
//! |---|---|---|
//! | `{rows}` | `(?, ?), (?, ?)` | the same |
//! | `{list}` | `?, ?` | the same |
//! | `{any PREDICATE}` | `(PREDICATE) or (PREDICATE)` | the same |
//! | `{each TEXT}` | `TEXT TEXT` | the same |
//! | `{filters}` | `and …` for each filter | the same |
//! | `{upsert KEY}` | `on conflict (KEY) do update set` | `on duplicate key update` |
//! | `{new COLUMN}` | `excluded.COLUMN` | `values(COLUMN)` |
//! | `{keep KEY = COLUMN}` | `on conflict (KEY) do nothing` | `on duplicate key update COLUMN = COLUMN` |
//! | `{for update}` | nothing: a writer is alone | `for update` |
//! | `{epoch}` | seconds since 1970, by the database's clock | the same |
//!
//! `insert ignore` is not among them: it would also pass over values that do not fit.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::HostName;

/// Most rows of one insert. Far above a usual batch, far below what either database takes.
pub(crate) const MOST_ROWS: usize = 128;
/// Most items of a list or of alternatives (SQLite: an expression is at most 1,000 deep).
pub(crate) const MOST_ITEMS: usize = 400;
/// Most values of one statement (SQLite 32,766, MySQL 65,535).
const MOST_VALUES: usize = 30_000;
/// Most bytes of one statement (MariaDB refuses more than 16 MiB by default).
const MOST_BYTES: usize = 4 << 20;

/// Which SQL to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, all(feature = "sqlite", feature = "mysql"))),
    expect(dead_code, reason = "one database is left out")
)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
}

/// Something to be bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
    Instant(DateTime<Utc>),
}

impl Value {
    fn bytes(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(blob) => blob.len(),
            Self::Instant(_) => crate::instant::WIDTH,
        }
    }
}

#[cfg(feature = "mysql")]
impl Value {
    fn write_literal(&self, out: &mut String) -> Result<(), crate::StoreError> {
        let mut hexadecimal = |kind: &str, bytes: &[u8]| {
            out.push_str(kind);
            out.push_str("x'");
            for byte in bytes {
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or_default());
                }
            }
            out.push('\'');
        };
        match self {
            Self::Null => out.push_str("null"),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Text(text) => hexadecimal("_utf8mb4 ", text.as_bytes()),
            Self::Blob(bytes) => hexadecimal("", bytes),
            Self::Instant(at) => {
                out.push_str(&crate::instant::stored(*at)?.format("'%Y-%m-%d %H:%M:%S%.6f'").to_string());
            }
        }
        Ok(())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&HostName> for Value {
    fn from(host: &HostName) -> Self {
        host.as_str().into()
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}
/// What is over `i64::MAX` is kept as that: no database holds more, and nothing is measured there.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}
impl From<DateTime<Utc>> for Value {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Instant(at)
    }
}
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}
impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement: what it does (for its error), its text, and what is bound to it.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) doing: &'static str,
    pub(crate) table: &'static str,
    pub(crate) key: &'static [&'static str],
    text: &'static str,
    items: usize,
    width: usize,
    filters: Vec<Cow<'static, str>>,
    pub(crate) values: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(doing: &'static str, text: &'static str) -> Self {
        Self { doing, table: "", key: &[], text, items: 0, width: 0, filters: Vec::new(), values: Vec::new() }
    }

    /// Where the rows come from, for errors about what they hold.
    pub(crate) fn of(mut self, table: &'static str, key: &'static [&'static str]) -> Self {
        self.table = table;
        self.key = key;
        self
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(crate) fn bind_all<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.values.extend(values.into_iter().map(Into::into));
        self
    }

    /// How often `{list}`, `{any …}` and `{each …}` repeat.
    pub(crate) fn times(mut self, items: usize) -> Self {
        self.items = items;
        self
    }

    /// What `{rows}` stands for; all of the same width.
    pub(crate) fn rows(mut self, rows: Vec<Vec<Value>>) -> Self {
        self.items = rows.len();
        self.width = rows.first().map_or(0, Vec::len);
        self.values.extend(rows.into_iter().flatten());
        self
    }

    /// One more condition, with what is bound to it.
    pub(crate) fn filter<V: Into<Value>>(
        mut self,
        condition: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.filters.push(condition.into());
        self.bind_all(values)
    }

    /// One more condition: the column is one of these. None at all: no condition.
    pub(crate) fn filter_in<V: Into<Value>>(
        mut self,
        column: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let bound = self.values.len();
        self = self.bind_all(values);
        let marks = vec!["?"; self.values.len() - bound].join(", ");
        if !marks.is_empty() {
            self.filters.push(format!("{column} in ({marks})").into());
        }
        self
    }

    /// The text for a database.
    pub(crate) fn text(&self, dialect: Dialect) -> String {
        let mut out = String::with_capacity(self.text.len() + self.items * (self.width * 3 + 8));
        let mut rest = self.text;
        while let Some((before, marked)) = rest.split_once('{') {
            out.push_str(before);
            let (mark, after) = marked.split_once('}').unwrap_or((marked, ""));
            self.expand(mark, dialect, &mut out);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// The text for MySQL with its values in it, as literals that nothing can end: texts and bytes in hexadecimal digits.
    #[cfg(feature = "mysql")]
    pub(crate) fn inlined(&self) -> Result<String, crate::StoreError> {
        let text = self.text(Dialect::MySql);
        let mut out =
            String::with_capacity(text.len() + self.values.iter().map(|value| 2 * value.bytes() + 12).sum::<usize>());
        let mut pieces = text.split('?');
        out.push_str(pieces.next().unwrap_or_default());
        for (piece, value) in pieces.zip(&self.values) {
            value.write_literal(&mut out)?;
            out.push_str(piece);
        }
        Ok(out)
    }

    fn expand(&self, mark: &str, dialect: Dialect, out: &mut String) {
        let (word, argument) = mark.split_once(' ').unwrap_or((mark, ""));
        match (word, dialect) {
            ("rows", _) => repeat(out, self.items, ", ", |out| {
                out.push('(');
                repeat(out, self.width, ", ", |out| out.push('?'));
                out.push(')');
            }),
            ("list", _) => repeat(out, self.items, ", ", |out| out.push('?')),
            ("any", _) => repeat(out, self.items, " or ", |out| {
                out.push('(');
                out.push_str(argument);
                out.push(')');
            }),
            ("each", _) => repeat(out, self.items, " ", |out| out.push_str(argument)),
            ("filters", _) => repeat_over(out, &self.filters),
            ("upsert", Dialect::Sqlite) => out.push_str(&format!("on conflict ({argument}) do update set")),
            ("upsert", Dialect::MySql) => out.push_str("on duplicate key update"),
            ("new", Dialect::Sqlite) => out.push_str(&format!("excluded.{argument}")),
            ("new", Dialect::MySql) => out.push_str(&format!("values({argument})")),
            ("keep", dialect) => {
                let (key, column) = argument.split_once(" = ").unwrap_or((argument, argument));
                match dialect {
                    Dialect::Sqlite => out.push_str(&format!("on conflict ({key}) do nothing")),
                    Dialect::MySql => out.push_str(&format!("on duplicate key update {column} = {column}")),
                }
            }
            ("epoch", Dialect::Sqlite) => out.push_str("cast(strftime('%s', 'now') as integer)"),
            ("epoch", Dialect::MySql) => out.push_str("unix_timestamp()"),
            ("for", Dialect::Sqlite) => {}
            ("for", Dialect::MySql) => out.push_str("for update"),
            // Left as it is: the database refuses it, and says where.
            _ => out.push_str(&format!("{{{mark}}}")),
        }
    }
}

fn repeat(out: &mut String, times: usize, between: &str, write: impl Fn(&mut String)) {
    for item in 0..times {
        if item > 0 {
            out.push_str(between);
        }
        write(out);
    }
}

fn repeat_over(out: &mut String, filters: &[Cow<'static, str>]) {
    for filter in filters {
        out.push_str(" and ");
        out.push_str(filter);
    }
}

/// The items of `{list}` or `{any …}`, the last one repeated until their number is one of few (1 to 8, 10, 12, 14, 16, 20, …), which
/// changes no result: a connection keeps prepared only so many texts, and each number of items is a text of its own.
pub(crate) fn padded<T>(items: &[T]) -> impl Iterator<Item = &T> {
    filled(items, usual_length(items.len()))
}

/// The items, the last one repeated up to this length.
pub(crate) fn filled<T>(items: &[T], length: usize) -> impl Iterator<Item = &T> {
    let missing = length.saturating_sub(items.len());
    items.iter().chain(items.last().into_iter().flat_map(move |last| std::iter::repeat_n(last, missing)))
}

/// The next length of at most three binary digits, the others zero.
pub(crate) fn usual_length(length: usize) -> usize {
    let step = 1 << length.checked_ilog2().unwrap_or_default().saturating_sub(2);
    length.next_multiple_of(step)
}

/// Rows in pieces that one statement each can take.
pub(crate) fn pieces(rows: Vec<Vec<Value>>) -> Vec<Vec<Vec<Value>>> {
    let mut pieces: Vec<Vec<Vec<Value>>> = Vec::new();
    let (mut values, mut bytes) = (0, 0);
    for row in rows {
        let row_bytes = row.iter().map(Value::bytes).sum::<usize>();
        let fits = |piece: &Vec<Vec<Value>>| {
            piece.len() < MOST_ROWS && values + row.len() <= MOST_VALUES && bytes + row_bytes <= MOST_BYTES
        };
        match pieces.last_mut().filter(|piece| fits(piece)) {
            Some(piece) => {
                values += row.len();
                bytes += row_bytes;
                piece.push(row);
            }
            None => {
                (values, bytes) = (row.len(), row_bytes);
                pieces.push(vec![row]);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_what_each_database_writes() {
        for (text, sqlite, mysql) in [
            ("values {rows}", "values (?, ?), (?, ?)", "values (?, ?), (?, ?)"),
            ("a in ({list})", "a in (?, ?)", "a in (?, ?)"),
            (
                "{any a = ? and b < ?}",
                "(a = ? and b < ?) or (a = ? and b < ?)",
                "(a = ? and b < ?) or (a = ? and b < ?)",
            ),
            (
                "case {each when a = ? then ?} end",
                "case when a = ? then ? when a = ? then ? end",
                "case when a = ? then ? when a = ? then ? end",
            ),
            (
                "{upsert a, b} c = {new c}",
                "on conflict (a, b) do update set c = excluded.c",
                "on duplicate key update c = values(c)",
            ),
            ("{keep a, b = a}", "on conflict (a, b) do nothing", "on duplicate key update a = a"),
            ("{keep a}", "on conflict (a) do nothing", "on duplicate key update a = a"),
            ("x {for update}", "x ", "x for update"),
            ("{epoch} + ?", "cast(strftime('%s', 'now') as integer) + ?", "unix_timestamp() + ?"),
            ("where 1 = 1{filters}", "where 1 = 1", "where 1 = 1"),
        ] {
            let statement = Statement::new("test", text).rows(vec![vec![Value::Null; 2]; 2]);
            assert_eq!(statement.text(Dialect::Sqlite), sqlite);
            assert_eq!(statement.text(Dialect::MySql), mysql);
        }
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn values_in_the_text_are_literals_that_nothing_can_end() {
        let at = "2026-11-24T08:00:01.25Z".parse::<DateTime<Utc>>().unwrap();
        let values: [Value; 5] = ["it's \\ ?".into(), vec![0u8, 0xff].into(), (-7i64).into(), Value::Null, at.into()];
        let statement = Statement::new("test", "values {rows} {keep a}").rows(vec![values.to_vec()]);
        assert_eq!(
            statement.inlined().unwrap(),
            "values (_utf8mb4 x'69742773205c203f', x'00ff', -7, null, '2026-11-24 08:00:01.250000') \
             on duplicate key update a = a"
        );
    }

    #[test]
    fn filters_are_added_with_their_values() {
        let statement =
            Statement::new("test", "where 1 = 1{filters} limit ?").filter("a = ?", [1i64]).filter("b < ?", [2i64]);
        assert_eq!(statement.text(Dialect::Sqlite), "where 1 = 1 and a = ? and b < ? limit ?");
        assert_eq!(statement.values, [Value::Integer(1), Value::Integer(2)]);
    }

    #[test]
    fn few_numbers_of_items_are_usual_and_the_last_item_fills_up() {
        let mut lengths: Vec<usize> = (0..30).map(usual_length).collect();
        lengths.dedup();
        assert_eq!(lengths, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32]);
        for (items, expected) in [
            (&[][..], &[][..]),
            (&[1], &[1]),
            (&[1, 2, 3], &[1, 2, 3]),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 9]),
        ] {
            assert_eq!(padded(items).copied().collect::<Vec<_>>(), expected);
        }
        assert!((1..=MOST_ITEMS).all(|length| padded(&vec![0; length]).count() <= MOST_ITEMS + 48));
    }

    #[test]
    fn a_piece_stays_within_rows_values_and_bytes() {
        let small = vec![Value::Integer(1); 2];
        let wide = vec![Value::Integer(1); 1_000];
        let large = vec![Value::Blob(vec![0; 3 << 20])];
        for (row, count, lengths) in [
            (&small, 0, vec![]),
            (&small, MOST_ROWS, vec![MOST_ROWS]),
            (&small, MOST_ROWS + 1, vec![MOST_ROWS, 1]),
            (&wide, 31, vec![30, 1]),
            (&large, 2, vec![1, 1]),
        ] {
            let pieces = pieces(vec![row.clone(); count]);
            assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        }
    }
}
