//! An S3 endpoint in another process, so that what it costs is not counted here.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stationkeeper_embedded_bucket::{BucketOptions, Durability, EmbeddedBucket};
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure, print_json};

/// Where the endpoint is: the one line that it prints.
#[derive(Serialize, Deserialize)]
struct Whereabouts {
    endpoint: String,
    bucket: String,
    access_key_id: String,
    secret_access_key: String,
}

/// The endpoint's process; it ends with this.
#[derive(Debug)]
pub struct BucketChild {
    /// A client of it.
    pub bucket: S3Bucket,
    child: Child,
}

impl BucketChild {
    /// Starts this same program as an endpoint whose objects lie in `folder`.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        let cannot =
            |error: std::io::Error| Failure::because(Exit::Failed, "cannot start the bucket's process", &error);
        let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
            .args(["bench", "bucket"])
            .arg(folder)
            // It ends when its standard input does, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(cannot)?;
        }
        let found: Whereabouts = serde_json::from_str(&line)
            .map_err(|error| Failure::because(Exit::Failed, "the bucket's process did not say where it is", &error))?;
        let endpoint = Endpoint {
            url: found.endpoint,
            region: BucketOptions::default().region,
            access_key_id: found.access_key_id,
            secret_access_key: found.secret_access_key,
        };
        Ok(Self { bucket: S3Bucket::at(&endpoint, found.bucket), child })
    }
}

impl Drop for BucketChild {
    fn drop(&mut self) {
        // It may have ended by itself; its objects are of no use to anybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves a bucket in `folder` on a free port of this computer until standard input ends.
pub async fn serve(folder: &Path) -> Result<(), Failure> {
    // A bench may lose its objects in a power cut.
    let options = BucketOptions { durability: Durability::Normal, ..BucketOptions::default() };
    let bucket = EmbeddedBucket::open(&folder.join("bucket.sqlite"), options)
        .await
        .map(Arc::new)
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot open the bucket", &error))?;
    let root = bucket
        .root_credential()
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot open the bucket", &error))?;
    let cannot = |error: std::io::Error| Failure::because(Exit::Unavailable, "cannot listen on a free port", &error);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(cannot)?;
    print_json(&Whereabouts {
        endpoint: format!("http://{}", listener.local_addr().map_err(cannot)?),
        bucket: bucket.name().to_owned(),
        access_key_id: root.access_key_id.clone(),
        secret_access_key: root.secret.expose().to_owned(),
    })?;
    let stop = CancellationToken::new();
    let until = stop.clone();
    let ends = async move {
        // Whatever ends it, nobody is there any more.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new())).await;
        until.cancel();
    };
    tokio::join!(bucket.clone().serve(listener, stop), ends);
    bucket.close().await;
    Ok(())
}
