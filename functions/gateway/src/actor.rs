//! Who asks: a handler with an `Actor` in its signature has a known caller.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use stationkeeper_store::{ApiToken, Author, Labs, TokenRole};
use subtle::ConstantTimeEq;

use crate::Gateway;
use crate::attempts::WINDOW;
use crate::edge::{InternalToken, SharedToken};
use crate::error::ApiError;
use crate::origin::{counted, peer, refuse_foreign};
use crate::request_id::RequestId;
use crate::token::digest;

/// The name of the cookie of a session.
pub(crate) const COOKIE: &str = "stationkeeper_session";
/// Where the older service has a token; it goes before the other header.
const OLD_HEADER: &str = "x-lab-manager-token";
/// Longest token that is looked at, in bytes.
pub(crate) const TOKEN_LIMIT: usize = 512;

/// Whose token, or whose session.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The name of the token.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// Where.
    pub labs: Labs,
    token_id: String,
    request_id: Option<String>,
}

impl Actor {
    /// Whoever holds `token`.
    pub fn new(token: ApiToken, request_id: Option<String>) -> Self {
        let (token_id, grant) = (token.token.id, token.token.grant);
        Self { name: grant.name, role: grant.role, labs: grant.labs, token_id, request_id }
    }

    /// A proxy that has let its callers in already, or whoever has the token that all share.
    fn all_powerful(name: &str, request_id: Option<String>) -> Self {
        let name = name.to_owned();
        Self { token_id: name.clone(), name, role: TokenRole::Admin, labs: Labs::All, request_id }
    }

    /// Of the token.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// This token is the one that the request came by.
    pub fn holds(&self, token: &ApiToken) -> bool {
        self.token_id == token.token.id
    }

    /// As the audit log names them.
    pub fn author(&self) -> Author {
        Author { name: self.name.clone(), role: Some(self.role), request_id: self.request_id.clone() }
    }

    /// To act on a station of this lab, as instructors may.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers, [`ApiError::OtherLab`] for whoever is bound to other labs.
    pub fn may_act_in(&self, lab: Option<&str>) -> Result<(), ApiError> {
        self.may_act()?;
        if self.labs.hold(lab) { Ok(()) } else { Err(ApiError::OtherLab) }
    }
}

impl Actor {
    /// To act on a station that is of any of these labs, as instructors may.
    ///
    /// # Errors
    /// As [`may_act_in`](Self::may_act_in).
    pub fn may_act_in_one_of(&self, labs: &[String]) -> Result<(), ApiError> {
        let in_first = self.may_act_in(labs.first().map(String::as_str));
        match in_first {
            Err(ApiError::OtherLab) if labs.iter().any(|lab| self.labs.hold(Some(lab))) => Ok(()),
            judged => judged,
        }
    }

    /// To act on stations of any lab, as far as the role goes.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers.
    pub fn may_act(&self) -> Result<(), ApiError> {
        match self.role {
            TokenRole::Viewer => Err(ApiError::Forbidden { needed: TokenRole::Instructor, has: self.role }),
            TokenRole::Instructor | TokenRole::Operator | TokenRole::Admin => Ok(()),
        }
    }

    /// Only whoever is bound to no lab: a catalog is all labs'.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors, [`ApiError::OtherLab`] for whoever is bound to labs.
    pub fn may_change_catalog(&self) -> Result<(), ApiError> {
        self.is_operator()?;
        if self.labs.names().is_none() { Ok(()) } else { Err(ApiError::OtherLab) }
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_silence(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// First bytes of uploads may hold anything, names of persons among it.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_see_quarantine(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors, [`ApiError::OtherLab`] for whoever is bound to other labs.
    pub fn may_reserve_in(&self, lab: Option<&str>) -> Result<(), ApiError> {
        self.is_operator()?;
        if self.labs.hold(lab) { Ok(()) } else { Err(ApiError::OtherLab) }
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors, [`ApiError::OtherLab`] for whoever is bound to other labs.
    pub fn may_resolve_in(&self, lab: Option<&str>) -> Result<(), ApiError> {
        self.may_reserve_in(lab)
    }

    /// A list is judged entry by entry.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_import(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_command(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// What is wrong within names addresses and files.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_see_details(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for viewers and instructors.
    pub fn may_see_audit(&self) -> Result<(), ApiError> {
        self.is_operator()
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for everybody but admins.
    pub fn may_give_access(&self) -> Result<(), ApiError> {
        self.is_admin()
    }

    /// # Errors
    /// [`ApiError::Forbidden`] for everybody but admins.
    pub fn may_set_secrets(&self) -> Result<(), ApiError> {
        self.is_admin()
    }

    fn is_admin(&self) -> Result<(), ApiError> {
        match self.role {
            TokenRole::Admin => Ok(()),
            TokenRole::Viewer | TokenRole::Instructor | TokenRole::Operator => {
                Err(ApiError::Forbidden { needed: TokenRole::Admin, has: self.role })
            }
        }
    }

    fn is_operator(&self) -> Result<(), ApiError> {
        match self.role {
            TokenRole::Operator | TokenRole::Admin => Ok(()),
            TokenRole::Viewer | TokenRole::Instructor => {
                Err(ApiError::Forbidden { needed: TokenRole::Operator, has: self.role })
            }
        }
    }
}

impl Gateway {
    /// The token with this hash, if it is valid.
    pub(crate) async fn token(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>, ApiError> {
        let found = self.store().token_by_sha256(sha256).await?;
        Ok(found.filter(|kept| kept.revoked_at.is_none() && bool::from(kept.token.sha256.ct_eq(sha256))))
    }

    /// Whoever holds the token with this hash, if it is valid.
    pub(crate) async fn holder(
        &self,
        sha256: &[u8; 32],
        request_id: Option<String>,
    ) -> Result<Option<Actor>, ApiError> {
        if self.shared().options.shared_token.as_ref().is_some_and(|token| token.is(sha256)) {
            return Ok(Some(Actor::all_powerful(SharedToken::NAME, request_id)));
        }
        Ok(self.token(sha256).await?.map(|token| Actor::new(token, request_id)))
    }

    /// Nobody is let in; nobody could be when there is no token at all.
    pub(crate) async fn refusal(&self) -> Result<ApiError, ApiError> {
        let options = &self.shared().options;
        if options.internal.is_some() || options.shared_token.is_some() {
            return Ok(ApiError::Unauthenticated);
        }
        let none = self.store().tokens().await?.iter().all(|token| token.revoked_at.is_some());
        Ok(if none { ApiError::NotConfigured } else { ApiError::Unauthenticated })
    }
}

/// The mark of a request that was counted: several layers ask who sends it.
#[derive(Clone, Copy)]
pub(crate) struct Counted;

/// What a request says of its sender.
enum Shown {
    /// Somebody.
    Known(Actor),
    /// A token that is none. `beside`: the hash of another one that the request carries.
    Wrong { beside: Option<[u8; 32]> },
    /// No token, and no session that is open.
    Nothing,
}

impl FromRequestParts<Gateway> for Actor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        match shown(parts, gateway).await? {
            Shown::Known(actor) => {
                gateway.shared().attempts.tokens.forgive(&counted(parts));
                if !parts.method.is_safe() {
                    count_change(parts, gateway, &actor)?;
                }
                Ok(actor)
            }
            Shown::Wrong { beside } => {
                // Who holds a right one need not guess.
                let holds_one = match beside {
                    Some(sha256) => gateway.token(&sha256).await?.is_some(),
                    None => false,
                };
                if !holds_one {
                    count_wrong(parts, gateway)?;
                }
                Err(gateway.refusal().await?)
            }
            Shown::Nothing => Err(gateway.refusal().await?),
        }
    }
}

async fn shown(parts: &Parts, gateway: &Gateway) -> Result<Shown, ApiError> {
    match gateway.shared().options.internal.as_ref().and_then(|internal| internal.judges(&parts.headers)) {
        Some(true) => return Ok(Shown::Known(Actor::all_powerful(InternalToken::NAME, RequestId::of(parts)))),
        Some(false) => return Ok(Shown::Wrong { beside: None }),
        None => {}
    }
    let beside = parts.headers.get(OLD_HEADER).and_then(|_| bearer(&parts.headers)).map(digest);
    let shared = gateway.shared().options.shared_token.as_ref().and_then(|token| token.sent(&parts.headers));
    let (sha256, or_else) = match shared.or_else(|| sent_token(&parts.headers)) {
        Some(token) if token.len() <= TOKEN_LIMIT => (Some(digest(token)), Shown::Wrong { beside }),
        Some(_) => return Ok(Shown::Wrong { beside }),
        None => {
            let session =
                cookie(&parts.headers).and_then(|cookie| gateway.shared().sessions.token_sha256(cookie, gateway.now()));
            if session.is_some() && !parts.method.is_safe() {
                refuse_foreign(&parts.headers)?;
            }
            (session, Shown::Nothing)
        }
    };
    let found = match sha256 {
        Some(sha256) => gateway.holder(&sha256, RequestId::of(parts)).await?,
        None => None,
    };
    Ok(found.map_or(or_else, Shown::Known))
}

/// Once a request. Whoever has the right token is let in whatever came from the same address before: only guesses are slowed down.
fn count_wrong(parts: &mut Parts, gateway: &Gateway) -> Result<(), ApiError> {
    let (origin, now) = (counted(parts), gateway.now());
    let tokens = &gateway.shared().attempts.tokens;
    if parts.extensions.get::<Counted>().is_some() {
        return Ok(());
    }
    if let Some(wait) = tokens.wait(&origin, now) {
        return Err(ApiError::TooManyAttempts { seconds: gateway.persons_seconds(wait) });
    }
    tokens.count(&origin, now, now + gateway.lasting(WINDOW));
    if tokens.wait(&origin, now).is_some() {
        tracing::warn!(peer = ?peer(parts), "one address sends many tokens that are not valid");
    }
    parts.extensions.insert(Counted);
    Ok(())
}

/// Once a request, too.
fn count_change(parts: &mut Parts, gateway: &Gateway, actor: &Actor) -> Result<(), ApiError> {
    let now = gateway.now();
    let changes = &gateway.shared().attempts.changes;
    if parts.extensions.get::<Counted>().is_some() {
        return Ok(());
    }
    if let Some(wait) = changes.wait(&actor.token_id, now) {
        return Err(ApiError::TooManyChanges { seconds: gateway.persons_seconds(wait) });
    }
    changes.count(&actor.token_id, now, now + gateway.lasting(WINDOW));
    if changes.wait(&actor.token_id, now).is_some() {
        tracing::warn!(token.name = actor.name, "a token asks for more changes than a lab can need");
    }
    parts.extensions.insert(Counted);
    Ok(())
}

/// The token of the two headers that may carry one.
pub(crate) fn sent_token(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(OLD_HEADER).map(HeaderValue::as_bytes).or_else(|| bearer(headers))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let sent = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = sent.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The session's cookie among all cookies.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}
