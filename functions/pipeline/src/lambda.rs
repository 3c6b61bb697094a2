//! What the Lambda binaries share: their configuration, said in one sentence when something is missing.

use std::time::Duration;

use stationkeeper_store::{Store, StoreError, StoreOptions};
use stationkeeper_telemetry::Limits;

use crate::clock::SystemClock;
use crate::ingest::Ingest;
use crate::plan::Judging;
use crate::s3::S3Bucket;

/// Connections of one container: it works on one batch at a time.
const CONNECTIONS: u32 = 4;

/// Where database and bucket are.
#[derive(Clone)]
pub struct LambdaConfig {
    database_url: String,
    bucket: String,
}

/// Why a function cannot start. Its debug form is the sentence with all its causes: that is what `main` prints of it.
#[derive(thiserror::Error)]
pub enum StartError {
    /// A variable is missing.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, &'static str),
    /// The database does not answer, or its schema cannot be brought up to date.
    #[error(transparent)]
    Database(StoreError),
}

impl std::fmt::Debug for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::chain(self))
    }
}

impl LambdaConfig {
    /// From `STATIONKEEPER_DATABASE_URL` and `STATIONKEEPER_BUCKET`.
    pub fn from_env() -> Result<Self, StartError> {
        Ok(Self {
            database_url: variable(
                "STATIONKEEPER_DATABASE_URL",
                "give the database, mysql://USER:PASSWORD@HOST:3306/NAME",
            )?,
            bucket: variable("STATIONKEEPER_BUCKET", "give the name of the bucket that stations upload to")?,
        })
    }

    /// The handler over the real parts. Brings the schema up to date.
    pub async fn connect(&self) -> Result<Ingest<S3Bucket, SystemClock>, StartError> {
        let options = StoreOptions {
            connections: CONNECTIONS,
            acquire_timeout: Duration::from_secs(10),
            ..StoreOptions::default()
        };
        let store = Store::open(&self.database_url, options).await.map_err(StartError::Database)?;
        store.migrate().await.map_err(StartError::Database)?;
        let bucket = S3Bucket::from_environment(self.bucket.clone()).await;
        Ok(Ingest::new(bucket, store, SystemClock, Limits::default(), Judging::default()))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where a Lambda reads its configuration")]
fn variable(name: &'static str, what_to_do: &'static str) -> Result<String, StartError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(StartError::Missing(name, what_to_do))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_prints_is_a_sentence() {
        let missing = StartError::Missing("STATIONKEEPER_BUCKET", "give its name");
        assert_eq!(format!("{missing:?}"), "STATIONKEEPER_BUCKET is not set: give its name");
    }
}
