//! A gateway with a certificate that nobody vouches for: pinned while pairing, and refused when it is another.

use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};
use stationkeeper_api::Language;
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::PATIENCE;
use stationkeeper_tray_client::{Api, Token, found_at, pair};
use stationkeeper_tray_view::Link;
use stationkeeper_tray_view::pairing::{Fingerprint, PairingProblem};

use crate::tray::{Tray, gateway, page};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_certificate_is_shown_pinned_and_nothing_is_sent_to_another() {
    let folder = data_folder();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (cert_file, key_file) = (folder.path().join("gateway.pem"), folder.path().join("gateway-key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let arguments = ["--tls-cert", cert_file.to_str().unwrap(), "--tls-key", key_file.to_str().unwrap()];
    let up = Up::start_with(&folder.path().join("data"), &arguments, PATIENCE);
    let here = gateway(&page(&up));
    assert!(here.to_string().starts_with("https://"), "{here}");

    let ours = Fingerprint(Sha256::digest(certificate.der()).into());
    let other = Fingerprint([7; 32]);
    assert_eq!(found_at(&here, None).await, Err(PairingProblem::Certificate(ours)), "the person is asked");
    assert!(found_at(&here, Some(ours)).await.is_ok());
    assert_eq!(found_at(&here, Some(other)).await, Err(PairingProblem::OtherCertificate));
    let wrong = pair(&here, &"ZZZZ-ZZZZ".parse().unwrap(), Some(ours)).await;
    assert_eq!(wrong, Err(PairingProblem::WrongCode), "it is asked, once it is trusted");

    let token = || Some(Token::new(up.token().to_owned()));
    let tray = Tray::start(Api::new(here.clone(), token(), Some(ours), Language::En).unwrap(), None);
    tray.until("the gateway", |world| matches!(world.link, Link::Reached(_))).await;
    tray.stop().await;
    for pinned in [Some(other), None] {
        let tray = Tray::start(Api::new(here.clone(), token(), pinned, Language::En).unwrap(), None);
        tray.until("a refusal", |world| world.link == Link::CertificateRefused).await;
        tray.stop().await;
    }
}
