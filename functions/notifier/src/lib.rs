//! Takes messages to people: mail, webhook, chat, SNS. What a message says is made here from the catalogue of texts; whom it goes to
//! stands in the settings; by which connection, in the environment.

mod alive;
mod chat;
mod connections;
mod document;
mod http;
mod mail;
mod topic;
mod wording;

use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_pipeline::deliver::{Notifier, NotifyError, Outgoing};
use stationkeeper_rules::Channel;

pub use alive::Alive;
pub use connections::{Connections, ConnectionsError};
pub use document::{IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, signature};
pub use wording::{Wording, one_line};

/// One exchange over HTTP or SMTP takes no longer.
const LIMIT: Duration = Duration::from_secs(20);

/// All channels over the connections of this process.
pub struct Channels {
    connections: Connections,
    http: reqwest::Client,
    sns: tokio::sync::OnceCell<aws_sdk_sns::Client>,
    clock: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Channels {
    /// Over these connections; `clock` stamps signatures.
    pub fn new(
        connections: Connections,
        clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Result<Self, ConnectionsError> {
        let http = http::client(connections.authorities.as_deref())?;
        Ok(Self { connections, http, sns: tokio::sync::OnceCell::new(), clock: Box::new(clock) })
    }

    /// The dead man's switch, where there is one.
    pub fn alive(&self) -> Option<Alive> {
        let url = self.connections.alive.clone()?;
        Some(Alive::new(self.http.clone(), url))
    }
}

impl Notifier for Channels {
    async fn notify(&self, outgoing: Outgoing<'_>) -> Result<(), NotifyError> {
        let Outgoing { receiver, message, page_url, .. } = outgoing;
        let wording = Wording::new(message, receiver.language, page_url);
        match &receiver.channel {
            Channel::Email { to } => mail::send(&self.connections, to, &outgoing, &wording).await,
            Channel::Webhook { connection } => {
                let to = self.connections.webhook(connection)?;
                let body = document::body(message, receiver.language, &wording)?;
                http::post(document::request(&self.http, to, message, body, (self.clock)())).await
            }
            Channel::Slack { connection } => {
                let to = self.connections.webhook(connection)?;
                http::post(chat::request(&self.http, to, message, &wording)).await
            }
            Channel::Sns { topic_arn } => {
                let client = self.sns.get_or_init(topic::client).await;
                topic::publish(client, topic_arn, message, &wording).await
            }
        }
    }
}
