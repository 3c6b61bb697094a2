//! An Amazon SNS topic.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use stationkeeper_pipeline::chain;
use stationkeeper_pipeline::deliver::NotifyError;
use stationkeeper_rules::Message;

use crate::wording::{Wording, shortened};
use crate::{LIMIT, one_line};

/// SNS takes 256 KiB; a character has at most four bytes.
const MOST_CHARACTERS: usize = 60_000;
/// SNS takes less than 100 characters.
const MOST_OF_SUBJECT: usize = 99;

/// By the SDK's own variables and files. It asks once: the outbox asks again.
pub(crate) async fn client() -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_timeout(LIMIT).build();
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    Client::new(&shared)
}

pub(crate) async fn publish(
    client: &Client,
    topic_arn: &str,
    message: &Message,
    wording: &Wording,
) -> Result<(), NotifyError> {
    let attribute = |value: &str| {
        MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(|error| NotifyError::permanent(chain(&error)))
    };
    let mut request = client
        .publish()
        .topic_arn(topic_arn)
        .subject(subject(&wording.subject))
        .message(shortened(&wording.plain(), MOST_CHARACTERS))
        .message_attributes("id", attribute(&message.id.0)?)
        .message_attributes("kind", attribute(message.kind.as_str())?);
    if topic_arn.ends_with(".fifo") {
        // News of one laboratory stay in order; SNS itself drops a repeat.
        let group: String =
            message.lab.as_deref().unwrap_or("none").bytes().map(|byte| format!("{byte:02x}")).collect();
        request = request
            .message_deduplication_id(&message.id.0)
            .message_group_id(group.chars().take(128).collect::<String>());
    }
    request.send().await.map(drop).map_err(|error| {
        let is_permanent = matches!(
            error.code(),
            Some(
                "NotFound"
                    | "NotFoundException"
                    | "InvalidParameter"
                    | "InvalidParameterException"
                    | "ParameterValueInvalid"
            )
        );
        let code = error.code().map(str::to_owned);
        let reason = match code {
            Some(code) => format!("SNS answered {code}: {}", error.message().unwrap_or_default()),
            None => chain(&error),
        };
        if is_permanent { NotifyError::permanent(reason) } else { NotifyError::passing(reason) }
    })
}

/// ASCII, one line, not empty.
fn subject(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let line: String = one_line(&plain, MOST_OF_SUBJECT).chars().filter(char::is_ascii).collect();
    if line.is_empty() { "Stationkeeper".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_what_sns_takes() {
        for (text, expected) in [("LAB-Ñ1: down\r\nBcc: x", "LAB-?1: down Bcc: x"), ("\u{7}", "Stationkeeper")] {
            assert_eq!(subject(text), expected);
        }
        assert!(subject(&"é".repeat(300)).len() < 100);
    }
}
