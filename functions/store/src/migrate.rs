//! The schema and its steps. Migrations only add; a shipped one never changes.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::database::Database;
#[cfg(feature = "mysql")]
use crate::mysql_connections::MySqlConnections;
use crate::{Store, StoreError};

#[cfg(feature = "sqlite")]
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
#[cfg(feature = "mysql")]
static MYSQL: std::sync::LazyLock<Migrator> = std::sync::LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations/mysql");
    migrator.set_locking(false); // see `migrate_mysql`
    migrator
});
/// How long one process waits for another that migrates.
#[cfg(feature = "mysql")]
const LOCK_SECONDS: i64 = 60;
/// Where sqlx keeps what was applied.
const TABLE: &str = "_sqlx_migrations";

/// A step of the schema that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
}

impl Store {
    /// Brings the schema up to date, inserts the shipped dictionary where it is absent, and says which steps ran now (none: it was
    /// up to date). Safe to run by several at once.
    pub async fn migrate(&self) -> Result<Vec<AppliedMigration>, StoreError> {
        let applied = match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { writer, .. } => self.migrate_sqlite(writer).await?,
            #[cfg(feature = "mysql")]
            Database::MySql(connections) => migrate_mysql(connections).await?,
        };
        self.add_shipped_dictionary().await?;
        Ok(applied)
    }

    /// Steps that [`migrate`](Self::migrate) would run.
    pub async fn pending_migrations(&self) -> Result<Vec<AppliedMigration>, StoreError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { writer, .. } => {
                let mut connection =
                    writer.acquire().await.map_err(StoreError::doing("get a connection to migrate"))?;
                pending(&SQLITE, &mut *connection).await
            }
            #[cfg(feature = "mysql")]
            Database::MySql(connections) => {
                let mut connection =
                    connections.pooled().await.map_err(StoreError::doing("get a connection to migrate"))?;
                pending(&MYSQL, &mut *connection).await
            }
        }
    }

    /// SQLite has no lock for migrations: when a step fails, another process may just have run it.
    #[cfg(feature = "sqlite")]
    async fn migrate_sqlite(&self, writer: &sqlx::SqlitePool) -> Result<Vec<AppliedMigration>, StoreError> {
        loop {
            let pending = self.pending_migrations().await?;
            match SQLITE.run(writer).await.map_err(failed) {
                Ok(()) => return Ok(pending),
                Err(error) if self.pending_migrations().await?.len() == pending.len() => return Err(error),
                Err(_) => {}
            }
        }
    }
}

/// Under a lock of our own: sqlx asks for one without a limit of time, which MariaDB does not grant.
#[cfg(feature = "mysql")]
async fn migrate_mysql(connections: &MySqlConnections) -> Result<Vec<AppliedMigration>, StoreError> {
    let mut connection = connections.pooled().await.map_err(StoreError::doing("get a connection to migrate"))?;
    let locked: Option<i64> = sqlx::query_scalar(include_str!("sql/lock_migrations_mysql.sql"))
        .bind(LOCK_SECONDS)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::doing("lock the migrations"))?;
    if locked != Some(1) {
        return Err(StoreError::MigrationLocked { seconds: LOCK_SECONDS });
    }
    let outcome = match pending(&MYSQL, &mut *connection).await {
        Ok(pending) => MYSQL.run(&mut *connection).await.map_err(failed).map(|()| pending),
        Err(error) => Err(error),
    };
    // Ends the session, and the lock with it, also after an error.
    connection.close().await.map_err(StoreError::doing("unlock the migrations"))?;
    outcome
}

async fn pending(migrator: &Migrator, connection: &mut impl Migrate) -> Result<Vec<AppliedMigration>, StoreError> {
    connection.ensure_migrations_table(TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(failed)?;
    Ok(migrator
        .iter()
        .filter(|step| applied.iter().all(|done| done.version != step.version))
        .map(|step| AppliedMigration { version: step.version, description: step.description.to_string() })
        .collect())
}

fn failed(source: MigrateError) -> StoreError {
    StoreError::Migration { source: Box::new(source) }
}
