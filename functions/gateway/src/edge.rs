//! Who stands between the gateway and its callers: a proxy that vouches for them by a secret of its own, and networks from which
//! administrators may come.

use std::fmt;
use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use stationkeeper_station_link::ManagementNetworks;
use subtle::ConstantTimeEq;

use crate::Gateway;
use crate::actor::TOKEN_LIMIT;
use crate::error::ApiError;
use crate::origin::peer;
use crate::token::digest;

/// The secret of a proxy that has let its callers in already: whoever sends it may do everything.
#[derive(Clone)]
pub struct InternalToken {
    header: HeaderName,
    sha256: [u8; 32],
}

impl InternalToken {
    /// The header that carries it where nothing else is said.
    pub const HEADER: &str = "X-Ops-Internal-Token";
    /// As the audit log names whoever sends it.
    pub const NAME: &str = "ops-internal";

    /// `None`: the header's name is none, or the secret is empty.
    pub fn new(header: &str, secret: &str) -> Option<Self> {
        let secret = secret.trim();
        let header = HeaderName::from_bytes(header.trim().as_bytes()).ok()?;
        (!secret.is_empty()).then(|| Self { header, sha256: digest(secret.as_bytes()) })
    }

    /// None: the header is not there. Else whether it carries the secret.
    pub(crate) fn judges(&self, headers: &HeaderMap) -> Option<bool> {
        let sent = headers.get(&self.header)?.as_bytes();
        Some(sent.len() <= TOKEN_LIMIT && bool::from(digest(sent).ct_eq(&self.sha256)))
    }
}

/// The token that everybody shared in the older service: by its header, and at the login. Whoever sends it may do everything.
#[derive(Clone)]
pub struct SharedToken {
    header: HeaderName,
    sha256: [u8; 32],
}

impl SharedToken {
    /// The header that carries it where nothing else is said.
    pub const HEADER: &str = "X-Lab-Manager-Token";
    /// As the audit log names whoever sends it.
    pub const NAME: &str = "lab-manager";

    /// `None`: the header's name is none, or the token is empty.
    pub fn new(header: &str, token: &str) -> Option<Self> {
        let token = token.trim();
        let header = HeaderName::from_bytes(header.trim().as_bytes()).ok()?;
        (!token.is_empty()).then(|| Self { header, sha256: digest(token.as_bytes()) })
    }

    /// What its header carries, if that is not the usual one.
    pub(crate) fn sent<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        headers.get(&self.header).map(|value| value.as_bytes())
    }

    /// Whether this is the digest of it.
    pub(crate) fn is(&self, sha256: &[u8; 32]) -> bool {
        self.sha256.ct_eq(sha256).into()
    }
}

impl fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedToken").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for InternalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalToken").field("header", &self.header).finish_non_exhaustive()
    }
}

/// From where the page and the API may be used: loopback, and these.
#[derive(Debug, Clone, Default)]
pub struct AdminNetworks {
    /// Beside loopback.
    pub networks: ManagementNetworks,
    /// A proxy on loopback, or in these networks, says whom it speaks for; without it only the connection counts.
    pub trusts_proxies: bool,
}

impl AdminNetworks {
    fn let_in(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        // Each that a proxy names must be fine: a caller who invents one shuts only itself out.
        peer.is_some_and(|address| self.holds(address))
            && (!self.trusts_proxies || forwarded(headers).all(|address| address.is_some_and(|one| self.holds(one))))
    }

    fn holds(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || self.networks.contains(address)
    }
}

/// Whom proxies say that they speak for; none: what one says is no address.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter().chain(headers.get_all("x-real-ip"));
    let texts = values.flat_map(|value| value.to_str().unwrap_or("?").split(',').collect::<Vec<_>>());
    texts.map(str::trim).filter(|text| !text.is_empty()).map(address)
}

/// Some proxies add a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

/// Open to all networks: whether it lives, and what a bucket says with a token of its own.
fn is_open(path: &str) -> bool {
    ["/health", "/ops/health", "/livez", "/readyz", "/events/s3"].contains(&path)
}

/// The layer.
pub(crate) async fn admin_networks(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let Some(allowed) = &gateway.shared().options.admin_networks else { return next.run(request).await };
    let (parts, body): (Parts, _) = request.into_parts();
    if is_open(parts.uri.path()) || allowed.let_in(peer(&parts), &parts.headers) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    tracing::warn!(peer = ?peer(&parts), "a request from outside of the networks of administrators is refused");
    ApiError::NetworkPolicy.into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn loopback_and_the_named_networks_are_let_in_and_so_must_be_whoever_a_proxy_speaks_for() {
        let allowed = AdminNetworks { networks: "10.7.0.0/16".parse().unwrap(), trusts_proxies: true };
        for (peer, forwarded, fine) in [
            (Some("127.0.0.1"), None, true),
            (Some("::1"), None, true),
            (Some("::ffff:127.0.0.1"), None, true),
            (Some("10.7.1.2"), None, true),
            (Some("10.8.1.2"), None, false),
            (None, None, false),
            (Some("127.0.0.1"), Some("10.7.9.9"), true),
            (Some("127.0.0.1"), Some("10.7.9.9:4711, 127.0.0.1"), true),
            (Some("127.0.0.1"), Some("[::1]"), true),
            (Some("127.0.0.1"), Some("192.0.2.1"), false),
            (Some("127.0.0.1"), Some("10.7.9.9, 192.0.2.1"), false),
            (Some("127.0.0.1"), Some("unknown"), false),
            (Some("192.0.2.1"), Some("10.7.9.9"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(forwarded) = forwarded {
                headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
            }
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(allowed.let_in(peer, &headers), fine, "{peer:?} {forwarded:?}");
        }
        let direct = AdminNetworks { trusts_proxies: false, ..allowed };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        assert!(direct.let_in(Some(IpAddr::from([127, 0, 0, 1])), &headers), "nobody is trusted to speak for others");
    }

    #[test]
    fn a_secret_needs_a_header_and_is_never_shown() {
        let token = InternalToken::new(" X-Ops-Internal-Token ", " s3cret\n").unwrap();
        assert!(!format!("{token:?}").contains("s3cret"));
        for (sent, judged) in [
            (None, None),
            (Some(&b"s3cret"[..]), Some(true)),
            (Some(b"S3cret"), Some(false)),
            (Some(b"\xff"), Some(false)),
            (Some(b""), Some(false)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert("x-ops-internal-token", HeaderValue::from_bytes(sent).unwrap());
            }
            assert_eq!(token.judges(&headers), judged, "{sent:?}");
        }
        assert!(InternalToken::new("bad header", "x").is_none() && InternalToken::new("x", " ").is_none());
    }
}
