//! A row that was read, and what its columns mean. What does not parse is an inconsistency: table, column, row.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use stationkeeper_telemetry::HostName;

use crate::StoreError;
use crate::error::Inconsistency;

/// A row of either database, with where it comes from.
pub(crate) struct Row {
    columns: Columns,
    table: &'static str,
    key: &'static [&'static str],
}

enum Columns {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "mysql")]
    MySql(sqlx::mysql::MySqlRow),
}

impl Row {
    #[cfg(feature = "sqlite")]
    pub(crate) fn sqlite(row: sqlx::sqlite::SqliteRow, table: &'static str, key: &'static [&'static str]) -> Self {
        Self { columns: Columns::Sqlite(row), table, key }
    }

    #[cfg(feature = "mysql")]
    pub(crate) fn mysql(row: sqlx::mysql::MySqlRow, table: &'static str, key: &'static [&'static str]) -> Self {
        Self { columns: Columns::MySql(row), table, key }
    }

    /// The same row, said to be of another table: a statement may read several.
    pub(crate) fn of(self, table: &'static str, key: &'static [&'static str]) -> Self {
        Self { table, key, ..self }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.present(column, self.optional_text(column)?)
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.optional_str(column).map(|text| text.map(str::to_owned))
    }

    /// The text where it was read to.
    fn optional_str(&self, column: &'static str) -> Result<Option<&str>, StoreError> {
        match &self.columns {
            #[cfg(feature = "sqlite")]
            Columns::Sqlite(row) => sqlx::Row::try_get(row, column),
            // Unchecked: keys whose trailing blanks count are `varbinary`. That it is UTF-8 is still checked.
            #[cfg(feature = "mysql")]
            Columns::MySql(row) => sqlx::Row::try_get_unchecked(row, column),
        }
        .map_err(|error| self.inconsistent(column, Inconsistency::Type(error)))
    }

    pub(crate) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.present(column, self.optional_integer(column)?)
    }

    pub(crate) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match &self.columns {
            #[cfg(feature = "sqlite")]
            Columns::Sqlite(row) => sqlx::Row::try_get(row, column),
            #[cfg(feature = "mysql")]
            Columns::MySql(row) => sqlx::Row::try_get(row, column),
        }
        .map_err(|error| self.inconsistent(column, Inconsistency::Type(error)))
    }

    pub(crate) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        let number = self.integer(column)?;
        u64::try_from(number).map_err(|_| self.inconsistent(column, Inconsistency::Range(number)))
    }

    pub(crate) fn optional_unsigned(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        self.optional_integer(column)?
            .map(|number| u64::try_from(number).map_err(|_| self.inconsistent(column, Inconsistency::Range(number))))
            .transpose()
    }

    pub(crate) fn small(&self, column: &'static str) -> Result<u32, StoreError> {
        let number = self.integer(column)?;
        u32::try_from(number).map_err(|_| self.inconsistent(column, Inconsistency::Range(number)))
    }

    pub(crate) fn optional_small(&self, column: &'static str) -> Result<Option<u32>, StoreError> {
        self.optional_integer(column)?
            .map(|number| u32::try_from(number).map_err(|_| self.inconsistent(column, Inconsistency::Range(number))))
            .transpose()
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        self.present(column, self.optional_flag(column)?)
    }

    pub(crate) fn optional_flag(&self, column: &'static str) -> Result<Option<bool>, StoreError> {
        match self.optional_integer(column)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(number) => Err(self.inconsistent(column, Inconsistency::Range(number))),
        }
    }

    pub(crate) fn blob(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.present(column, self.optional_blob(column)?)
    }

    pub(crate) fn optional_blob(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.columns {
            #[cfg(feature = "sqlite")]
            Columns::Sqlite(row) => sqlx::Row::try_get(row, column),
            #[cfg(feature = "mysql")]
            Columns::MySql(row) => sqlx::Row::try_get(row, column),
        }
        .map_err(|error| self.inconsistent(column, Inconsistency::Type(error)))
    }

    pub(crate) fn sha256(&self, column: &'static str) -> Result<[u8; 32], StoreError> {
        self.present(column, self.optional_sha256(column)?)
    }

    pub(crate) fn optional_sha256(&self, column: &'static str) -> Result<Option<[u8; 32]>, StoreError> {
        self.optional_blob(column)?
            .map(|bytes| {
                let length = bytes.len();
                bytes.try_into().map_err(|_| self.inconsistent(column, Inconsistency::Length(length)))
            })
            .transpose()
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<DateTime<Utc>, StoreError> {
        self.present(column, self.optional_instant(column)?)
    }

    pub(crate) fn optional_instant(&self, column: &'static str) -> Result<Option<DateTime<Utc>>, StoreError> {
        match &self.columns {
            #[cfg(feature = "sqlite")]
            Columns::Sqlite(row) => {
                let text: Option<String> = sqlx::Row::try_get(row, column)
                    .map_err(|error| self.inconsistent(column, Inconsistency::Type(error)))?;
                text.map(|text| {
                    crate::instant::from_text(&text).ok_or_else(|| self.inconsistent(column, Inconsistency::Word(text)))
                })
                .transpose()
            }
            #[cfg(feature = "mysql")]
            Columns::MySql(row) => sqlx::Row::try_get::<Option<chrono::NaiveDateTime>, _>(row, column)
                .map(|at| at.map(|at| at.and_utc()))
                .map_err(|error| self.inconsistent(column, Inconsistency::Type(error))),
        }
    }

    pub(crate) fn host(&self, column: &'static str) -> Result<HostName, StoreError> {
        self.parsed(column, |text| HostName::parse(text).ok())
    }

    pub(crate) fn optional_host(&self, column: &'static str) -> Result<Option<HostName>, StoreError> {
        self.optional_parsed(column, |text| HostName::parse(text).ok())
    }

    /// One of a list of words.
    pub(crate) fn parsed<T>(&self, column: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        self.present(column, self.optional_parsed(column, parse)?)
    }

    pub(crate) fn optional_parsed<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.optional_str(column)?
            .map(|text| parse(text).ok_or_else(|| self.inconsistent(column, Inconsistency::Word(text.to_owned()))))
            .transpose()
    }

    pub(crate) fn json<'r, T: Deserialize<'r>>(&'r self, column: &'static str) -> Result<T, StoreError> {
        self.present(column, self.optional_json(column)?)
    }

    /// What the value holds of the text may be borrowed from the row.
    pub(crate) fn optional_json<'r, T: Deserialize<'r>>(
        &'r self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.optional_str(column)?
            .map(|text| {
                serde_json::from_str(text).map_err(|error| self.inconsistent(column, Inconsistency::Json(error)))
            })
            .transpose()
    }

    pub(crate) fn inconsistent(&self, column: &'static str, source: Inconsistency) -> StoreError {
        StoreError::Inconsistent { table: self.table, column, row: self.name(), source }
    }

    fn present<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        let null = || sqlx::Error::Decode("unexpected null".into());
        value.ok_or_else(|| self.inconsistent(column, Inconsistency::Type(null())))
    }

    /// The key of the row as far as it can be read, for a person.
    fn name(&self) -> String {
        let part = |column: &&'static str| match &self.columns {
            #[cfg(feature = "sqlite")]
            Columns::Sqlite(row) => sqlx::Row::try_get_unchecked::<String, _>(row, *column).ok(),
            #[cfg(feature = "mysql")]
            Columns::MySql(row) => sqlx::Row::try_get::<chrono::NaiveDateTime, _>(row, *column)
                .map(|at| crate::instant::to_text(at.and_utc()))
                .or_else(|_| sqlx::Row::try_get::<i64, _>(row, *column).map(|number| number.to_string()))
                .or_else(|_| sqlx::Row::try_get_unchecked::<String, _>(row, *column))
                .ok(),
        };
        self.key.iter().map(|column| part(column).unwrap_or_else(|| "?".to_owned())).collect::<Vec<_>>().join(" ")
    }
}
