//! Connections to MySQL that go from one unit of work to the next without a word to the server, and whose transactions begin and end
//! within their first and last statement.
//!
//! The driver's pool pings the server whenever a connection comes back, which would be two round trips of every batch. So a connection
//! whose last statement ended well waits here instead, until it has been idle, or away from the pool, for too long: then it goes
//! through the pool, which looks whether it still lives and replaces what has become old.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlPool, MySqlQueryResult, MySqlRow};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection that lay idle for longer than this is asked whether it still lives before it is used.
pub(crate) const ASK_AFTER: Duration = Duration::from_secs(5);
/// After so long a connection goes through the pool even when it was never idle.
const MOST_AWAY: Duration = Duration::from_secs(60);

type Query<'q> = sqlx::query::Query<'q, sqlx::MySql, MySqlArguments>;

/// See the module. Clones share the connections.
#[derive(Clone)]
pub(crate) struct MySqlConnections {
    pool: MySqlPool,
    /// As many as the pool has connections: who has a turn waits for no connection.
    turns: Arc<Semaphore>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

struct Waiting {
    connection: PoolConnection<sqlx::MySql>,
    left_pool_at: Instant,
    idle_since: Instant,
}

impl MySqlConnections {
    pub(crate) fn of(pool: MySqlPool) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(Semaphore::MAX_PERMITS);
        Self { pool, turns: Arc::new(Semaphore::new(most)), waiting: Arc::default() }
    }

    pub(crate) fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    pub(crate) async fn acquire(&self) -> Result<Borrowed, sqlx::Error> {
        let turn = tokio::time::timeout(self.pool.options().get_acquire_timeout(), self.turns.clone().acquire_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, left_pool_at) = match self.fresh() {
            Some(waiting) => (waiting.connection, waiting.left_pool_at),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        let connection = Some(connection);
        Ok(Borrowed { connection, left_pool_at, in_transaction: false, sound: true, home: self.clone(), _turn: turn })
    }

    /// One from the pool itself.
    pub(crate) async fn pooled(&self) -> Result<PoolConnection<sqlx::MySql>, sqlx::Error> {
        // The pool counts those that wait here as used.
        self.lock().clear();
        self.pool.acquire().await
    }

    /// Closes all; waits until those in use are back.
    pub(crate) async fn close(&self) {
        let closed = self.pool.close();
        self.lock().clear();
        closed.await;
    }

    /// The one that was used last; those that lay too long go back to the pool.
    fn fresh(&self) -> Option<Waiting> {
        let mut waiting = self.lock();
        let newest = waiting.pop()?;
        if newest.idle_since.elapsed() < ASK_AFTER {
            return Some(newest);
        }
        waiting.clear();
        None
    }

    fn keep(&self, waiting: Waiting) {
        let mut others = self.lock();
        // Looked at under the lock: a close that comes later finds it here.
        if !self.pool.is_closed() {
            others.push(waiting);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped within a transaction, it is rolled back before anybody else gets it.
pub(crate) struct Borrowed {
    /// None only while it is dropped.
    connection: Option<PoolConnection<sqlx::MySql>>,
    left_pool_at: Instant,
    in_transaction: bool,
    /// Nothing that was asked of it failed or was given up half-way.
    sound: bool,
    home: MySqlConnections,
    _turn: OwnedSemaphorePermit,
}

impl Borrowed {
    pub(crate) async fn fetch(&mut self, query: Query<'_>) -> Result<Vec<MySqlRow>, sqlx::Error> {
        self.ask(async |connection| query.fetch_all(connection).await).await
    }

    pub(crate) async fn execute(&mut self, query: Query<'_>) -> Result<MySqlQueryResult, sqlx::Error> {
        self.ask(async |connection| query.execute(connection).await).await
    }

    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        self.ask(async |connection| connection.execute("begin").await).await.map(drop)
    }

    /// Begins with a statement whose values stand in its text; gives its rows.
    pub(crate) async fn begin_reading(&mut self, first: &str) -> Result<Vec<MySqlRow>, sqlx::Error> {
        self.in_transaction = true;
        let text = AssertSqlSafe(format!("begin; {first}"));
        self.ask(async |connection| connection.fetch_all(text).await).await
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.ask(async |connection| connection.execute("commit").await).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Commits after a statement whose values stand in its text: when it fails, the server does not come to the commit.
    pub(crate) async fn commit_after(mut self, last: &str) -> Result<(), sqlx::Error> {
        let text = AssertSqlSafe(format!("{last}; commit"));
        self.ask(async |connection| connection.execute(text).await).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let was_sound = std::mem::replace(&mut self.sound, false);
        let connection = self.connection.as_mut().expect("it has its connection until it is dropped");
        let answer = question(connection).await?;
        self.sound = was_sound;
        Ok(answer)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.in_transaction {
            #[expect(clippy::disallowed_methods, reason = "the pool waits for its connections when it closes")]
            tokio::spawn(async move {
                if connection.execute("rollback").await.is_err() {
                    connection.close_on_drop();
                }
            });
        } else if self.sound && self.left_pool_at.elapsed() < MOST_AWAY {
            self.home.keep(Waiting { connection, left_pool_at: self.left_pool_at, idle_since: Instant::now() });
        }
    }
}
