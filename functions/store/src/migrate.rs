//! The schema and its steps. Migrations only add; a shipped one never changes.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::database::Database;
use crate::{Store, StoreError};

#[cfg(feature = "sqlite")]
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
#[cfg(feature = "mysql")]
static MYSQL: Migrator = sqlx::migrate!("./migrations/mysql");
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
        let applied = loop {
            let pending = self.pending_migrations().await?;
            match self.run_migrations().await {
                Ok(()) => break pending,
                // SQLite has no lock for migrations: another process may just have run some of them.
                Err(error) => {
                    if self.pending_migrations().await?.len() == pending.len() {
                        return Err(error);
                    }
                }
            }
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
            Database::MySql(pool) => {
                let mut connection = pool.acquire().await.map_err(StoreError::doing("get a connection to migrate"))?;
                pending(&MYSQL, &mut *connection).await
            }
        }
    }

    async fn run_migrations(&self) -> Result<(), StoreError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { writer, .. } => SQLITE.run(writer).await,
            #[cfg(feature = "mysql")]
            Database::MySql(pool) => MYSQL.run(pool).await,
        }
        .map_err(failed)
    }
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
