use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn an_address_is_https_or_this_pc_and_nothing_but_host_and_port() {
    use BadGatewayUrl::{Open, TooMuch, Unreadable};
    for (text, read) in [
        ("https://lab.uni.example", Ok("https://lab.uni.example")),
        (" https://LAB.uni.example:8443/ ", Ok("https://lab.uni.example:8443")),
        ("https://lab.uni.example:443", Ok("https://lab.uni.example")),
        ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
        ("http://localhost:8080", Ok("http://localhost:8080")),
        ("http://[::1]:8080", Ok("http://[::1]:8080")),
        ("http://lab.uni.example", Err(Open)),
        ("http://127.0.0.1.evil.example", Err(Open)),
        ("http://localhost.evil.example", Err(Open)),
        ("https://ana:x@lab.uni.example", Err(TooMuch)),
        ("https://lab.uni.example/lab-manager/", Err(TooMuch)),
        ("https://lab.uni.example/?token=x", Err(TooMuch)),
        ("https://lab.uni.example/#x", Err(TooMuch)),
        ("ftp://lab.uni.example", Err(Unreadable)),
        ("file:///etc/passwd", Err(Unreadable)),
        ("lab.uni.example", Err(Unreadable)),
        ("https://", Err(Unreadable)),
        ("", Err(Unreadable)),
    ] {
        assert_eq!(text.parse::<GatewayUrl>().map(|url| url.to_string()), read.map(str::to_owned), "{text}");
    }
    let url: GatewayUrl = "https://lab.uni.example:8443".parse().unwrap();
    assert_eq!(url.shown(), "lab.uni.example:8443");
    assert_eq!(url.at("api/v1/stations").as_str(), "https://lab.uni.example:8443/api/v1/stations");
}

#[test]
fn a_code_is_read_however_it_is_typed_and_never_shown() {
    for text in ["K7M4-Q2XX", "k7m4q2xx", " k7m4 q2xx "] {
        let code: PairingCode = text.parse().unwrap();
        assert_eq!(code.as_str(), "K7M4Q2XX");
        assert_eq!(format!("{code:?}"), "PairingCode");
    }
    for text in ["", "K7M4-Q2X", "K7M4-Q2XXX", "K7M4_Q2XX", "K7M4-Q2XÑ"] {
        assert_eq!(text.parse::<PairingCode>(), Err(BadPairingCode), "{text}");
    }
}

#[test]
fn a_link_has_a_gateway_a_code_and_nothing_that_was_not_foreseen() {
    use BadPairingLink::{Code, Fingerprint as NoFingerprint, Gateway, NotALink, Parts};
    let gateway = "gateway=https%3A%2F%2Flab.example";
    let print = "ab".repeat(32);
    for (text, refused) in [
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX"), None),
        (format!("stationkeeper://pair/?code=K7M4-Q2XX&{gateway}"), None),
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX&certificate={print}"), None),
        (format!("https://pair?{gateway}&code=K7M4-Q2XX"), Some(NotALink)),
        (format!("stationkeeper://wake?{gateway}&code=K7M4-Q2XX"), Some(NotALink)),
        (format!("stationkeeper://pair/x?{gateway}&code=K7M4-Q2XX"), Some(NotALink)),
        (format!("stationkeeper://ana@pair?{gateway}&code=K7M4-Q2XX"), Some(NotALink)),
        (format!("stationkeeper://pair:1?{gateway}&code=K7M4-Q2XX"), Some(NotALink)),
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX#x"), Some(NotALink)),
        ("stationkeeper://pair".to_owned(), Some(Parts)),
        (format!("stationkeeper://pair?{gateway}"), Some(Parts)),
        ("stationkeeper://pair?code=K7M4-Q2XX".to_owned(), Some(Parts)),
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX&role=admin"), Some(Parts)),
        (format!("stationkeeper://pair?{gateway}&{gateway}&code=K7M4-Q2XX"), Some(Parts)),
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX&code=K7M4-Q2XX"), Some(Parts)),
        (format!("stationkeeper://pair?{gateway}&code=K7M4"), Some(Code(BadPairingCode))),
        (
            "stationkeeper://pair?gateway=http%3A%2F%2Flab.example&code=K7M4-Q2XX".to_owned(),
            Some(Gateway(BadGatewayUrl::Open)),
        ),
        (format!("stationkeeper://pair?{gateway}&code=K7M4-Q2XX&certificate=ab"), Some(NoFingerprint)),
    ] {
        assert_eq!(text.parse::<PairingLink>().err(), refused, "{text}");
    }
    let link: PairingLink =
        format!("stationkeeper://pair?{gateway}&code=k7m4q2xx&certificate={print}").parse().unwrap();
    assert_eq!((link.gateway.shown().as_str(), link.code.as_str()), ("lab.example", "K7M4Q2XX"));
    assert_eq!(link.certificate, Some(Fingerprint([0xab; 32])));
    assert_eq!(Fingerprint([0xab; 32]).to_string().parse(), Ok(Fingerprint([0xab; 32])), "as it is shown");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(stationkeeper://pair\\?)?\\PC{0,60}") {
        let _ = text.parse::<PairingLink>();
        let _ = text.parse::<GatewayUrl>();
        let _ = text.parse::<PairingCode>();
    }
}

#[test]
fn a_certificate_is_pinned_while_pairing_and_another_is_refused_afterwards() {
    let (ours, other) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    for (vouched_for, pinned, pairing, trusted) in [
        (true, None, true, Trust::Trusted),
        (false, None, true, Trust::Ask(ours)),
        (false, Some(ours), true, Trust::Trusted),
        (false, Some(other), true, Trust::Refused),
        (true, None, false, Trust::Trusted),
        (false, None, false, Trust::Refused),
        (false, Some(ours), false, Trust::Trusted),
        (false, Some(other), false, Trust::Refused),
        // Whoever pinned one trusts that one: an authority does not put another in its place.
        (true, Some(other), false, Trust::Refused),
        (true, Some(ours), false, Trust::Trusted),
    ] {
        let presented = Presented { fingerprint: ours, vouched_for };
        assert_eq!(trust(presented, pinned, pairing), trusted, "{vouched_for} {pinned:?} {pairing}");
    }
}

/// Statement 64, and all other ways in which it does not work out.
#[test]
fn every_way_in_which_pairing_fails_has_a_sentence_of_its_own() {
    let problems = [
        PairingProblem::Url(BadGatewayUrl::Unreadable),
        PairingProblem::Url(BadGatewayUrl::Open),
        PairingProblem::Url(BadGatewayUrl::TooMuch),
        PairingProblem::NoCode,
        PairingProblem::Name,
        PairingProblem::NoAnswer,
        PairingProblem::NotAGateway,
        PairingProblem::Certificate(Fingerprint([7; 32])),
        PairingProblem::OtherCertificate,
        PairingProblem::WrongCode,
        PairingProblem::ExpiredCode,
        PairingProblem::Wait { seconds: 30 },
        PairingProblem::Other("closing".to_owned()),
    ];
    for language in Language::ALL {
        let texts: BTreeSet<_> = problems.iter().map(|problem| problem.text(language, "lab.example")).collect();
        assert_eq!(texts.len(), problems.len(), "{texts:?}");
        assert!(texts.iter().all(|text| !text.contains("tray.") && !text.contains('{')), "{texts:?}");
    }
    assert_eq!(
        PairingProblem::NoAnswer.text(Language::En, "lab.example"),
        "Nothing answers at lab.example: is the address right, and are you in its network?"
    );
    assert_eq!(
        PairingProblem::WrongCode.text(Language::En, ""),
        "The gateway knows no such code: look whether it is typed right, and whether it was used before."
    );
    assert_eq!(
        PairingProblem::ExpiredCode.text(Language::En, ""),
        "This code is too old: ask for a new one, it is good for 10 minutes."
    );
}
