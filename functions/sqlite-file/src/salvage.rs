//! What can still be read of a damaged file, row by row where need be.

use std::collections::VecDeque;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use crate::FileError;
use crate::check::primary_code;

/// Statements spent on one table at most. A damaged leaf takes about a hundred; below a damaged branch every number fails by itself.
const TRIES: usize = 2_000;

/// How a damaged file is read.
#[derive(Debug, Clone, Copy)]
pub struct Salvage {
    /// Tables that the new file has its own rows of.
    pub without: &'static [&'static str],
    /// A table with a column that may be empty where it alone cannot be read.
    pub cut: Option<(&'static str, &'static str)>,
    /// Statements that put in order what the missing rows left behind.
    pub afterwards: &'static str,
}

/// How much was taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Rows.
    pub rows: u64,
    /// Rows without their column that may be cut.
    pub cut: u64,
    /// Tables of which something could not be read.
    pub incomplete: Vec<String>,
}

/// Copies every readable row of the damaged file at `from` into the file at `to`, whose tables are there.
pub(crate) async fn salvage(from: &Path, to: &Path, plan: &Salvage) -> Result<Salvaged, FileError> {
    const DOING: &str = "take over what is readable into";
    let failed = || FileError::database(DOING, to);
    let connect = SqliteConnectOptions::new().filename(to).foreign_keys(false).disable_statement_logging();
    let mut connection = connect.connect().await.map_err(failed())?;
    let mut salvaged = Salvaged::default();
    // Lets SQLite read a file that ends too early as far as it goes.
    sqlx::raw_sql("pragma writable_schema = on").execute(&mut connection).await.map_err(failed())?;
    let is_readable = attach(&mut connection, from).await.is_ok();
    let tables: Vec<(String, bool)> = sqlx::query_as(
        "select name, wr from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite%' order by name",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(failed())?;
    for (table, is_without_rowid) in tables {
        if plan.without.contains(&table.as_str()) {
            continue;
        }
        if !is_readable {
            salvaged.incomplete.push(table);
            continue;
        }
        let columns: Vec<String> = sqlx::query("select name from pragma_table_info(?)")
            .bind(&table)
            .fetch_all(&mut connection)
            .await
            .map_err(failed())?
            .iter()
            .map(|row| row.try_get::<String, _>(0).map(|name| format!("\"{name}\"")))
            .collect::<Result<_, _>>()
            .map_err(failed())?;
        let cut = plan.cut.filter(|(of, _)| *of == table).map(|(_, column)| format!("\"{column}\""));
        let copy = Copy { table: &table, columns: &columns, cut: cut.as_deref() };
        copy.run(&mut connection, is_without_rowid, &mut salvaged).await;
    }
    if !plan.afterwards.is_empty() {
        sqlx::raw_sql(plan.afterwards).execute(&mut connection).await.map_err(failed())?;
    }
    // A file whose log cannot be moved into it is closed all the same.
    let _ = sqlx::raw_sql("detach database damaged").execute(&mut connection).await;
    connection.close().await.map_err(failed())?;
    Ok(salvaged)
}

/// Fails where not even the list of tables can be read.
async fn attach(connection: &mut SqliteConnection, from: &Path) -> Result<(), sqlx::Error> {
    sqlx::query("attach database ? as damaged")
        .bind(from.to_string_lossy().into_owned())
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar::<_, i64>("select count(*) from damaged.sqlite_schema").fetch_one(connection).await.map(drop)
}

/// One table on its way. Names come from the schema of our own file.
struct Copy<'c> {
    table: &'c str,
    columns: &'c [String],
    cut: Option<&'c str>,
}

impl Copy<'_> {
    async fn run(&self, connection: &mut SqliteConnection, is_without_rowid: bool, salvaged: &mut Salvaged) {
        let mut is_complete = true;
        if is_without_rowid {
            match sqlx::query(AssertSqlSafe(self.statement(false, ""))).execute(connection).await {
                Ok(done) => salvaged.rows += done.rows_affected(),
                Err(_) => is_complete = false,
            }
        } else {
            let (first, last) = self.ends(&mut *connection).await;
            // The widest first: what is sound is taken before what is not is taken apart.
            let mut spans = VecDeque::from([(first, last)]);
            let mut tries = 0;
            while let Some((from, to)) = spans.pop_front() {
                tries += 1;
                match self.span(&mut *connection, (from, to), false).await {
                    Ok(rows) => salvaged.rows += rows,
                    // A table that an older file does not have, or time to leave it.
                    Err(error) if tries > TRIES || primary_code(&error) == Some(1) => {
                        is_complete = false;
                        break;
                    }
                    Err(_) if from == to => {
                        is_complete = false;
                        if self.cut.is_some()
                            && let Ok(rows) = self.span(&mut *connection, (from, to), true).await
                        {
                            salvaged.rows += rows;
                            salvaged.cut += rows;
                        }
                    }
                    Err(_) => {
                        let middle = from.midpoint(to);
                        spans.extend([(from, middle), (middle + 1, to)]);
                    }
                }
            }
        }
        if !is_complete {
            salvaged.incomplete.push(self.table.to_owned());
        }
    }

    async fn ends(&self, connection: &mut SqliteConnection) -> (i64, i64) {
        let mut end = async |which: &str| {
            let text = format!("select {which}(rowid) from damaged.\"{}\"", self.table);
            sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(text)).fetch_one(&mut *connection).await.ok().flatten()
        };
        let (first, last) = (end("min").await, end("max").await);
        // Half of all numbers: their middle cannot overflow.
        (first.unwrap_or(i64::MIN / 2), last.unwrap_or(i64::MAX / 2))
    }

    async fn span(
        &self,
        connection: &mut SqliteConnection,
        (from, to): (i64, i64),
        is_cut: bool,
    ) -> Result<u64, sqlx::Error> {
        let text = self.statement(is_cut, "where rowid between ? and ?");
        sqlx::query(AssertSqlSafe(text)).bind(from).bind(to).execute(connection).await.map(|done| done.rows_affected())
    }

    fn statement(&self, is_cut: bool, which: &str) -> String {
        let given: Vec<_> = self
            .columns
            .iter()
            .map(|column| if is_cut && self.cut == Some(column.as_str()) { "x''" } else { column.as_str() })
            .collect();
        let (table, columns, given) = (self.table, self.columns.join(", "), given.join(", "));
        format!("insert or ignore into main.\"{table}\" ({columns}) select {given} from damaged.\"{table}\" {which}")
    }
}
