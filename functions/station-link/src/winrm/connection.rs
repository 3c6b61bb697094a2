//! One connection to one station: TLS, the login on it, and requests one after the other. NTLM logs in a connection, not a request, so no pool
//! of them will do: what answers the challenge must leave by the connection that the challenge came by.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::answer::{Element, Fault};
use super::client::WinRmTarget;
use super::envelope::MAX_ENVELOPE_BYTES;
use super::error::WinRmError;
use super::login::{Handshake, Login, Scheme, challenge, channel_binding};

/// No answer is longer; the station was told half of it.
const MAX_ANSWER_BYTES: usize = 2 * MAX_ENVELOPE_BYTES;
/// A station may close a connection that was idle, but not each one.
const MOST_LOGINS: u32 = 3;

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub error: WinRmError,
    /// Whether the station may have read it.
    pub sent: bool,
}

/// What a station answered to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Element),
    Fault(Fault),
}

pub(crate) struct Connection {
    target: WinRmTarget,
    tls: Arc<ClientConfig>,
    host_header: HeaderValue,
    link: Option<Link>,
}

/// An open connection.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// What NTLM is bound to.
    binding: Option<Vec<u8>>,
    logged_in: bool,
    /// Moves its bytes, and ends with it.
    _driver: JoinSet<()>,
}

/// What came of sending.
enum Sent {
    Answered(Response<Incoming>),
    /// The connection had ended before; nothing was sent.
    Stale,
}

impl Connection {
    pub fn new(target: &WinRmTarget) -> Result<Self, WinRmError> {
        let local = |reason: String| WinRmError::Local { host: target.address.host().to_owned(), reason };
        let tls = target.certificate.tls().map_err(|error| local(error.to_string()))?;
        let host_header = HeaderValue::from_str(&authority(target))
            .or_else(|_| HeaderValue::from_str(&target.address.port(target.port).to_string()))
            .map_err(|error| local(error.to_string()))?;
        Ok(Self { target: target.clone(), tls: Arc::new(tls), host_header, link: None })
    }

    /// As the station should see it.
    pub fn url(&self) -> String {
        format!("https://{}/wsman", authority(&self.target))
    }

    /// Sends a request and reads its answer, all of it within `limit`.
    pub async fn post(&mut self, body: &str, limit: Duration) -> Result<Answer, Unanswered> {
        // Set while the body itself may be on its way, which it is not with the first legs of a login.
        let mut sent = false;
        let done = match tokio::time::timeout(limit, self.exchange(body, &mut sent)).await {
            Ok(done) => done,
            Err(_) => Err(WinRmError::Timeout { host: self.host(), limit }),
        };
        done.map_err(|error| {
            // Half an answer may be left in it.
            self.link = None;
            Unanswered { error, sent }
        })
    }

    async fn exchange(&mut self, body: &str, sent: &mut bool) -> Result<Answer, WinRmError> {
        for _ in 0..MOST_LOGINS {
            let logged_in = self.link().await?.logged_in;
            let answered = match (self.target.login, logged_in) {
                (Login::Basic, _) => {
                    let header = self.target.credential.basic();
                    self.send(Some(header), body, sent).await?
                }
                (Login::Ntlm, true) => self.send(None, body, sent).await?,
                (Login::Ntlm, false) => self.log_in(body, sent).await?,
            };
            let Sent::Answered(response) = answered else { continue };
            if response.status() != StatusCode::UNAUTHORIZED {
                let link = self.link.as_mut();
                link.into_iter().for_each(|link| link.logged_in = true);
                return self.read(response).await;
            }
            *sent = false;
            let refused = self.refused(&response);
            self.bounded(response).await?;
            let link = self.link.as_mut();
            let was_logged_in = link.is_some_and(|link| std::mem::take(&mut link.logged_in));
            if !was_logged_in {
                return Err(refused);
            }
        }
        Err(WinRmError::NotWinRm {
            host: self.host(),
            reason: "it ends each connection in the middle of the login".to_owned(),
        })
    }

    /// The first two legs, and the third with the request.
    async fn log_in(&mut self, body: &str, sent: &mut bool) -> Result<Sent, WinRmError> {
        let mut scheme = Scheme::Negotiate;
        loop {
            let host = self.host();
            let not_winrm = |reason: String| WinRmError::NotWinRm { host: host.clone(), reason };
            let mut handshake = Handshake::new(&self.target.credential);
            let first = handshake.first().map_err(not_winrm)?;
            let Sent::Answered(response) =
                self.send(Some(format!("{} {first}", scheme.word())), "", &mut false).await?
            else {
                return Ok(Sent::Stale);
            };
            let status = response.status();
            if status != StatusCode::UNAUTHORIZED {
                return Err(not_winrm(format!("it asks for no login (status {})", status.as_u16())));
            }
            let given = challenge(offers(&response), scheme).map(ToOwned::to_owned);
            let has_ntlm = challenge(offers(&response), Scheme::Ntlm).is_some();
            let refused = self.refused(&response);
            self.bounded(response).await?;
            match given {
                Some(token) if !token.is_empty() => {
                    let binding = self.link.as_ref().and_then(|link| link.binding.as_deref());
                    let answer = handshake.answer(&token, binding).map_err(not_winrm)?;
                    return self.send_on_this(Some(format!("{} {answer}", scheme.word())), body, sent).await;
                }
                _ if has_ntlm && scheme == Scheme::Negotiate => scheme = Scheme::Ntlm,
                _ => return Err(refused),
            }
        }
    }

    /// The connection that is open, or a new one.
    async fn link(&mut self) -> Result<&mut Link, WinRmError> {
        let usable = match &mut self.link {
            Some(link) => link.sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.link = None;
            let limit = self.target.timings.connect;
            let opened = tokio::time::timeout(limit, self.open()).await;
            self.link = Some(opened.unwrap_or_else(|_| {
                Err(self.unreachable(format!("no connection over TLS within {} s", limit.as_secs())))
            })?);
        }
        match &mut self.link {
            Some(link) => Ok(link),
            None => Err(WinRmError::Local { host: String::new(), reason: "the connection is gone".to_owned() }),
        }
    }

    /// The name is not asked for again: the connection goes to the address that was checked.
    async fn open(&self) -> Result<Link, WinRmError> {
        let address = &self.target.address;
        let stream = TcpStream::connect(address.port(self.target.port)).await;
        let stream = stream.map_err(|error| self.unreachable(error.to_string()))?;
        // Requests are small, and each waits for its answer.
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(address.host().to_owned()).unwrap_or_else(|_| address.ip().into());
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(|error| self.tls_failed(&error))?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let binding = leaf.and_then(|leaf| channel_binding(leaf));
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(&error))?;
        let mut drivers = JoinSet::new();
        drivers.spawn(async {
            let _ = driver.await;
        });
        Ok(Link { sender, binding, logged_in: false, _driver: drivers })
    }

    async fn send(&mut self, authorization: Option<String>, body: &str, sent: &mut bool) -> Result<Sent, WinRmError> {
        self.link().await?;
        self.send_on_this(authorization, body, sent).await
    }

    async fn send_on_this(
        &mut self,
        authorization: Option<String>,
        body: &str,
        sent: &mut bool,
    ) -> Result<Sent, WinRmError> {
        let request = Request::post("/wsman")
            .header(HOST, self.host_header.clone())
            .header(CONTENT_TYPE, "application/soap+xml;charset=UTF-8")
            .header(USER_AGENT, concat!("stationkeeper/", env!("CARGO_PKG_VERSION")));
        let request = match authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        let request = request.body(Full::from(body.to_owned())).map_err(|error| self.unreachable(error.to_string()))?;
        let Some(link) = self.link.as_mut() else { return Ok(Sent::Stale) };
        if link.sender.ready().await.is_err() {
            self.link = None;
            return Ok(Sent::Stale);
        }
        *sent = true;
        match link.sender.try_send_request(request).await {
            Ok(response) => Ok(Sent::Answered(response)),
            // It came back whole: it had not begun to leave.
            Err(error) if error.message().is_some() => {
                *sent = false;
                self.link = None;
                Ok(Sent::Stale)
            }
            Err(error) => Err(self.lost(error.error())),
        }
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<Answer, WinRmError> {
        let status = response.status();
        let body = self.bounded(response).await?;
        let not_winrm = |reason: String| WinRmError::NotWinRm { host: self.host(), reason };
        match (status.as_u16(), Element::read(&body)) {
            (200, Ok(answer)) => Ok(Answer::Done(answer)),
            (200, Err(error)) => Err(not_winrm(error.to_string())),
            (status, Ok(answer)) => match Fault::read(&answer) {
                Some(fault) => Ok(Answer::Fault(fault)),
                None => Err(not_winrm(format!("status {status} without a fault"))),
            },
            (status, Err(_)) => Err(not_winrm(format!("status {status}"))),
        }
    }

    /// Reads an answer to its end, so that the connection is free for the next request.
    async fn bounded(&self, mut response: Response<Incoming>) -> Result<Vec<u8>, WinRmError> {
        let mut body = Vec::new();
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|error| self.lost(&error))?;
            body.extend(frame.into_data().unwrap_or_default());
            if body.len() > MAX_ANSWER_BYTES {
                return Err(WinRmError::NotWinRm { host: self.host(), reason: "its answer does not end".to_owned() });
            }
        }
        Ok(body)
    }

    fn host(&self) -> String {
        self.target.address.host().to_owned()
    }

    fn unreachable(&self, reason: String) -> WinRmError {
        WinRmError::Unreachable { host: self.host(), reason }
    }

    fn lost(&self, error: &hyper::Error) -> WinRmError {
        if error.is_parse() {
            return WinRmError::NotWinRm {
                host: self.host(),
                reason: format!("its answer is no HTTP ({})", said(error)),
            };
        }
        self.unreachable(said(error))
    }

    fn refused(&self, response: &Response<Incoming>) -> WinRmError {
        let offered: Vec<&str> = offers(response).filter_map(|offer| offer.split_whitespace().next()).collect();
        let reason = match (self.target.login, offered.as_slice()) {
            (_, []) => "it offers no way to log in".to_owned(),
            (Login::Basic, some) if !some.iter().any(|one| one.eq_ignore_ascii_case("basic")) => {
                format!("it does not take Basic, but {}", some.join(", "))
            }
            (Login::Ntlm, some) if some.iter().all(|one| one.eq_ignore_ascii_case("basic")) => {
                "it takes Basic alone".to_owned()
            }
            _ => "wrong user or password".to_owned(),
        };
        WinRmError::Unauthorized { host: self.host(), reason }
    }

    fn tls_failed(&self, error: &std::io::Error) -> WinRmError {
        use rustls::{CertificateError, Error};
        let host = self.host();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
                WinRmError::Certificate { host, reason: "it is not the pinned one".to_owned() }
            }
            Some(Error::InvalidCertificate(wrong)) => WinRmError::Certificate { host, reason: wrong.to_string() },
            Some(Error::NoCertificatesPresented) => {
                WinRmError::Certificate { host, reason: "there is none".to_owned() }
            }
            Some(other) => WinRmError::NotWinRm { host, reason: format!("TLS fails ({other})") },
            None => WinRmError::Unreachable { host, reason: error.to_string() },
        }
    }
}

fn authority(target: &WinRmTarget) -> String {
    let host = target.address.host();
    if host.contains(':') { format!("[{host}]:{}", target.port) } else { format!("{host}:{}", target.port) }
}

fn offers(response: &Response<Incoming>) -> impl Iterator<Item = &str> {
    response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

/// What is at the end of the chain.
fn said(error: &hyper::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
