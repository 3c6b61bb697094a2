//! What can be asked of the gateway, with the person's token.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stationkeeper_api::{
    ActionView, AlertView, ErrorBody, HoldView, LabView, Language, Page, RequestView, ReservationRecordView,
    StationView,
};
use stationkeeper_telemetry::HostName;
use stationkeeper_tray_view::pairing::{Fingerprint, GatewayUrl};

use crate::backoff::chance;
use crate::tls::Transport;
use crate::{ClientError, Token};

/// To answer. Nothing that is asked for here takes longer; what does is told by events.
const ANSWER: Duration = Duration::from_secs(20);
/// The older service answers a wake when it is over: ten attempts of a minute.
pub(crate) const OLD_WAKE: Duration = Duration::from_secs(660);
/// No laboratory has more pages than that; an endless list is none.
const MOST_PAGES: usize = 200;
/// Longer, an answer is none of ours.
const MOST_BYTES: usize = 32 << 20;

/// A hold that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldOrder {
    /// How long; none: the gateway decides.
    pub minutes: Option<u32>,
    /// Why; wanted where it stands in the way of a reservation.
    pub reason: Option<String>,
    /// The reservations that the person was asked about.
    pub confirmed: Vec<String>,
}

/// The gateway, for one person.
#[derive(Debug, Clone)]
pub struct Api {
    gateway: GatewayUrl,
    token: Option<Token>,
    transport: Transport,
    language: Language,
}

impl Api {
    /// A client. Without a token it asks what is open to all.
    ///
    /// # Errors
    /// Connections cannot be prepared.
    pub fn new(
        gateway: GatewayUrl,
        token: Option<Token>,
        pinned: Option<Fingerprint>,
        language: Language,
    ) -> Result<Self, ClientError> {
        Ok(Self { gateway, token, transport: Transport::new(pinned)?, language })
    }

    /// Where it asks.
    pub fn gateway(&self) -> &GatewayUrl {
        &self.gateway
    }

    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.gateway.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.transport.client.request(method, url).header("Accept-Language", self.language.tag());
        match &self.token {
            // The older service knows this header alone, and ours takes it too.
            Some(token) => request.header("X-Lab-Manager-Token", token.secret()),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| self.transport.error(error))
    }

    pub(crate) async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refused(status, retry_after, &body));
        }
        serde_json::from_slice(&body).map_err(|error| ClientError::NotAGateway(error.to_string()))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.transport.error(error))? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_BYTES {
                return Err(ClientError::NotAGateway(format!("an answer of more than {MOST_BYTES} bytes")));
            }
        }
        Ok(body)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ClientError> {
        self.answer(self.request(Method::GET, path, query).timeout(ANSWER)).await
    }

    /// A POST that is carried out once, though the answer be lost and it be sent again.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        let key = format!("tray-{:016x}{:016x}", chance(), chance());
        let attempt =
            || self.request(Method::POST, path, &[]).timeout(ANSWER).header("Idempotency-Key", &key).json(body);
        match self.answer(attempt()).await {
            Err(ClientError::Away(_)) => self.answer(attempt()).await,
            answered => answered,
        }
    }

    /// A POST of the older service, which may do twice what it is sent twice.
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        within: Duration,
    ) -> Result<T, ClientError> {
        self.answer(self.request(Method::POST, path, &[]).timeout(within).json(body)).await
    }

    async fn all<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut asked = query.to_vec();
            asked.push(("limit", "500"));
            if let Some(cursor) = &cursor {
                asked.push(("cursor", cursor));
            }
            let page: Page<T> = self.get(path, &asked).await?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
        Err(ClientError::NotAGateway(format!("{path} does not end")))
    }

    /// What `/health` says, well or not.
    ///
    /// # Errors
    /// Nothing answers, or what does is something else.
    pub async fn health(&self) -> Result<Value, ClientError> {
        let response = self.send(self.request(Method::GET, "health", &[]).timeout(ANSWER)).await?;
        let status = response.status();
        let known = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
        let body = self.body(response).await?;
        let value: Option<Value> = serde_json::from_slice(&body).ok().filter(Value::is_object);
        value.filter(|_| known).ok_or_else(|| ClientError::NotAGateway(format!("/health answers {}", status.as_u16())))
    }

    /// All stations.
    ///
    /// # Errors
    /// No answer to go by; so it is with all below.
    pub async fn stations(&self) -> Result<Vec<StationView>, ClientError> {
        self.all("api/v1/stations", &[]).await
    }

    /// One station; none: there is none of the name.
    pub async fn station(&self, host: &HostName) -> Result<Option<StationView>, ClientError> {
        let page: Page<StationView> = self.get("api/v1/stations", &[("host", host.as_str())]).await?;
        Ok(page.items.into_iter().next())
    }

    /// Reservations that touch the day around `now`.
    pub async fn reservations(&self, now: DateTime<Utc>) -> Result<Vec<ReservationRecordView>, ClientError> {
        let text = |at: DateTime<Utc>| stationkeeper_telemetry::format_instant(at);
        let (from, to) = (text(now - TimeDelta::hours(24)), text(now + TimeDelta::hours(48)));
        self.all("api/v1/reservations", &[("from", &from), ("to", &to)]).await
    }

    /// Laboratories with their time zones. A gateway that is older than that says nothing of any.
    pub async fn labs(&self) -> Result<Vec<LabView>, ClientError> {
        match self.get::<Page<LabView>>("api/v1/labs", &[]).await {
            Ok(page) => Ok(page.items),
            Err(ClientError::Refused { status: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Alerts that nobody has taken.
    pub async fn alerts(&self) -> Result<Vec<AlertView>, ClientError> {
        self.all("api/v1/alerts", &[("state", "open")]).await
    }

    /// The newest actions.
    pub async fn actions(&self) -> Result<Vec<ActionView>, ClientError> {
        Ok(self.get::<Page<ActionView>>("api/v1/actions", &[("limit", "200")]).await?.items)
    }

    /// The newest requests.
    pub async fn requests(&self) -> Result<Vec<RequestView>, ClientError> {
        Ok(self.get::<Page<RequestView>>("api/v1/requests", &[("limit", "200")]).await?.items)
    }

    /// Has a station woken.
    pub async fn wake(&self, host: &HostName) -> Result<ActionView, ClientError> {
        self.post("api/v1/actions", &json!({ "host": host, "kind": "wake" })).await
    }

    /// Has a wake ended.
    pub async fn withdraw(&self, action_id: &str) -> Result<ActionView, ClientError> {
        self.post(&format!("api/v1/actions/{action_id}/withdraw"), &json!({})).await
    }

    /// Has a station held.
    pub async fn hold(&self, host: &HostName, order: &HoldOrder) -> Result<HoldView, ClientError> {
        let mut body = json!({});
        if let Some(minutes) = order.minutes {
            body["minutes"] = json!(minutes);
        }
        if let Some(reason) = &order.reason {
            body["reason"] = json!(reason);
        }
        if !order.confirmed.is_empty() {
            body["confirm_reservation"] = json!(order.confirmed);
        }
        self.post(&format!("api/v1/stations/{host}/hold"), &body).await
    }

    /// Has a station held no longer.
    pub async fn end_hold(&self, host: &HostName) -> Result<HoldView, ClientError> {
        let path = format!("api/v1/stations/{host}/hold");
        self.answer(self.request(Method::DELETE, &path, &[]).timeout(ANSWER)).await
    }

    /// Says that whoever sits at the station leaves it.
    pub async fn leaving(&self, host: &HostName) -> Result<RequestView, ClientError> {
        self.post(&format!("api/v1/stations/{host}/leaving"), &json!({})).await
    }

    /// Asks for more time at the station.
    pub async fn more_time(
        &self,
        host: &HostName,
        minutes: u32,
        reason: Option<&str>,
    ) -> Result<RequestView, ClientError> {
        let mut body = json!({ "minutes": minutes });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        self.post(&format!("api/v1/stations/{host}/more-time"), &body).await
    }
}

fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}

pub(crate) fn refused(status: StatusCode, retry_after: Option<u64>, body: &[u8]) -> ClientError {
    let said: Option<ErrorBody> = serde_json::from_slice(body).ok();
    if status == StatusCode::UNAUTHORIZED && said.as_ref().is_none_or(|said| !said.code.starts_with("pairing_code")) {
        return ClientError::TokenRefused;
    }
    match said {
        Some(said) => ClientError::Refused {
            status: status.as_u16(),
            code: said.code,
            text: said.error,
            request_id: said.request_id,
            retry_after,
        },
        // A proxy's page, while the gateway behind it is away.
        None if status.is_server_error() => ClientError::Away(format!("it answers {}", status.as_u16())),
        None => ClientError::NotAGateway(format!("it answers {}", status.as_u16())),
    }
}
