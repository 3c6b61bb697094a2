//! HTTPS: by a certificate that is renewed, and whatever comes to its port.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use stationkeeper_gateway::{GatewayOptions, ServeLimits, Tls, TlsError};
use stationkeeper_tests::binary::run;
use stationkeeper_tests::programs::Running;
use stationkeeper_tests::up::{Ports, Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, until};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::clients::{head, rest};
use crate::world::World;

/// An authority of a deployment, and the files of what it issues.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate, folder: tempfile::tempdir().unwrap() }
    }

    /// Issues a certificate for loopback into the two files; its SHA-256.
    fn issue(&self) -> [u8; 32] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.cert(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        Sha256::digest(certificate.der()).into()
    }

    fn cert(&self) -> PathBuf {
        self.folder.path().join("gateway.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("gateway-key.pem")
    }

    fn tls(&self) -> Tls {
        Tls::read(self.cert(), self.key()).unwrap()
    }

    /// Somebody who trusts it.
    async fn connect(&self, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
    }

    /// What is answered to a request on a connection of its own.
    async fn says(&self, address: &str, request: &str) -> String {
        let mut stream = self.connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // Who closes without a last word of TLS has said all the same what HTTP counts.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("in time");
        String::from_utf8(said).unwrap()
    }

    /// Which certificate is shown there now.
    async fn shown(&self, address: &str) -> [u8; 32] {
        shown(&self.connect(address).await.unwrap())
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> [u8; 32] {
    Sha256::digest(&stream.get_ref().1.peer_certificates().unwrap()[0]).into()
}

async fn world(tls: Tls) -> (World, String) {
    let limits = ServeLimits { handshake: Duration::from_secs(5), ..ServeLimits::default() };
    let world = World::start_with(GatewayOptions { tls: Some(tls), limits, ..GatewayOptions::default() }).await;
    let address = world.address.to_string();
    (world, address)
}

fn get(path: &str, token: &str) -> String {
    head("GET", path, token, "Connection: close\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_https_is_answered_and_cookies_stay_on_it() {
    let authority = Authority::new();
    authority.issue();
    let (world, address) = world(authority.tls()).await;
    let said = authority.says(&address, &get("/api/v1/stations", &world.token)).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("\"items\""), "{said}");
    assert!(said.contains("strict-transport-security: max-age=31536000\r\n"), "{said}");
    let form = format!("token={}", world.token);
    let more = format!(
        "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        form.len()
    );
    let login = head("POST", "/lab-manager/login", "", &more).replace("Host: lab", "Host: localhost");
    let said = authority.says(&address, &(login + &form)).await;
    assert!(said.starts_with("HTTP/1.1 204") && said.contains("SameSite=Strict; Secure"), "on loopback too: {said}");
    let stranger = Authority::new();
    assert!(stranger.connect(&address).await.is_err(), "who trusts another authority does not connect");
    assert!(world.stop().await < PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stalls_in_the_handshake_or_speaks_no_tls_is_dropped_and_hurts_nobody() {
    let authority = Authority::new();
    authority.issue();
    let (world, address) = world(authority.tls()).await;
    let begun = |bytes: &'static [u8]| {
        let address = address.clone();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            rest(&mut stream, PATIENCE).await
        }
    };
    // The first bytes of a ClientHello, whose rest never comes.
    let stalled = join_all((0..50).map(|_| begun(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")));
    let silent = join_all((0..50).map(|_| begun(b"")));
    let plain = join_all((0..20).map(|_| begun(b"GET /livez HTTP/1.1\r\nHost: lab\r\n\r\n")));
    let garbage = join_all((0..20).map(|_| begun(&[0xff; 600])));
    let others = async {
        for _ in 0..5 {
            let said = authority.says(&address, &get("/livez", "")).await;
            assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        }
    };
    let (stalled, silent, plain, garbage, ()) = tokio::join!(stalled, silent, plain, garbage, others);
    for said in stalled.into_iter().chain(silent).chain(plain).chain(garbage) {
        assert!(!said.windows(4).any(|four| four == b"HTTP"), "nothing is said in the clear: {said:?}");
    }
    assert!(authority.says(&address, &get("/livez", "")).await.starts_with("HTTP/1.1 200"));
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_to_who_comes_then_and_a_broken_one_to_nobody() {
    let authority = Authority::new();
    let first = authority.issue();
    let tls = authority.tls();
    let (_world, address) = world(tls.clone()).await;
    let mut early = authority.connect(&address).await.unwrap();
    assert_eq!(shown(&early), first);
    assert!(!tls.refresh().unwrap(), "nothing was renewed");
    let second = authority.issue();
    assert_eq!(authority.shown(&address).await, first, "not before somebody looks");
    assert!(tls.refresh().unwrap());
    assert_eq!(authority.shown(&address).await, second);
    std::fs::write(authority.cert(), "half of a fi").unwrap();
    assert!(matches!(tls.refresh(), Err(TlsError::NoCertificate(_))));
    std::fs::remove_file(authority.key()).unwrap();
    assert!(matches!(tls.refresh(), Err(TlsError::Unreadable { what: "key", .. })));
    assert_eq!(authority.shown(&address).await, second, "it is as it was before");
    let third = authority.issue();
    assert!(tls.refresh().unwrap());
    assert_eq!(authority.shown(&address).await, third);
    early.write_all(get("/livez", "").as_bytes()).await.unwrap();
    let mut said = [0; 12];
    early.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 200", "who came before goes on");
}

/// What `up` says of these files.
fn refused(arguments: &[&str]) -> String {
    let mut all = vec!["up", "--data", "never-made"];
    all.extend(arguments);
    run(all).refused(78).to_owned()
}

#[test]
fn what_is_wrong_with_which_file_is_said_before_anything_begins() {
    let authority = Authority::new();
    authority.issue();
    let (cert, key) = (authority.cert(), authority.key());
    let beside = |name: &str, text: &[u8]| {
        let file = authority.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let lost = authority.folder.path().join("lost.pem");
    let empty = beside("empty.pem", b"");
    let broken = beside("broken.pem", b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n");
    let no_x509 = beside("no-x509.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let locked =
        beside("locked.pem", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let other = beside("other.pem", KeyPair::generate().unwrap().serialize_pem().as_bytes());
    let said =
        |cert: &Path, key: &Path| refused(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    for (cert, key, names, part) in [
        (&lost, &key, &lost, "cannot read the certificate"),
        (&cert, &lost, &lost, "cannot read the key"),
        (&empty, &key, &empty, "holds no certificate"),
        (&key, &key, &key, "holds no certificate"),
        (&broken, &key, &broken, "is not in PEM"),
        (&no_x509, &key, &no_x509, "cannot be used"),
        (&cert, &cert, &cert, "holds no private key"),
        (&cert, &locked, &locked, "without a password"),
        (&cert, &other, &other, "is not that of the certificate"),
    ] {
        let said = said(cert, key);
        assert!(said.contains(part) && said.contains(names.to_str().unwrap()), "{part}: {said}");
    }
    for (named, lacks) in
        [(["--tls-cert", "x.pem"], "STATIONKEEPER_TLS_KEY"), (["--tls-key", "x.pem"], "STATIONKEEPER_TLS_CERT")]
    {
        let said = refused(&named);
        assert!(said.contains(lacks), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_serves_https_and_takes_up_a_renewed_certificate_at_sighup() {
    let authority = Authority::new();
    let first = authority.issue();
    let data = data_folder();
    let (cert, key) = (authority.cert(), authority.key());
    let arguments = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let launched: Running = Up::launch(data.path(), Ports::FREE, &arguments);
    let mut up = Up::answering(launched, data.path(), PATIENCE);
    let page = up.line["page"].as_str().unwrap().to_owned();
    let address = page.strip_prefix("https://").unwrap_or_else(|| panic!("{page} is no HTTPS"));
    let token = up.line["admin_token"].as_str().unwrap();
    let said = authority.says(address, &get("/api/v1/stations", token)).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("strict-transport-security"), "{said}");
    assert_eq!(authority.shown(address).await, first);
    let second = authority.issue();
    up.program.signal("HUP");
    until("the renewed certificate", PATIENCE, async || (authority.shown(address).await == second).then_some(())).await;
    assert!(up.program.runs());
}
