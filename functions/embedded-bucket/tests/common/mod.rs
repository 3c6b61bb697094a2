//! A bucket on a port of its own, and clients of it.
#![expect(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use chrono::DateTime;
use stationkeeper_embedded_bucket::{BucketOptions, Credential, EmbeddedBucket, Scope};
use stationkeeper_telemetry::HostName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub const BUCKET: &str = "lab-telemetry";

/// A bucket that is being served. Its clock stands still until it is moved.
pub struct Lab {
    pub bucket: Arc<EmbeddedBucket>,
    pub address: std::net::SocketAddr,
    pub folder: tempfile::TempDir,
    pub shutdown: CancellationToken,
    seconds: Arc<AtomicI64>,
    served: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

pub fn options() -> BucketOptions {
    BucketOptions { name: BUCKET.to_owned(), busy: Duration::from_millis(200), ..BucketOptions::default() }
}

impl Lab {
    pub async fn new() -> Self {
        Self::with(options()).await
    }

    pub async fn with(options: BucketOptions) -> Self {
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::clone(&seconds);
        let options = BucketOptions {
            clock: Arc::new(move || DateTime::from_timestamp(clock.load(Ordering::SeqCst), 123_000_000).unwrap()),
            ..options
        };
        let bucket = Arc::new(EmbeddedBucket::open(&folder.path().join("bucket.sqlite"), options).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(Arc::clone(&bucket).serve(listener, shutdown.clone()));
        Self { bucket, address, folder, shutdown, seconds, served: Mutex::new(Some(served)) }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("bucket.sqlite")
    }

    pub fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs().cast_signed(), Ordering::SeqCst);
    }

    pub async fn stop(&self) {
        self.shutdown.cancel();
        let served = self.served.lock().unwrap().take().unwrap();
        served.await.unwrap();
    }

    pub async fn root(&self) -> Client {
        self.client(&self.bucket.root_credential().await.unwrap())
    }

    pub async fn station(&self, host: &str) -> Client {
        self.client(&self.bucket.credential_for_station(&HostName::parse(host).unwrap()).await.unwrap())
    }

    pub fn client(&self, credential: &Credential) -> Client {
        let keys = Credentials::new(&credential.access_key_id, credential.secret.expose(), None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::new("us-east-1"))
            .credentials_provider(keys)
            .retry_config(RetryConfig::disabled())
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }

    /// Sends bytes as they are, and reads until the answer is whole or the connection ends.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub fn known_to_nobody() -> Credential {
    Credential::generate(Scope::All).unwrap()
}

pub async fn put(client: &Client, key: &str, body: impl Into<Vec<u8>>) -> Result<String, (u16, String)> {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.into())).send().await;
    put.map(|put| put.version_id.unwrap()).map_err(refusal)
}

pub async fn get(client: &Client, key: &str) -> Result<Vec<u8>, (u16, String)> {
    let got = client.get_object().bucket(BUCKET).key(key).send().await.map_err(refusal)?;
    Ok(got.body.collect().await.unwrap().to_vec())
}

/// Status and code of a refusal.
pub fn refusal<E: ProvideErrorMetadata>(error: SdkError<E>) -> (u16, String) {
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

/// A refusal to compare with.
pub fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
