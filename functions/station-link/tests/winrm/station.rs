//! A station by script: TLS with a certificate of its own, NTLM or Basic, and an answer for each request, good or bad. It speaks the protocol on the
//! wire and knows nothing of the client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use sspi::{
    AuthIdentityBuffers, BufferType, DataRepresentation, Ntlm, SecurityBuffer, SecurityStatus, ServerRequestFlags, Sspi,
};
use stationkeeper_station_link::winrm::{CertificatePolicy, CodePage, Credential, Login, Timings, WinRmTarget};
use stationkeeper_station_link::{ManagementNetworks, SystemResolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub const USER: &str = "operator";
pub const PASSWORD: &str = "c0rrect horse, ñandú";

/// What it does with a request.
pub enum Reply {
    /// Status 200 with that body of SOAP.
    Body(String),
    /// Any status and bytes.
    Raw(u16, String),
    /// Bytes that are no HTTP.
    Noise,
    /// The connection stays open and silent.
    Silence,
    /// The connection ends.
    Close,
}

/// The last word of a request's action, how many of that kind came before, and the request.
type Script = dyn Fn(&str, usize, &str) -> Option<Reply> + Send + Sync;

/// Which login it takes.
#[derive(Clone, Copy, PartialEq)]
pub enum Takes {
    /// `WWW-Authenticate: Negotiate`, with NTLM in it.
    Negotiate,
    /// `WWW-Authenticate: NTLM` alone.
    Ntlm,
    Basic,
    Nobody,
}

/// What happened, in order.
#[derive(Default)]
pub struct Seen {
    pub connections: usize,
    /// The last word of each action that was let in.
    pub actions: Vec<String>,
    pub requests: Vec<String>,
}

pub struct Station {
    pub address: SocketAddr,
    pub pem: String,
    pub fingerprint: String,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Station {
    /// Listens on loopback. Where the script has no answer, the request is answered as by a station in good order.
    pub async fn start(
        takes: Takes,
        script: impl Fn(&str, usize, &str) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.7".into(), "localhost".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.7:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (script, known): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, seen) = (acceptor.clone(), Arc::clone(&script), Arc::clone(&known));
                connections.spawn(async move {
                    let _ = serve(stream, acceptor, takes, &*script, &seen).await;
                });
            }
        });
        let fingerprint = hex::encode(Sha256::digest(certificate.der()));
        Self { address, pem: certificate.pem(), fingerprint, seen, _tasks: tasks }
    }

    /// Reached with the right password, its certificate pinned, and short waits.
    pub async fn target(&self) -> WinRmTarget {
        target(self.address, CertificatePolicy::pin(&self.fingerprint).unwrap()).await
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub fn actions(&self) -> String {
        self.seen(|seen| seen.actions.join(" "))
    }
}

pub async fn target(at: SocketAddr, certificate: CertificatePolicy) -> WinRmTarget {
    let networks: ManagementNetworks = "127.0.0.0/16".parse().unwrap();
    let seconds = std::time::Duration::from_secs;
    WinRmTarget {
        address: networks.check(&at.ip().to_string(), &SystemResolver).await.unwrap(),
        port: at.port(),
        credential: Credential::new(USER, PASSWORD),
        login: Login::Ntlm,
        certificate,
        code_page: CodePage::default(),
        timings: Timings { connect: seconds(2), operation: seconds(1), grace: seconds(1), closing: seconds(2) },
    }
}

/// A body in its envelope.
pub fn soap(body: &str) -> String {
    format!(
        r#"<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
        xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
        xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header/><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

/// Pieces of output, and the exit code with the last.
pub fn output(stdout: &[u8], stderr: &[u8], exit_code: Option<i64>) -> String {
    let stream = |name: &str, bytes: &[u8]| match bytes {
        [] => String::new(),
        some => format!(r#"<rsp:Stream Name="{name}" CommandId="C-1">{}</rsp:Stream>"#, STANDARD.encode(some)),
    };
    let word = if exit_code.is_some() { "Done" } else { "Running" };
    let code = exit_code.map_or(String::new(), |code| format!("<rsp:ExitCode>{code}</rsp:ExitCode>"));
    format!(
        r#"<rsp:ReceiveResponse>{}{}<rsp:CommandState CommandId="C-1"
        State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/{word}">{code}</rsp:CommandState></rsp:ReceiveResponse>"#,
        stream("stdout", stdout),
        stream("stderr", stderr)
    )
}

pub fn fault(subcode: &str, code: u32, message: &str) -> Reply {
    let body = format!(
        r#"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>
        <s:Reason><s:Text xml:lang="en-US">{message}</s:Text></s:Reason><s:Detail><f:WSManFault
        xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}"><f:Message>{message}</f:Message></f:WSManFault></s:Detail></s:Fault>"#
    );
    Reply::Raw(500, soap(&body))
}

fn in_good_order(action: &str) -> Reply {
    Reply::Body(match action {
        "Create" => r#"<x:ResourceCreated><a:Address>x</a:Address><a:ReferenceParameters><w:SelectorSet>
            <w:Selector Name="ShellId">S-1</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"#
            .to_owned(),
        "Command" => "<rsp:CommandResponse><rsp:CommandId>C-1</rsp:CommandId></rsp:CommandResponse>".to_owned(),
        "Receive" => output(b"done\r\n", b"", Some(0)),
        "Signal" => "<rsp:SignalResponse/>".to_owned(),
        _ => String::new(),
    })
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    takes: Takes,
    script: &Script,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    seen.lock().unwrap().connections += 1;
    let mut login = ServerLogin::new(takes);
    loop {
        let (authorization, body) = read_request(&mut stream).await?;
        if let Err(offers) = login.takes(authorization.as_deref()) {
            let headers: String = offers.iter().map(|offer| format!("WWW-Authenticate: {offer}\r\n")).collect();
            write(&mut stream, 401, &headers, "").await?;
            continue;
        }
        let action =
            body.split("</a:Action>").next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let before = {
            let mut seen = seen.lock().unwrap();
            let before = seen.actions.iter().filter(|known| **known == action).count();
            seen.actions.push(action.clone());
            seen.requests.push(body.clone());
            before
        };
        match script(&action, before, &body).unwrap_or_else(|| in_good_order(&action)) {
            Reply::Body(body) => write(&mut stream, 200, "", &soap(&body)).await?,
            Reply::Raw(status, body) => write(&mut stream, status, "", &body).await?,
            Reply::Noise => stream.write_all(b"\x16\x03\x01 nothing of this is HTTP\r\n\r\n").await?,
            Reply::Silence => std::future::pending().await,
            Reply::Close => return Ok(()),
        }
    }
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<(Option<String>, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    assert!(head.starts_with("POST /wsman HTTP/1.1"), "{head}");
    assert_eq!(header("content-type").as_deref(), Some("application/soap+xml;charset=UTF-8"));
    Ok((header("authorization"), String::from_utf8(body).unwrap()))
}

async fn write(
    stream: &mut (impl AsyncWriteExt + Unpin),
    status: u16,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await
}

/// The login of one connection: NTLM's belongs to it.
struct ServerLogin {
    takes: Takes,
    ntlm: Option<Ntlm>,
    known: bool,
}

impl ServerLogin {
    fn new(takes: Takes) -> Self {
        Self { takes, ntlm: None, known: false }
    }

    /// `Err`: what is offered instead.
    fn takes(&mut self, authorization: Option<&str>) -> Result<(), Vec<String>> {
        let word = match self.takes {
            Takes::Negotiate => "Negotiate",
            Takes::Ntlm => "NTLM",
            Takes::Basic => {
                let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
                return if authorization == Some(&*expected) {
                    Ok(())
                } else {
                    Err(vec!["Basic realm=\"WSMAN\"".to_owned()])
                };
            }
            Takes::Nobody => return Err(Vec::new()),
        };
        let offer = || vec![word.to_owned()];
        let token = authorization.and_then(|header| header.strip_prefix(word)).map(str::trim);
        let Some(token) = token.and_then(|token| STANDARD.decode(token).ok()) else {
            return if self.known { Ok(()) } else { Err(offer()) };
        };
        self.known = false;
        let is_first = token.get(8) == Some(&1);
        let mut ntlm = if is_first { Ntlm::new() } else { self.ntlm.take().ok_or_else(offer)? };
        let mut identity = Some(AuthIdentityBuffers::from_utf8(USER, "", PASSWORD));
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let builder = ntlm
            .accept_security_context()
            .with_credentials_handle(&mut identity)
            .with_context_requirements(ServerRequestFlags::ALLOCATE_MEMORY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        let step = sspi::SspiImpl::accept_security_context_impl(&mut ntlm, builder)
            .and_then(|mut step| step.resolve_to_result());
        let step = step.map_err(|_| offer())?;
        if is_first {
            self.ntlm = Some(ntlm);
            return Err(vec![format!("{word} {}", STANDARD.encode(&output[0].buffer))]);
        }
        if step.status == SecurityStatus::CompleteNeeded {
            ntlm.complete_auth_token(&mut []).map_err(|_| offer())?;
        }
        self.known = true;
        Ok(())
    }
}
