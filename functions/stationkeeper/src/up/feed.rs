//! Where objects and their events come from: the embedded bucket, or a bucket elsewhere.

use std::sync::Arc;
use std::time::Duration;

use stationkeeper_embedded_bucket::{BucketOptions, Credential, EmbeddedBucket};
use stationkeeper_gateway::EventReceiver;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::s3::S3Bucket;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lab_server::{LabServer, Options};
use super::reconcile::Reach;
use super::scaled_clock::ScaledClock;
use super::soundness::{BUDGET, OwnFile};
use super::vitals::{Objects, Observed};
use super::work::{self, UpIngest};
use crate::connections::Connections;
use crate::failure::{Exit, Failure};

/// How often history is pruned where the bucket needs no sweep of ours.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// See the module.
pub enum Feed {
    /// In this process.
    Embedded {
        /// Objects and queue.
        bucket: Arc<EmbeddedBucket>,
        /// Who may do everything.
        root: Credential,
        /// Where it answers.
        endpoint: String,
    },
    /// On a lab server.
    Elsewhere(Box<LabServer>),
}

impl Feed {
    /// Opens it. The embedded one comes with its file, and is reached at `endpoint`.
    pub async fn open(
        connections: &Connections,
        elsewhere: Option<&Options>,
        endpoint: &str,
        clock: ScaledClock,
    ) -> Result<(Self, Option<OwnFile>), Failure> {
        if let Some(options) = elsewhere {
            return Ok((Self::Elsewhere(Box::new(LabServer::open(options).await?)), None));
        }
        let options = BucketOptions { clock: Arc::new(move || clock.now()), ..BucketOptions::default() };
        let path = connections.bucket_file();
        let (bucket, prepared) = EmbeddedBucket::open_or_rebuild(&path, options, BUDGET).await.map_err(no_bucket)?;
        let root = bucket.root_credential().await.map_err(no_bucket)?;
        let file = OwnFile::prepared("bucket", path, &prepared);
        Ok((Self::Embedded { bucket: Arc::new(bucket), root, endpoint: endpoint.to_owned() }, Some(file)))
    }

    /// As the handlers read it.
    pub fn client(&self) -> S3Bucket {
        match self {
            Self::Embedded { bucket, root, endpoint } => {
                S3Bucket::at(&super::endpoint(endpoint, root), bucket.name().to_owned())
            }
            Self::Elsewhere(server) => server.bucket().clone(),
        }
    }

    /// As `/health` looks at it.
    pub fn objects(&self) -> Objects {
        match self {
            Self::Embedded { bucket, .. } => Objects::Embedded(bucket.clone()),
            Self::Elsewhere(server) => Objects::Elsewhere(server.seen()),
        }
    }

    /// Where its S3 endpoint is.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Embedded { endpoint, .. } => endpoint,
            Self::Elsewhere(server) => &server.endpoint,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Embedded { bucket, .. } => bucket.name(),
            Self::Elsewhere(server) => server.bucket().name(),
        }
    }

    /// Who may do everything with it, where that is ours to know.
    pub fn root(&self) -> Option<&Credential> {
        match self {
            Self::Embedded { root, .. } => Some(root),
            Self::Elsewhere(_) => None,
        }
    }

    /// The embedded one.
    pub fn embedded(&self) -> Option<&Arc<EmbeddedBucket>> {
        match self {
            Self::Embedded { bucket, .. } => Some(bucket),
            Self::Elsewhere(_) => None,
        }
    }

    /// Answers S3 clients, where it is ours to answer them.
    pub fn serve(&self, servers: &TaskTracker, listener: Option<TcpListener>, closing: &CancellationToken) {
        if let (Self::Embedded { bucket, .. }, Some(listener)) = (self, listener) {
            servers.spawn(bucket.clone().serve(listener, closing.clone()));
        }
    }

    /// Who takes events that come by HTTP.
    pub fn receiver<C: Clock>(
        &self,
        ingest: &Arc<UpIngest<C>>,
        observed: &watch::Sender<Observed>,
    ) -> Option<EventReceiver> {
        match self {
            Self::Embedded { .. } => None,
            Self::Elsewhere(server) => server.receiver(ingest, observed),
        }
    }

    /// Begins to work events off, to compare bucket and database, and to sweep, until told to stop.
    pub fn work<C: Clock>(
        &self,
        tasks: &TaskTracker,
        ingest: &Arc<UpIngest<C>>,
        observed: &watch::Sender<Observed>,
        (reach, database): (Reach, Option<OwnFile>),
        stop: &CancellationToken,
    ) {
        match self {
            Self::Embedded { bucket, .. } => {
                tasks.spawn(work::ingest(bucket.clone(), ingest.clone(), observed.clone(), stop.clone()));
                let (bucket, ingest) = (bucket.clone(), ingest.clone());
                tasks.spawn(work::reconcile_and_sweep(bucket, ingest, (reach, database), stop.clone()));
            }
            Self::Elsewhere(server) => {
                server.work(tasks, ingest, observed, reach, stop);
                tasks.spawn(prune(ingest.clone(), stop.clone()));
            }
        }
    }

    /// Lets go of its file.
    pub async fn close(&self) {
        if let Self::Embedded { bucket, .. } = self {
            bucket.close().await;
        }
    }
}

async fn prune<C: Clock>(ingest: Arc<UpIngest<C>>, stop: CancellationToken) {
    let mut every = tokio::time::interval(PRUNE_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = ingest.prune().await {
            tracing::warn!(error = crate::failure::chain(&error), "cannot prune the database; it is tried again");
        }
    }
}

fn no_bucket(error: stationkeeper_embedded_bucket::BucketError) -> Failure {
    Failure::because(Exit::Unavailable, "cannot open the bucket", &error)
}
