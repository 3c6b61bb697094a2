//! One request after another: who asks, what is asked, what the PC makes of it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{self, SoapFault};
use super::envelope::{self, Action, NoRequest};
use super::fault::Fault;
use super::login::{Login, Outcome};
use super::shells::Command;
use super::{Station, Stations, locked, ntlm};

/// What Windows takes in one envelope, in bytes.
const LONGEST_REQUEST: usize = 500 << 10;
/// What is read of one that is longer, in bytes, before it is refused.
const LONGEST_REFUSED: usize = 8 << 20;
/// Output is looked for this often where a fault may come between.
const LOOK: Duration = Duration::from_millis(50);
/// How far a `prepare-session` gets before Windows restarts, where a test asks for that.
const INTO_PREPARE: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

/// The connection that a request came by.
pub(super) struct Peer {
    pub stations: Stations,
    pub place: usize,
    pub login: Arc<Mutex<Login>>,
}

type Answer = Response<Full<Bytes>>;

/// What a request comes to.
enum Reply {
    Envelope(String),
    Fault(SoapFault),
    /// The connection ends without an answer.
    Cut,
}

impl From<SoapFault> for Reply {
    fn from(fault: SoapFault) -> Self {
        Self::Fault(fault)
    }
}

/// Answers a request. An error closes the connection without an answer.
pub(super) async fn answer(peer: &Peer, request: Request<Incoming>) -> io::Result<Answer> {
    let station = peer.station();
    let (head, mut body) = request.into_parts();
    // Read in any case: a connection with an unread body cannot be used again, and a login needs one connection.
    let Ok(body) = Limited::new(&mut body, LONGEST_REQUEST).collect().await else {
        // A client whose request is cut off while it still writes sees a broken connection, and never the answer.
        let mut rest = Limited::new(body, LONGEST_REFUSED);
        while rest.frame().await.is_some_and(|frame| frame.is_ok()) {}
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the envelope is too long"));
    };
    match station.fault() {
        Some(Fault::Hangs) => return std::future::pending().await,
        Some(Fault::Unauthorized) => return Ok(peer.unauthorized(None)),
        Some(Fault::ServerError) => return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "")),
        Some(Fault::MeaninglessBody) => return Ok(plain(StatusCode::OK, "<html>It works!</html>")),
        _ => {}
    }
    if head.uri.path() != "/wsman" {
        return Ok(plain(StatusCode::NOT_FOUND, ""));
    }
    if head.method != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, ""));
    }
    let now = peer.stations.settle().1;
    let binding = ntlm::binding(&station.certificate.sha256);
    let options = &peer.stations.0.options;
    let outcome = locked(&peer.login).of(&head.headers, options, station.host.as_str(), now, binding);
    match outcome {
        Outcome::Admitted => {}
        Outcome::Refused => return Ok(peer.unauthorized(None)),
        Outcome::Continue(said) => return Ok(peer.unauthorized(Some(&said))),
    }
    let request = match envelope::Request::parse(&body.to_bytes()) {
        Ok(request) => request,
        Err(why) => {
            let message_id = match &why {
                NoRequest::Malformed => "",
                NoRequest::Action { message_id, .. } | NoRequest::Resource { message_id, .. } => message_id,
            };
            let said = SoapFault::NoRequest(why.clone()).envelope(message_id);
            return Ok(soap(StatusCode::INTERNAL_SERVER_ERROR, said));
        }
    };
    match peer.carry_out(&request).await.unwrap_or_else(Reply::from) {
        Reply::Envelope(said) => Ok(soap(StatusCode::OK, said)),
        Reply::Fault(fault) => Ok(soap(StatusCode::INTERNAL_SERVER_ERROR, fault.envelope(&request.message_id))),
        Reply::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

impl Peer {
    fn station(&self) -> &Station {
        &self.stations.0.stations[self.place]
    }

    fn unauthorized(&self, said: Option<&str>) -> Answer {
        let mut answer = plain(StatusCode::UNAUTHORIZED, "");
        let schemes: &[&str] = match said {
            Some(said) => &[said],
            None if self.stations.0.options.basic => &["Negotiate", "NTLM", "Basic realm=\"WSMAN\""],
            None => &["Negotiate", "NTLM"],
        };
        for value in schemes.iter().filter_map(|scheme| HeaderValue::from_str(scheme).ok()) {
            answer.headers_mut().append(WWW_AUTHENTICATE, value);
        }
        answer
    }

    async fn carry_out(&self, request: &envelope::Request) -> Result<Reply, SoapFault> {
        let station = self.station();
        let now = self.stations.settle().1;
        let id = &request.message_id;
        if let Action::Create { code_page } = request.action {
            let shell = locked(&station.shells).create(code_page, now)?;
            return Ok(Reply::Envelope(answer::created(id, &shell)));
        }
        let shell = request.shell.as_deref().ok_or_else(|| SoapFault::UnknownShell(String::new()))?;
        locked(&station.shells).touch(shell, now)?;
        let said = match &request.action {
            Action::Create { .. } | Action::Receive { .. } => {
                // Created above.
                let Action::Receive { command } = &request.action else { return Ok(Reply::Cut) };
                return self.receive(request, shell, command).await;
            }
            Action::Command { line, through_shell } => {
                locked(&station.shells).has_room(shell, now)?;
                let given = self.stations.with_lab(|lab, now| lab.give(&station.host, line, *through_shell, now));
                // A PC that has just gone down answers nobody.
                let Ok(course) = given else { return Ok(Reply::Cut) };
                let command = locked(&station.shells).begin(shell, line, course)?;
                if station.fault() == Some(Fault::ReplyLost) && changes_power(line) {
                    return Ok(Reply::Cut);
                }
                answer::commanded(id, &command)
            }
            Action::Send { command } => {
                // Nothing that runs here reads its input.
                locked(&station.shells).command(shell, command, now)?;
                answer::sent(id)
            }
            Action::Signal { command, ends_it } => {
                if *ends_it {
                    let ended = locked(&station.shells).end(shell, command, now)?;
                    self.stop([ended]);
                } else {
                    locked(&station.shells).command(shell, command, now)?;
                }
                answer::signalled(id)
            }
            Action::Delete => {
                let ended = locked(&station.shells).delete(shell)?;
                self.stop(ended);
                answer::deleted(id)
            }
        };
        Ok(Reply::Envelope(said))
    }

    fn stop(&self, commands: impl IntoIterator<Item = Command>) {
        // It is carried out, whatever becomes of the shell.
        if self.station().fault() == Some(Fault::ReplyLost) {
            return;
        }
        let host = &self.station().host;
        self.stations.with_lab(|lab, now| {
            for command in commands {
                lab.stop(host, &command.course, now);
            }
        });
    }

    /// Waits until the command says something, it ends, or the client has waited long enough.
    async fn receive(&self, request: &envelope::Request, shell: &str, command: &str) -> Result<Reply, SoapFault> {
        let station = self.station();
        let deadline = Instant::now() + request.wait;
        loop {
            let now = self.stations.settle().1;
            let (output, next_at, restarts) = {
                let mut shells = locked(&station.shells);
                let running = shells.command(shell, command, now)?;
                let restarts =
                    running.line.contains("prepare-session") && running.course.begun_at + INTO_PREPARE <= now;
                (running.take(now, request.most_bytes), running.next_at(), restarts)
            };
            match station.fault() {
                Some(Fault::DiesInCommand) => {
                    self.stations.with_lab(|lab, now| lab.fall(&station.host, now));
                    return Ok(Reply::Cut);
                }
                Some(Fault::RebootsDuringPrepare) if restarts => {
                    self.stations.with_lab(|lab, now| lab.restart(&station.host, now));
                    return Ok(Reply::Cut);
                }
                _ => {}
            }
            if let Some(output) = output {
                return Ok(Reply::Envelope(answer::received(&request.message_id, command, &output)));
            }
            if deadline <= Instant::now() {
                return Err(SoapFault::TimedOut);
            }
            // A little longer: a sleep may end a moment early, by another clock.
            let mut until = Instant::now() + self.stations.0.clock.until(next_at) + Duration::from_millis(2);
            if station.fault().is_some() {
                until = until.min(Instant::now() + LOOK);
            }
            tokio::time::sleep_until(until.min(deadline)).await;
        }
    }
}

impl Station {
    pub(super) fn fault(&self) -> Option<Fault> {
        *locked(&self.fault)
    }
}

/// Whether a command line sends the PC down.
fn changes_power(line: &str) -> bool {
    ["--reboot", " power ", "reboot-if-needed"].iter().any(|word| line.contains(word))
}

fn plain(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer
}

fn soap(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/soap+xml;charset=UTF-8"));
    answer
}
