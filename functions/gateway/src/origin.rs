//! Where a request comes from, as far as its headers and its connection tell.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::attempts::{Origin, counted_as};
use crate::error::ApiError;

/// The other end of the connection; none in a test without one.
pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// As whom attempts of this request count.
pub(crate) fn counted(parts: &Parts) -> Origin {
    peer(parts).map(counted_as)
}

/// The request was made on this computer, and no proxy handed it on.
pub(crate) fn is_local(parts: &Parts) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| parts.headers.contains_key(*name));
    !forwarded && peer(parts).is_some_and(|address| address.is_loopback())
}

/// The browser reached us by a name of its own computer, where unencrypted cookies never leave it.
pub(crate) fn by_loopback_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Browsers name the site whose page makes a request. If it is not ours, the request is not the person's.
///
/// # Errors
/// [`ApiError::ForeignOrigin`].
pub(crate) fn refuse_foreign(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let ours = headers.get(header::HOST).map(|host| host.as_bytes());
    let theirs = origin.as_bytes();
    let authority = theirs.strip_prefix(b"https://").or_else(|| theirs.strip_prefix(b"http://"));
    if authority.is_some() && authority == ours { Ok(()) } else { Err(ApiError::ForeignOrigin) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_a_page_of_the_same_host_and_port_may_act() {
        for (origin, fine) in [
            (None, true),
            (Some("http://lab:8080"), true),
            (Some("https://lab:8080"), true),
            (Some("http://lab"), false),
            (Some("http://lab:8080.example.org"), false),
            (Some("http://example.org"), false),
            (Some("null"), false),
            (Some("lab:8080"), false),
        ] {
            let mut given = headers(&[("host", "lab:8080")]);
            if let Some(origin) = origin {
                given.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(refuse_foreign(&given).is_ok(), fine, "{origin:?}");
        }
    }

    #[test]
    fn loopback_has_a_few_names() {
        for (host, loopback) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.1.2.3", true),
            ("[::1]:8080", true),
            ("lab-server:8080", false),
            ("10.0.0.1", false),
            ("localhost.example.org", false),
            ("", false),
        ] {
            assert_eq!(by_loopback_name(&headers(&[("host", host)])), loopback, "{host}");
        }
    }
}
