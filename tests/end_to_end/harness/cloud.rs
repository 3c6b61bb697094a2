//! An S3 server and a queue service that are not ours, and `up` over them.

use std::path::Path;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use stationkeeper_tests::conservation::Accepted;

use super::programs::{Running, command};
use super::secret::script;
use super::up::{Access, Up};
use super::{PATIENCE, now, until};

/// Long enough for a message whose receiver died to come back, twice.
pub const REDELIVERED: Duration = Duration::from_secs(90);

/// Both services; they end with the test.
pub struct Cloud {
    /// Of both.
    pub endpoint: String,
    /// Address of the queue.
    pub queue: String,
    dead: String,
    /// Its bucket, for whoever may do everything.
    pub access: Access,
    sqs: Client,
    _program: Running,
}

impl Cloud {
    /// With an empty bucket and an empty queue, whose messages are dead after so many receives.
    pub fn serve(folder: &Path, receives: u32) -> Self {
        let mut command = script("cloud_service.py");
        command.args(["serve", &receives.to_string()]);
        let mut program = Running::start(command, "S3 and SQS", &folder.with_extension("cloud.log"));
        let said = program.first_line(PATIENCE);
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        let endpoint = text("endpoint");
        let access = Access {
            endpoint: endpoint.clone(),
            bucket: "lab".to_owned(),
            access_key_id: "any".to_owned(),
            secret_access_key: "any".to_owned(),
        };
        let config = aws_sdk_sqs::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&endpoint)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("any", "any", None, None, "test"))
            .build();
        let sqs = Client::from_conf(config);
        Self { queue: text("queue"), dead: text("dead"), endpoint, access, sqs, _program: program }
    }

    /// `up --json` over bucket and queue, not yet answering.
    pub fn launch(&self, data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut up = command("stationkeeper");
        up.args([
            "up",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--bucket",
            &format!("s3://{}", self.access.bucket),
            "--data",
        ])
        .arg(data)
        .args(arguments)
        .env("AWS_ENDPOINT_URL", &self.endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
        Running::start(up, "stationkeeper up", &data.with_extension("log"))
    }

    /// The same once it answers, with the queue.
    pub fn up(&self, data: &Path, database: &str, arguments: &[&str]) -> Up {
        let arguments: Vec<_> =
            ["--database", database, "--queue", &self.queue].into_iter().chain(arguments.iter().copied()).collect();
        Up::answering(self.launch(data, &arguments, &[]), data, PATIENCE)
    }

    /// The same with a bucket that keeps no versions.
    pub async fn without_versions(self) -> Self {
        let access = Access { bucket: "plain".to_owned(), ..self.access };
        access.sdk().client().create_bucket().bucket("plain").send().await.expect("a bucket can be made");
        Self { access, ..self }
    }

    /// Puts an object; where the bucket keeps no versions it has none.
    pub async fn put(&self, key: &str, body: &[u8]) -> Accepted {
        let bucket = self.access.sdk();
        let asking = bucket.client().put_object().bucket(bucket.name()).key(key).body(body.to_vec().into());
        let sent = asking.send().await.expect("the object is taken");
        Accepted::answered(key, sent.version_id.unwrap_or_default(), body)
    }

    /// Takes a version away for good.
    pub async fn delete(&self, object: &Accepted) {
        let bucket = self.access.sdk();
        let asking = bucket.client().delete_object().bucket("lab").key(&object.object.key);
        asking.version_id(&object.object.version).send().await.expect("the version is deleted");
    }

    /// Sends the queue what a bucket would say.
    pub async fn send(&self, bodies: &[String]) {
        for bodies in bodies.chunks(10) {
            let entry = |(place, body): (usize, &String)| {
                SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body).build().expect("whole")
            };
            let entries = bodies.iter().enumerate().map(entry).collect();
            let sent = self.sqs.send_message_batch().queue_url(&self.queue).set_entries(Some(entries)).send().await;
            assert!(sent.expect("the queue answers").failed().is_empty());
        }
    }

    /// Messages in the queue, and dead letters, received and not deleted ones included.
    pub async fn depths(&self) -> (u64, u64) {
        let depth = async |url: &str| -> u64 {
            let asking = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
            let answer = asking.send().await.expect("the queue answers");
            let number = |name| answer.attributes()?.get(&name)?.parse::<u64>().ok();
            number(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or_default()
                + number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).unwrap_or_default()
                + number(QueueAttributeName::ApproximateNumberOfMessagesDelayed).unwrap_or_default()
        };
        (depth(&self.queue).await, depth(&self.dead).await)
    }

    /// Waits for so many messages, and dead letters, to be there.
    pub async fn comes_to(&self, waiting: u64, dead: u64, within: Duration) {
        let what = format!("{waiting} messages and {dead} dead letters");
        until(&what, within, async || (self.depths().await == (waiting, dead)).then_some(())).await;
    }
}

/// What S3 says of an object that was put.
pub fn event(object: &Accepted) -> String {
    let version = Some(object.object.version.as_str()).filter(|version| !version.is_empty());
    event_of(&object.object.key, version, now())
}

/// The same of any key, version and instant.
pub fn event_of(key: &str, version: Option<&str>, put_at: DateTime<Utc>) -> String {
    let mut record = json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "eventTime": put_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "s3": { "bucket": { "name": "lab" }, "object": { "key": key, "size": 1 } },
    });
    if let Some(version) = version {
        record["s3"]["object"]["versionId"] = version.into();
    }
    json!({ "Records": [record] }).to_string()
}
