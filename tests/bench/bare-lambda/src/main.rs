//! The least that a Lambda in Rust can do with an object: GET it, INSERT it, answer. What the cold start of the real one is
//! compared with.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_s3::config::BehaviorVersion;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use sqlx::MySqlPool;

#[expect(clippy::disallowed_methods, reason = "a program of its own")]
#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let shared = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let bucket = std::env::var("STATIONKEEPER_BUCKET")?;
    let pool = MySqlPool::connect(&std::env::var("STATIONKEEPER_DATABASE_URL")?).await?;
    let (s3, bucket, pool) = (&s3, &bucket, &pool);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        for message in event.payload.records {
            let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
            let object = &body["Records"][0]["s3"]["object"];
            let key = object["key"].as_str().unwrap_or_default();
            let version = object["versionId"].as_str().map(str::to_owned);
            let got = s3.get_object().bucket(bucket).key(key).set_version_id(version).send().await?;
            let bytes = got.body.collect().await?.into_bytes();
            sqlx::query("insert into bare_objects (object_key, body) values (?, ?)")
                .bind(key)
                .bind(&bytes[..])
                .execute(pool)
                .await?;
        }
        Ok::<_, Error>(SqsBatchResponse::default())
    }))
    .await
}
