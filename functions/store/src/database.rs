//! The two databases, and a connection to either.

use sqlx::AssertSqlSafe;
#[cfg(feature = "mysql")]
use sqlx::MySql;
#[cfg(feature = "sqlite")]
use sqlx::{Pool, Sqlite, pool::PoolConnection};

use crate::StoreError;
#[cfg(feature = "mysql")]
use crate::mysql_connections::{Borrowed, MySqlConnections};
use crate::row::Row;
use crate::statement::{Dialect, Statement, Value, pieces};

/// One of the two.
#[derive(Clone)]
pub(crate) enum Database {
    /// One writer, so that waiting for it is ours and fair; readers beside it (write-ahead log).
    #[cfg(feature = "sqlite")]
    Sqlite { writer: Pool<Sqlite>, readers: Pool<Sqlite> },
    /// Readers and writers alike.
    #[cfg(feature = "mysql")]
    MySql(MySqlConnections),
}

/// A connection, reading or in a transaction.
pub(crate) struct Link {
    pub(crate) session: Session,
    #[cfg(feature = "faults")]
    pub(crate) faults: Option<std::sync::Arc<crate::faults::FaultPlan>>,
}

/// A connection of either database.
pub(crate) enum Session {
    #[cfg(feature = "sqlite")]
    SqliteReader(PoolConnection<Sqlite>),
    #[cfg(feature = "sqlite")]
    SqliteWriter(sqlx::Transaction<'static, Sqlite>),
    #[cfg(feature = "mysql")]
    MySqlReader(Borrowed),
    #[cfg(feature = "mysql")]
    MySqlWriter(Borrowed),
}

impl Database {
    pub(crate) async fn reader(&self) -> Result<Session, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { readers, .. } => readers.acquire().await.map(Session::SqliteReader),
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => connections.acquire().await.map(Session::MySqlReader),
        }
        .map_err(StoreError::doing("get a connection to the database"))
    }

    pub(crate) async fn writer(&self) -> Result<Session, StoreError> {
        #[cfg(feature = "record")]
        crate::record::mark(crate::record::Recorded::Begin);
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => writer.begin_with("begin immediate").await.map(Session::SqliteWriter),
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => {
                async {
                    let mut connection = connections.acquire().await?;
                    connection.begin().await?;
                    Ok(Session::MySqlWriter(connection))
                }
                .await
            }
        }
        .map_err(StoreError::doing("begin a transaction"))
    }

    /// A writer, and the rows of its first statement.
    pub(crate) async fn writer_reading(&self, first: Statement) -> Result<(Session, Vec<Row>), StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => {
                let mut session = self.writer().await?;
                let rows = session.fetch(first).await?;
                Ok((session, rows))
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => {
                let text = first.inlined()?;
                #[cfg(feature = "record")]
                crate::record::mark(crate::record::Recorded::BeginReading { text: text.clone() });
                let begun = async {
                    let mut connection = connections.acquire().await?;
                    let rows = connection.begin_reading(&text).await?;
                    Ok((connection, rows))
                };
                let (connection, rows) = begun.await.map_err(StoreError::doing(first.doing))?;
                let rows = rows.into_iter().map(|row| Row::mysql(row, first.table, first.key)).collect();
                Ok((Session::MySqlWriter(connection), rows))
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connections) => connections.close().await,
        }
    }
}

impl Link {
    pub(crate) fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), "commit", self.session.commit()).await;
        #[cfg(not(feature = "faults"))]
        self.session.commit().await
    }

    /// Commits after one more statement.
    pub(crate) async fn commit_after(self, last: Statement) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), "commit", self.session.commit_after(last)).await;
        #[cfg(not(feature = "faults"))]
        self.session.commit_after(last).await
    }

    /// Runs a statement; how many rows it held (MySQL: found, not changed).
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), statement.doing, self.session.execute(statement)).await;
        #[cfg(not(feature = "faults"))]
        self.session.execute(statement).await
    }

    /// Inserts or upserts rows, in as many statements as they need (usually one).
    pub(crate) async fn write_rows(
        &mut self,
        doing: &'static str,
        text: &'static str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        self.count_rows(doing, text, rows).await.map(|_| ())
    }

    /// The same, and how many rows they held.
    pub(crate) async fn count_rows(
        &mut self,
        doing: &'static str,
        text: &'static str,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, StoreError> {
        let mut held = 0;
        for piece in pieces(rows) {
            held += self.execute(Statement::new(doing, text).rows(piece)).await?;
        }
        Ok(held)
    }

    pub(crate) async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), statement.doing, self.session.fetch(statement)).await;
        #[cfg(not(feature = "faults"))]
        self.session.fetch(statement).await
    }

    pub(crate) async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }
}

impl Session {
    fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "sqlite")]
            Self::SqliteReader(_) | Self::SqliteWriter(_) => Dialect::Sqlite,
            #[cfg(feature = "mysql")]
            Self::MySqlReader(_) | Self::MySqlWriter(_) => Dialect::MySql,
        }
    }

    async fn commit(self) -> Result<(), StoreError> {
        #[cfg(feature = "record")]
        crate::record::mark(crate::record::Recorded::Commit);
        match self {
            #[cfg(feature = "sqlite")]
            Self::SqliteWriter(transaction) => transaction.commit().await,
            #[cfg(feature = "mysql")]
            Self::MySqlWriter(writer) => writer.commit().await,
            #[cfg(feature = "sqlite")]
            Self::SqliteReader(_) => Ok(()),
            #[cfg(feature = "mysql")]
            Self::MySqlReader(_) => Ok(()),
        }
        .map_err(StoreError::doing("commit"))
    }

    async fn commit_after(mut self, last: Statement) -> Result<(), StoreError> {
        #[cfg(feature = "mysql")]
        if let Self::MySqlWriter(writer) = self {
            let text = last.inlined()?;
            #[cfg(feature = "record")]
            crate::record::mark(crate::record::Recorded::CommitAfter { text: text.clone() });
            return writer.commit_after(&text).await.map_err(StoreError::doing(last.doing));
        }
        self.execute(last).await?;
        self.commit().await
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let doing = statement.doing;
        let text = AssertSqlSafe(statement.text(self.dialect()));
        #[cfg(feature = "record")]
        crate::record::statement(self.dialect(), &text.0, &statement.values, false)?;
        match self {
            #[cfg(feature = "sqlite")]
            Self::SqliteReader(connection) => {
                sqlite(text, statement.values)?.execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            #[cfg(feature = "sqlite")]
            Self::SqliteWriter(connection) => {
                sqlite(text, statement.values)?.execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            #[cfg(feature = "mysql")]
            Self::MySqlReader(connection) | Self::MySqlWriter(connection) => {
                connection.execute(mysql(text, statement.values)?).await.map(|done| done.rows_affected())
            }
        }
        .map_err(StoreError::doing(doing))
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let (doing, table, key) = (statement.doing, statement.table, statement.key);
        let text = AssertSqlSafe(statement.text(self.dialect()));
        #[cfg(feature = "record")]
        crate::record::statement(self.dialect(), &text.0, &statement.values, true)?;
        let rows = match self {
            #[cfg(feature = "sqlite")]
            Self::SqliteReader(connection) => sqlite(text, statement.values)?
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(|row| Row::sqlite(row, table, key)).collect()),
            #[cfg(feature = "sqlite")]
            Self::SqliteWriter(connection) => sqlite(text, statement.values)?
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(|row| Row::sqlite(row, table, key)).collect()),
            #[cfg(feature = "mysql")]
            Self::MySqlReader(connection) | Self::MySqlWriter(connection) => connection
                .fetch(mysql(text, statement.values)?)
                .await
                .map(|rows| rows.into_iter().map(|row| Row::mysql(row, table, key)).collect()),
        };
        rows.map_err(StoreError::doing(doing))
    }
}

#[cfg(feature = "sqlite")]
fn sqlite<'q>(
    text: AssertSqlSafe<String>,
    values: Vec<Value>,
) -> Result<sqlx::query::Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>, StoreError> {
    let mut query = sqlx::query(text);
    for value in values {
        query = match value {
            Value::Null => query.bind(None::<String>),
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Blob(bytes) => query.bind(bytes),
            Value::Instant(at) => query.bind(crate::instant::to_text(crate::instant::stored(at)?)),
        };
    }
    Ok(query)
}

#[cfg(feature = "mysql")]
fn mysql<'q>(
    text: AssertSqlSafe<String>,
    values: Vec<Value>,
) -> Result<sqlx::query::Query<'q, MySql, <MySql as sqlx::Database>::Arguments>, StoreError> {
    let mut query = sqlx::query(text);
    for value in values {
        query = match value {
            Value::Null => query.bind(None::<String>),
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Blob(bytes) => query.bind(bytes),
            // Without a zone: with one, sqlx sends a `timestamp`, which ends in 2038.
            Value::Instant(at) => query.bind(crate::instant::stored(at)?.naive_utc()),
        };
    }
    Ok(query)
}
