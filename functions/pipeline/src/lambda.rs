//! What the Lambda binaries share: their configuration, said in one sentence when something is missing.

use std::time::Duration;

use stationkeeper_store::{Store, StoreError, StoreOptions};
use stationkeeper_telemetry::Limits;
use tokio::time::Instant;

use crate::clock::{Clock, SystemClock};
use crate::database_secret::DatabaseSecret;
use crate::embedded_metrics::{EmbeddedMetrics, Metric};
use crate::ingest::{BatchReport, Delivery, Ingest};
use crate::plan::Judging;
use crate::s3::S3Bucket;
use crate::secrets::{SecretError, Secrets};
use crate::waking::Waker;
use crate::{CheckReport, IngestError};

const URL: &str = "STATIONKEEPER_DATABASE_URL";
const SECRET: &str = "STATIONKEEPER_DATABASE_SECRET_ARN";
const CA: &str = "STATIONKEEPER_DATABASE_CA";
const BUCKET: &str = "STATIONKEEPER_BUCKET";
const NOTIFY_QUEUE: &str = "STATIONKEEPER_NOTIFY_QUEUE_URL";
const METRICS: &str = "STATIONKEEPER_METRICS_NAMESPACE";
/// Connections of one container: it works on one batch at a time.
const CONNECTIONS: u32 = 4;

/// Where database, bucket and the queue of the notify function are.
#[derive(Clone)]
pub struct LambdaConfig {
    database: DatabaseSource,
    bucket: String,
    notify_queue: Option<String>,
}

/// Who says where the database is and by which password.
#[derive(Clone, PartialEq, Eq)]
enum DatabaseSource {
    Url(String),
    Secret { arn: String, authorities: Option<String> },
}

/// Why a function cannot start. Its debug form is the sentence with all its causes: that is what `main` prints of it.
#[derive(thiserror::Error)]
pub enum StartError {
    /// A variable is missing.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, &'static str),
    /// Two variables contradict one another.
    #[error("{0} and {1} are both set: {2}")]
    Both(&'static str, &'static str, &'static str),
    /// The file of authorities is not there.
    #[error("{CA} is {path}, which cannot be read")]
    Authorities {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The secret is of no use.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database does not answer, or its schema cannot be brought up to date.
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl std::fmt::Debug for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::chain(self))
    }
}

impl DatabaseSource {
    /// Either the URL, or the secret and, for a certificate that is checked, the authorities.
    fn choose(url: Option<String>, secret: Option<String>, authorities: Option<String>) -> Result<Self, StartError> {
        match (url, secret, authorities) {
            (Some(_), Some(_), _) => Err(StartError::Both(URL, SECRET, "keep the one that is meant")),
            (Some(_), None, Some(_)) => {
                Err(StartError::Both(URL, CA, "in a URL write ?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE instead"))
            }
            (Some(url), None, None) => Ok(Self::Url(url)),
            (None, Some(arn), authorities) => Ok(Self::Secret { arn, authorities }),
            (None, None, _) => Err(StartError::Missing(
                URL,
                "give the database, mysql://USER:PASSWORD@HOST:3306/NAME, or by STATIONKEEPER_DATABASE_SECRET_ARN the secret that \
                 names it",
            )),
        }
    }
}

/// The database of a function. Outlives a change of its password.
pub struct LambdaDatabase {
    store: Store,
    secret: Option<DatabaseSecret>,
}

impl LambdaDatabase {
    /// From either `STATIONKEEPER_DATABASE_URL` or `STATIONKEEPER_DATABASE_SECRET_ARN` (with `STATIONKEEPER_DATABASE_CA`, the path of a
    /// PEM file). Brings the schema up to date.
    pub async fn from_env() -> Result<Self, StartError> {
        DatabaseSource::choose(variable(URL), variable(SECRET), variable(CA))?.connect().await
    }

    /// The store over it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the database takes what the secret says now.
    pub async fn log_in_again(&self) -> bool {
        let Some(secret) = &self.secret else { return false };
        let renewed: Result<(), StartError> = async { Ok(self.store.log_in_with(&secret.url().await?).await?) }.await;
        match renewed {
            Ok(()) => {
                tracing::info!("the database's password was changed and is taken from the secret again");
                true
            }
            // Mostly a rotation that has not come to its end: the queue delivers again.
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "the database refuses what the secret says");
                false
            }
        }
    }
}

impl DatabaseSource {
    async fn connect(&self) -> Result<LambdaDatabase, StartError> {
        let options = StoreOptions {
            connections: CONNECTIONS,
            acquire_timeout: Duration::from_secs(10),
            ..StoreOptions::default()
        };
        let (url, secret) = match self {
            Self::Url(url) => (url.clone(), None),
            Self::Secret { arn, authorities } => {
                if let Some(path) = authorities {
                    // Here, and not with the first connection: the driver would not say which file.
                    let readable = tokio::fs::read(path).await;
                    readable.map_err(|source| StartError::Authorities { path: path.clone(), source })?;
                }
                let secret = DatabaseSecret::new(Secrets::from_environment().await, arn.clone(), authorities.clone());
                (secret.url().await?, Some(secret))
            }
        };
        let store = Store::open(&url, options).await?;
        store.migrate().await?;
        Ok(LambdaDatabase { store, secret })
    }
}

/// To the namespace that `STATIONKEEPER_METRICS_NAMESPACE` names.
pub fn metrics_of_environment() -> EmbeddedMetrics {
    EmbeddedMetrics::new(variable(METRICS))
}

impl LambdaConfig {
    /// From `STATIONKEEPER_BUCKET`, `STATIONKEEPER_NOTIFY_QUEUE_URL` (none: nobody is woken) and the variables of
    /// [`LambdaDatabase::from_env`].
    pub fn from_env() -> Result<Self, StartError> {
        Ok(Self {
            database: DatabaseSource::choose(variable(URL), variable(SECRET), variable(CA))?,
            bucket: variable(BUCKET)
                .ok_or(StartError::Missing(BUCKET, "give the name of the bucket that stations upload to"))?,
            notify_queue: variable(NOTIFY_QUEUE),
        })
    }

    /// The function over the real parts.
    pub async fn connect(&self) -> Result<Function, StartError> {
        let database = self.database.connect().await?;
        let bucket = S3Bucket::from_environment(self.bucket.clone()).await;
        let waker = match &self.notify_queue {
            Some(queue) => Some(Waker::from_environment(queue.clone()).await),
            None => None,
        };
        let ingest = Ingest::new(bucket, database.store.clone(), SystemClock, Limits::default(), Judging::default());
        Ok(Function { ingest, database, waker, metrics: metrics_of_environment() })
    }
}

/// What a Lambda binary hands its events to. Outlives a change of the database's password: refused, it reads the secret again, and
/// does what it was about to do.
pub struct Function {
    ingest: Ingest<S3Bucket, SystemClock>,
    database: LambdaDatabase,
    waker: Option<Waker>,
    metrics: EmbeddedMetrics,
}

impl Function {
    /// [`Ingest::batch`]; when it owes something, the notify function is woken.
    pub async fn batch(&self, deliveries: &[Delivery]) -> BatchReport {
        let started = Instant::now();
        let mut report = self.ingest.batch(deliveries).await;
        if report.login_refused && self.database.log_in_again().await {
            report = self.ingest.batch(deliveries).await;
        }
        self.wake_for(report.transitions > 0).await;
        self.metrics.write(
            SystemClock.now(),
            &[
                (Metric::Deliveries, deliveries.len() as u64),
                (Metric::DeliveriesFailed, report.failed.len() as u64),
                (Metric::HeartbeatsAdvanced, report.tally.advanced),
                (Metric::ObjectsQuarantined, report.quarantined),
                (Metric::AlertsMoved, report.transitions),
                (Metric::IngestDuration, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
            ],
        );
        report
    }

    /// [`Ingest::check_overdue`]; when it owes something, the notify function is woken.
    pub async fn check_overdue(&self) -> Result<CheckReport, IngestError> {
        let report = match self.ingest.check_overdue().await {
            Err(error) if error.is_login_refused() && self.database.log_in_again().await => {
                self.ingest.check_overdue().await
            }
            outcome => outcome,
        }?;
        self.wake_for(report.transitions > 0).await;
        self.metrics.write(SystemClock.now(), &[(Metric::AlertsMoved, report.transitions as u64)]);
        Ok(report)
    }

    /// [`Ingest::prune`].
    pub async fn prune(&self) -> Result<u64, IngestError> {
        match self.ingest.prune().await {
            Err(error) if error.is_login_refused() && self.database.log_in_again().await => self.ingest.prune().await,
            outcome => outcome,
        }
    }

    async fn wake_for(&self, is_owed: bool) {
        if let Some(waker) = &self.waker
            && is_owed
        {
            waker.wake().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where a Lambda reads its configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_prints_is_a_sentence() {
        let missing = StartError::Missing("STATIONKEEPER_BUCKET", "give its name");
        assert_eq!(format!("{missing:?}"), "STATIONKEEPER_BUCKET is not set: give its name");
    }

    #[test]
    fn the_database_is_said_by_a_url_or_by_a_secret() {
        let (url, secret, pem) = ("mysql://ann:se-cret@db/lab", "arn:aws:secretsmanager:x", "/opt/rds.pem");
        let secret_of = |authorities: Option<&str>| {
            Ok(DatabaseSource::Secret { arn: secret.to_owned(), authorities: authorities.map(str::to_owned) })
        };
        for (given, chosen) in [
            ([Some(url), None, None], Ok(DatabaseSource::Url(url.to_owned()))),
            ([None, Some(secret), None], secret_of(None)),
            ([None, Some(secret), Some(pem)], secret_of(Some(pem))),
            ([Some(url), Some(secret), None], Err(format!("{URL} and {SECRET} are both set: "))),
            ([Some(url), None, Some(pem)], Err(format!("{URL} and {CA} are both set: "))),
            ([None, None, None], Err(format!("{URL} is not set: "))),
            ([None, None, Some(pem)], Err(format!("{URL} is not set: "))),
        ] {
            let [url, secret, authorities] = given.map(|value| value.map(str::to_owned));
            match (DatabaseSource::choose(url, secret, authorities), chosen) {
                (Ok(source), Ok(chosen)) => assert!(source == chosen, "{given:?}"),
                (Err(error), Err(begins)) => {
                    let said = format!("{error:?}");
                    assert!(said.starts_with(&begins) && !said.contains("se-cret"), "{given:?}: {said}");
                }
                _ => panic!("{given:?}"),
            }
        }
    }
}
