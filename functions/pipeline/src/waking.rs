//! Wakes whoever delivers what is owed, by a message that says nothing more than that.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::chain;

/// The queue that the notify function is woken by.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    client: Client,
    queue: String,
}

impl Waker {
    /// By the SDK's own variables and files.
    pub(crate) async fn from_environment(queue: String) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        // Heartbeats wait meanwhile, and the schedule finds what is owed within a minute anyway.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_timeout(Duration::from_secs(4))
            .build();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .load()
            .await;
        Self { client: Client::new(&shared), queue }
    }

    /// Says that something is owed. When it cannot, the schedule finds it.
    pub(crate) async fn wake(&self) {
        let sent = self.client.send_message().queue_url(&self.queue).message_body("look").send().await;
        if let Err(error) = sent {
            let error = chain(&error.into_service_error());
            tracing::warn!(error, "cannot wake the notify function; its schedule finds what is owed");
        }
    }
}
