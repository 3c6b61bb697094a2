//! The adapter to SQS and to whatever speaks its protocol. It asks once: whoever asks decides when to ask again.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use chrono::DateTime;
use serde_json::Value;

use super::{Depth, EventQueue, MOST, Message, QueueError};
use crate::environment;
use crate::failure::chain;

/// Longer than the longest wait for a message, which is 20 s.
const DEADLINE: Duration = Duration::from_secs(30);
/// Read while somebody looks whether a message can be brought back.
const HELD: Duration = Duration::from_secs(60);

/// A queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// By the SDK's own variables and files; the queue service is where the address says, unless `AWS_ENDPOINT_URL_SQS` says otherwise.
    ///
    /// # Errors
    /// The address is none.
    pub async fn from_environment(url: &str) -> Result<Self, QueueError> {
        let (origin, host) = origin(url).ok_or_else(|| QueueError::NoAddress { url: url.to_owned() })?;
        let builder = aws_smithy_http_client::Builder::new();
        let endpoint = environment::variable("AWS_ENDPOINT_URL_SQS").unwrap_or(origin);
        let http = match endpoint.starts_with("http:") {
            true => builder.build_http(),
            false => builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        };
        let timeouts =
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_timeout(DEADLINE).build();
        // The credentials may come from a service that has TLS where the queue has none.
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(
                aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
            )
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        let mut config = aws_sdk_sqs::config::Builder::from(&shared).http_client(http).endpoint_url(endpoint);
        if let Some(region) = region(&host) {
            config = config.region(Region::new(region));
        } else if shared.region().is_none() {
            config = config.region(Region::from_static("us-east-1"));
        }
        Ok(Self { client: Client::from_conf(config.build()), url: url.to_owned() })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its messages go that failed too often; none: nowhere, they come back until they are too old.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn dead_letters(&self) -> Result<Option<Self>, QueueError> {
        const ACTION: &str = "find the queue of dead letters";
        let asking = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send();
        let answer = asking.await.map_err(|error| failed(ACTION, &error))?;
        let policy =
            answer.attributes().and_then(|attributes| attributes.get(&QueueAttributeName::RedrivePolicy)).cloned();
        let Some((account, name)) = policy.as_deref().and_then(target) else { return Ok(None) };
        let asking = self.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account).send();
        let url = asking.await.map_err(|error| failed(ACTION, &error))?.queue_url;
        Ok(url.map(|url| Self { client: self.client.clone(), url }))
    }

    /// Moves at most so many messages of this queue into another; each is there before it is gone from here. Returns how many.
    ///
    /// # Errors
    /// What is in the way; those before it are moved.
    pub async fn move_to(&self, other: &Self, limit: u64) -> Result<u64, QueueError> {
        const ACTION: &str = "bring messages back";
        let mut moved = 0;
        while moved < limit {
            let mut messages = self.receive(Duration::from_secs(1), HELD).await?;
            let left = usize::try_from(limit - moved).unwrap_or(MOST);
            for over in messages.split_off(messages.len().min(left)) {
                self.postpone(&[(over.receipt, Duration::ZERO)]).await?;
            }
            if messages.is_empty() {
                break;
            }
            let entries = messages.iter().enumerate().map(|(place, message)| {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(&message.body);
                entry.build().map_err(|error| unavailable(ACTION, &error))
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let asking = self.client.send_message_batch().queue_url(&other.url).set_entries(Some(entries)).send();
            let answer = asking.await.map_err(|error| failed(ACTION, &error))?;
            let sent: Vec<String> = answer
                .successful()
                .iter()
                .filter_map(|one| messages.get(one.id().parse::<usize>().ok()?))
                .map(|message| message.receipt.clone())
                .collect();
            if sent.is_empty() {
                let reason = answer.failed().first().map_or("none was taken", |one| one.code());
                return Err(QueueError::Unavailable { action: ACTION, reason: reason.to_owned() });
            }
            moved += sent.len() as u64;
            let still_there = self.delete(&sent).await?;
            if !still_there.is_empty() {
                let reason = format!("{} of them lie in both queues now, which costs nothing", still_there.len());
                return Err(QueueError::Unavailable { action: ACTION, reason });
            }
        }
        Ok(moved)
    }
}

impl EventQueue for SqsQueue {
    async fn receive(&self, wait: Duration, invisible: Duration) -> Result<Vec<Message>, QueueError> {
        let asking = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MOST as i32)
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(invisible))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send();
        let answer = asking.await.map_err(|error| failed("receive messages", &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn postpone(&self, receipts: &[(String, Duration)]) -> Result<Vec<String>, QueueError> {
        const ACTION: &str = "give messages back";
        let entries = receipts.iter().enumerate().map(|(place, (receipt, after))| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds(*after));
            entry.build().map_err(|error| unavailable(ACTION, &error))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let asking =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries)).send();
        let answer = asking.await.map_err(|error| failed(ACTION, &error))?;
        let places = answer.failed().iter().filter_map(|one| one.id().parse::<usize>().ok());
        Ok(places.filter_map(|place| receipts.get(place)).map(|(receipt, _)| receipt.clone()).collect())
    }

    async fn delete(&self, receipts: &[String]) -> Result<Vec<String>, QueueError> {
        const ACTION: &str = "delete messages";
        let entries = receipts.iter().enumerate().map(|(place, receipt)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(receipt);
            entry.build().map_err(|error| unavailable(ACTION, &error))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let asking = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries)).send();
        let answer = asking.await.map_err(|error| failed(ACTION, &error))?;
        let places = answer.failed().iter().filter_map(|one| one.id().parse::<usize>().ok());
        Ok(places.filter_map(|place| receipts.get(place)).cloned().collect())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as UnderWay,
        };
        let names = vec![Waiting, UnderWay, Delayed];
        let asking = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names)).send();
        let answer = asking.await.map_err(|error| failed("look at the queue", &error))?;
        let number = |name| answer.attributes()?.get(&name)?.parse().ok();
        Ok(Depth {
            waiting: number(Waiting).unwrap_or_default(),
            under_way: number(UnderWay).unwrap_or_default(),
            delayed: number(Delayed).unwrap_or_default(),
        })
    }
}

fn message(one: aws_sdk_sqs::types::Message) -> Option<Message> {
    let attribute = |name| one.attributes()?.get(&name).map(String::as_str);
    Some(Message {
        id: one.message_id()?.to_owned(),
        receipt: one.receipt_handle()?.to_owned(),
        body: one.body()?.to_owned(),
        receives: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        sent_at: attribute(MessageSystemAttributeName::SentTimestamp)
            .and_then(|millis| DateTime::from_timestamp_millis(millis.parse().ok()?)),
    })
}

/// The protocol has whole seconds.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

fn unavailable(action: &'static str, error: &dyn std::error::Error) -> QueueError {
    QueueError::Unavailable { action, reason: chain(error) }
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    action: &'static str,
    error: &SdkError<E>,
) -> QueueError {
    let code = error.code().unwrap_or_default().to_owned();
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(403) => QueueError::Denied { action, code: if code.is_empty() { "403".to_owned() } else { code } },
        _ => {
            let reason = match (error.message(), code.is_empty()) {
                (Some(message), false) => format!("{code}: {message}"),
                (None, false) => code,
                _ => chain(error),
            };
            QueueError::Unavailable { action, reason }
        }
    }
}

/// Origin and host of an address.
fn origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.split(':').next().unwrap_or_default();
    (!host.is_empty() && !path.is_empty() && !authority.contains('@'))
        .then(|| (format!("{scheme}://{authority}"), host.to_owned()))
}

/// The region of a host of AWS.
fn region(host: &str) -> Option<String> {
    let rest = host.strip_prefix("sqs.")?;
    let (region, domain) = rest.split_once('.')?;
    domain.starts_with("amazonaws.com").then(|| region.to_owned())
}

/// Account and name of the queue that a redrive policy names.
fn target(policy: &str) -> Option<(String, String)> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let mut parts = policy.get("deadLetterTargetArn")?.as_str()?.split(':').skip(4);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_the_service_is_and_in_which_region() {
        for (url, found, of) in [
            (
                "https://sqs.eu-south-2.amazonaws.com/123456789012/ingest",
                Some("https://sqs.eu-south-2.amazonaws.com"),
                Some("eu-south-2"),
            ),
            ("http://127.0.0.1:5000/123456789012/ingest", Some("http://127.0.0.1:5000"), None),
            ("http://queues:9324/000000000000/ingest", Some("http://queues:9324"), None),
            ("sqs://queues/ingest", None, None),
            ("https://queues", None, None),
            ("https://ann:secret@queues/1/ingest", None, None),
            ("ingest", None, None),
        ] {
            let origin = origin(url);
            assert_eq!(origin.as_ref().map(|(origin, _)| origin.as_str()), found, "{url}");
            assert_eq!(origin.and_then(|(_, host)| region(&host)).as_deref(), of, "{url}");
        }
    }

    #[test]
    fn a_redrive_policy_names_the_queue_of_dead_letters() {
        let policy =
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:ingest-dead","maxReceiveCount":"5"}"#;
        assert_eq!(target(policy), Some(("123456789012".to_owned(), "ingest-dead".to_owned())));
        for policy in ["", "{}", r#"{"deadLetterTargetArn":"arn:aws"}"#, r#"{"deadLetterTargetArn":7}"#] {
            assert_eq!(target(policy), None, "{policy}");
        }
    }
}
