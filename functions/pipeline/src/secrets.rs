//! AWS Secrets Manager, as far as a function reads it.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde_json::{Map, Value};

use crate::chain;

/// Why a secret is of no use. No text of it holds a value of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("cannot read the secret {arn}: {reason}")]
    Unavailable {
        /// Which.
        arn: String,
        /// What Secrets Manager said, or what was in the way to it.
        reason: String,
    },
    /// It is not of its form.
    #[error("the secret {arn} is of no use: {problem}; it is {form}")]
    Form {
        /// Which.
        arn: String,
        /// What is wrong with it.
        problem: String,
        /// What it should be.
        form: &'static str,
    },
    /// Nothing to check the certificate of RDS against.
    #[error(
        "STATIONKEEPER_DATABASE_CA is not set: give the path of the authorities of RDS (global-bundle.pem), by which the certificate \
         of {host} is checked"
    )]
    NoAuthorities {
        /// The database's host.
        host: String,
    },
}

/// The service. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// By the SDK's own variables and files.
    pub async fn from_environment() -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(15))
            .build();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .load()
            .await;
        Self { client: Client::new(&shared) }
    }

    /// What a secret says now.
    pub(crate) async fn text(&self, arn: &str) -> Result<String, SecretError> {
        let answer = self.client.get_secret_value().secret_id(arn).send().await.map_err(|error| {
            let reason = chain(&error.into_service_error());
            SecretError::Unavailable { arn: arn.to_owned(), reason }
        })?;
        answer.secret_string.ok_or_else(|| SecretError::Form {
            arn: arn.to_owned(),
            problem: "it holds bytes, not text".to_owned(),
            form: "JSON",
        })
    }

    /// A secret that holds variables: a JSON object of texts.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub async fn variables(&self, arn: &str) -> Result<Vec<(String, String)>, SecretError> {
        let text = self.text(arn).await?;
        variables(&text).map_err(|problem| SecretError::Form {
            arn: arn.to_owned(),
            problem,
            form: "a JSON object of names such as STATIONKEEPER_SMTP_URL and what they hold",
        })
    }
}

/// An error names a variable, never what it holds (the parser's own words would).
fn variables(secret: &str) -> Result<Vec<(String, String)>, String> {
    let fields: Map<String, Value> = serde_json::from_str(secret).map_err(|_| "it is no JSON object".to_owned())?;
    fields
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(format!("its {name} is no text")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_a_json_object_of_texts() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (secret, expected) in [
            (r#"{"A":"s3cret","B":""}"#, Ok(vec![pair("A", "s3cret"), pair("B", "")])),
            ("{}", Ok(vec![])),
            (r#"{"A":"s3cret","B":7}"#, Err("its B is no text".to_owned())),
            (r#"["s3cret"]"#, Err("it is no JSON object".to_owned())),
            ("A=s3cret", Err("it is no JSON object".to_owned())),
        ] {
            assert_eq!(variables(secret), expected, "{secret}");
        }
    }
}
