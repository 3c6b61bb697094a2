//! Who asks: a handler with an `Actor` in its signature has a known caller.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use stationkeeper_store::{ApiToken, Author, Labs, TokenRole};
use subtle::ConstantTimeEq;

use crate::Gateway;
use crate::edge::InternalToken;
use crate::error::ApiError;
use crate::origin::refuse_foreign;
use crate::request_id::RequestId;
use crate::token::digest;

/// The name of the cookie of a session.
pub(crate) const COOKIE: &str = "stationkeeper_session";
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

    /// A proxy that has let its callers in already.
    fn internal(request_id: Option<String>) -> Self {
        let name = InternalToken::NAME.to_owned();
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
        match self.role {
            TokenRole::Viewer => Err(ApiError::Forbidden { needed: TokenRole::Instructor, has: self.role }),
            TokenRole::Instructor | TokenRole::Operator | TokenRole::Admin if self.labs.hold(lab) => Ok(()),
            TokenRole::Instructor | TokenRole::Operator | TokenRole::Admin => Err(ApiError::OtherLab),
        }
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

    /// Nobody is let in; nobody could be when there is no token at all.
    pub(crate) async fn refusal(&self) -> Result<ApiError, ApiError> {
        if self.shared().options.internal.is_some() {
            return Ok(ApiError::Unauthenticated);
        }
        let none = self.store().tokens().await?.iter().all(|token| token.revoked_at.is_some());
        Ok(if none { ApiError::NotConfigured } else { ApiError::Unauthenticated })
    }
}

impl FromRequestParts<Gateway> for Actor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        match gateway.shared().options.internal.as_ref().and_then(|internal| internal.judges(&parts.headers)) {
            Some(true) => return Ok(Self::internal(RequestId::of(parts))),
            Some(false) => return Err(ApiError::Unauthenticated),
            None => {}
        }
        let sha256 = match sent_token(&parts.headers) {
            Some(token) if token.len() <= TOKEN_LIMIT => Some(digest(token)),
            Some(_) => None,
            None => {
                let session = cookie(&parts.headers)
                    .and_then(|cookie| gateway.shared().sessions.token_sha256(cookie, gateway.now()));
                if session.is_some() && !parts.method.is_safe() {
                    refuse_foreign(&parts.headers)?;
                }
                session
            }
        };
        let found = match sha256 {
            Some(sha256) => gateway.token(&sha256).await?,
            None => None,
        };
        match found {
            Some(token) => Ok(Self::new(token, RequestId::of(parts))),
            None => Err(gateway.refusal().await?),
        }
    }
}

/// The token of the two headers that may carry one.
pub(crate) fn sent_token(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = headers.get("x-lab-manager-token") {
        return Some(token.as_bytes());
    }
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
