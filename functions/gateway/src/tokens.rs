//! Who may do what: `GET` and `POST /api/v1/tokens`, `DELETE …/{id}`; for an app without a keyboard `POST /api/v1/pairing-codes`, and
//! `POST /api/v1/pair` by which it changes such a code into a token of its own.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use stationkeeper_api::{ErrorBody, MintedTokenView, Page, PairingCodeView, TokenView};
use stationkeeper_store::{
    ApiToken, AuditAction, AuditEntry, Author, Labs, NewApiToken, PairingCode, Store, StoreError, TokenGrant, TokenRole,
};
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::Actor;
use crate::attempts::WINDOW;
use crate::error::ApiError;
use crate::extract::{Body, NoParameters, Path, Query};
use crate::idempotency::Secret;
use crate::origin::counted;
use crate::request_id::RequestId;
use crate::token::{digest, mint_token, random};

/// How long a pairing code is good for, in a person's time.
const PAIRING_LASTS: TimeDelta = TimeDelta::minutes(10);
/// Without what a person takes for something else: 32 signs, so that a byte makes one without a bias.
const SIGNS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const NAME_LENGTH: usize = 64;
const MOST_LABS: usize = 100;

/// Why somebody is not given access.
#[derive(Debug, thiserror::Error)]
pub enum GiveAccessError {
    /// A name that cannot be kept or shown.
    #[error("a token's name has 1 to {NAME_LENGTH} characters, none of them a control character")]
    Name,
    /// Labs that cannot be kept.
    #[error("a token is for at most {MOST_LABS} laboratories, each named by 1 to {NAME_LENGTH} characters")]
    Labs,
    /// The operating system gives no random bytes.
    #[error("cannot get random bytes")]
    Random(#[from] getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GiveAccessError> for ApiError {
    fn from(error: GiveAccessError) -> Self {
        match error {
            GiveAccessError::Name | GiveAccessError::Labs => Self::BadRequest(error.to_string()),
            GiveAccessError::Random(error) => error.into(),
            GiveAccessError::Store(error) => error.into(),
        }
    }
}

/// What somebody is to be given, checked.
///
/// # Errors
/// A name or labs that cannot be kept.
pub fn grant(
    name: &str,
    role: TokenRole,
    labs: impl IntoIterator<Item = String>,
) -> Result<TokenGrant, GiveAccessError> {
    let fine = |text: &str| (1..=NAME_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let name = name.trim();
    if !fine(name) {
        return Err(GiveAccessError::Name);
    }
    let labs = Labs::named(labs);
    if labs.names().is_some_and(|names| names.len() > MOST_LABS || !names.iter().all(|lab| fine(lab))) {
        return Err(GiveAccessError::Labs);
    }
    Ok(TokenGrant { name: name.to_owned(), role, labs })
}

/// Makes a token: its secret, which is told once, and what is kept.
///
/// # Errors
/// No random bytes, or the store failed.
pub async fn add_token(
    store: &Store,
    grant: TokenGrant,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<(String, NewApiToken), GiveAccessError> {
    let (secret, token) = mint_token(grant, now)?;
    let mut work = store.begin().await?;
    work.tokens().add(&token).await?;
    let entry = AuditEntry::done(author, AuditAction::TokenAdd, &token.id, now).with(described(&token.grant));
    work.audit().append(&[entry]).await?;
    work.commit().await?;
    tracing::info!(token.id, token.role = token.grant.role.as_str(), "a token was made");
    Ok((secret, token))
}

/// Revokes a token. False: there is none of that id, or it already was.
///
/// # Errors
/// The store failed.
pub async fn revoke_token(store: &Store, id: &str, author: &Author, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let mut work = store.begin().await?;
    let revoked = work.tokens().revoke(id, now).await?;
    if revoked {
        work.audit().append(&[AuditEntry::done(author, AuditAction::TokenRevoke, id, now)]).await?;
    }
    work.commit().await?;
    Ok(revoked)
}

/// Makes a pairing code; it is told once, and good until the instant.
///
/// # Errors
/// No random bytes, or the store failed.
pub async fn offer_pairing(
    store: &Store,
    grant: TokenGrant,
    author: &Author,
    now: DateTime<Utc>,
    lasts: TimeDelta,
) -> Result<(String, DateTime<Utc>), GiveAccessError> {
    let signs: Vec<u8> = random()?[..8].iter().map(|byte| SIGNS[usize::from(byte % 32)]).collect();
    let code = format!("{}-{}", String::from_utf8_lossy(&signs[..4]), String::from_utf8_lossy(&signs[4..]));
    let (sha256, expires_at) = (code_digest(&code), now + lasts);
    let mut work = store.begin().await?;
    let entry = AuditEntry::done(author, AuditAction::PairingOffer, hex::encode(&sha256[..8]), now);
    work.audit().append(&[entry.with(described(&grant))]).await?;
    work.tokens().offer(&PairingCode { sha256, grant, created_at: now, expires_at }).await?;
    work.commit().await?;
    Ok((code, expires_at))
}

/// How long a pairing code is good for, without a clock that runs faster.
pub const fn pairing_lasts() -> TimeDelta {
    PAIRING_LASTS
}

/// People type it with or without its dash, in any case.
fn code_digest(code: &str) -> [u8; 32] {
    let signs: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|sign| sign.to_ascii_uppercase()).collect();
    digest(signs.as_bytes())
}

fn described(grant: &TokenGrant) -> serde_json::Value {
    json!({ "name": grant.name, "role": grant.role.as_str(), "labs": grant.labs.names() })
}

/// A token as the API, and the command line, show it.
pub fn token_view(token: &ApiToken) -> TokenView {
    let kept = &token.token;
    TokenView {
        id: kept.id.clone(),
        name: kept.grant.name.clone(),
        role: kept.grant.role.as_str().to_owned(),
        labs: kept.grant.labs.names().map(|labs| labs.iter().cloned().collect()),
        created_at: kept.created_at.into(),
        revoked_at: token.revoked_at.map(Into::into),
    }
}

/// Tokens, without their secrets.
///
/// Role: admin.
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list_tokens", tag = "access",
    responses(
        (status = OK, description = "All of them, revoked ones too", body = Page<TokenView>),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Page<TokenView>>, ApiError> {
    actor.may_give_access()?;
    let items = gateway.store().tokens().await?.iter().map(token_view).collect();
    Ok(Json(Page { items, next: None }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AccessRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// For people.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// `viewer`, `instructor`, `operator` or `admin`.
    #[schema(pattern = "^(viewer|instructor|operator|admin)$")]
    role: String,
    /// For these laboratories; none: for all.
    #[serde(default)]
    #[schema(max_items = 100)]
    labs: Vec<String>,
}

impl Asked {
    fn grant(self) -> Result<TokenGrant, ApiError> {
        let role = TokenRole::parse(&self.role)
            .ok_or_else(|| ApiError::BadRequest("role is one of viewer, instructor, operator, admin".to_owned()))?;
        Ok(grant(&self.name, role, self.labs)?)
    }
}

/// Makes a token.
///
/// Role: admin.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "add_token", tag = "access",
    request_body(content = Asked, example = json!({ "name": "tray of Ana", "role": "instructor", "labs": ["electronics"] })),
    responses(
        (status = CREATED, description = "With its secret, shown this once", body = MintedTokenView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn add(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Body(asked): Body<Asked>,
) -> Result<(StatusCode, Secret<MintedTokenView>), ApiError> {
    actor.may_give_access()?;
    let (secret, token) = add_token(gateway.store(), asked.grant()?, &actor.author(), gateway.now()).await?;
    Ok((StatusCode::CREATED, Secret(minted(secret, token))))
}

fn minted(secret: String, token: NewApiToken) -> MintedTokenView {
    MintedTokenView { about: token_view(&ApiToken { token, revoked_at: None }), token: secret }
}

/// Revokes a token, and ends the sessions that were opened with it.
///
/// Role: admin.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "access",
    params(("id" = String, Path, description = "Of the token, not its secret")),
    responses(
        (status = OK, description = "As it stands now", body = TokenView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = NOT_FOUND, description = "`unknown_token`: no token has this id", body = ErrorBody),
        (status = CONFLICT, description = "`own_token`: it is the one that asks", body = ErrorBody),
    ),
)]
pub(crate) async fn revoke(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Path(id): Path,
) -> Result<Json<TokenView>, ApiError> {
    actor.may_give_access()?;
    let find = async || -> Result<ApiToken, ApiError> {
        let known = gateway.store().tokens().await?.into_iter().find(|token| token.token.id == id);
        known.ok_or_else(|| ApiError::UnknownToken(id.clone()))
    };
    if actor.holds(&find().await?) {
        return Err(ApiError::OwnToken);
    }
    revoke_token(gateway.store(), &id, &actor.author(), gateway.now()).await?;
    Ok(Json(token_view(&find().await?)))
}

/// Makes a code that an app changes into a token of its own, once, within ten minutes.
///
/// Role: admin.
#[utoipa::path(
    post, path = "/v1/pairing-codes", operation_id = "offer_pairing", tag = "access",
    request_body(content = Asked, example = json!({ "name": "tray of Ana", "role": "instructor", "labs": ["electronics"] })),
    responses(
        (status = CREATED, description = "Shown this once", body = PairingCodeView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
    ),
)]
pub(crate) async fn offer(
    State(gateway): State<Gateway>,
    actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
    Body(asked): Body<Asked>,
) -> Result<(StatusCode, Secret<PairingCodeView>), ApiError> {
    actor.may_give_access()?;
    let lasts = gateway.lasting(PAIRING_LASTS);
    let (code, expires_at) =
        offer_pairing(gateway.store(), asked.grant()?, &actor.author(), gateway.now(), lasts).await?;
    Ok((StatusCode::CREATED, Secret(PairingCodeView { code, expires_at: expires_at.into() })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PairingRequest)]
#[serde(deny_unknown_fields)]
struct Pairing {
    /// As a person was shown it: with or without its dash, in any case.
    code: String,
}

/// Changes a pairing code into a token.
///
/// Open: the code is the access. Guessing is slowed down as at the login.
#[utoipa::path(
    post, path = "/v1/pair", operation_id = "pair", tag = "access", security(()),
    request_body(content = Pairing, example = json!({ "code": "K7M4-Q2XX" })),
    responses(
        (status = CREATED, description = "A token with its secret, shown this once", body = MintedTokenView),
        (status = UNAUTHORIZED, description = "`pairing_code`: the code is of no use; `pairing_code_expired`: it was good once", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "`too_many_attempts`: see `Retry-After`", body = ErrorBody),
    ),
)]
pub(crate) async fn pair(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<(StatusCode, Secret<MintedTokenView>), ApiError> {
    let (parts, body) = request.into_parts();
    let (origin, request_id, now) = (counted(&parts), RequestId::of(&parts), gateway.now());
    if let Some(wait) = gateway.shared().attempts.logins.wait(&origin, now) {
        return Err(ApiError::TooManyAttempts { seconds: gateway.persons_seconds(wait) });
    }
    let Body(asked) = Body::<Pairing>::from_request(Request::from_parts(parts, body), &()).await?;
    let mut work = gateway.store().begin().await?;
    let sha256 = code_digest(&asked.code);
    let Some(grant) = work.tokens().take(&sha256, now).await? else {
        let expired = work.tokens().has_expired(&sha256, now).await?;
        gateway.shared().attempts.logins.count(&origin, now, now + gateway.lasting(WINDOW));
        tracing::warn!("somebody tried a pairing code that is not valid");
        return Err(if expired { ApiError::PairingCodeExpired } else { ApiError::PairingCode });
    };
    let author = Author { name: grant.name.clone(), role: Some(grant.role), request_id };
    let (secret, token) = mint_token(grant, now)?;
    work.tokens().add(&token).await?;
    work.audit().append(&[AuditEntry::done(&author, AuditAction::PairingTake, &token.id, now)]).await?;
    work.commit().await?;
    Ok((StatusCode::CREATED, Secret(minted(secret, token))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        for typed in ["K7M4-Q2XX", "k7m4q2xx", " K7M4 Q2XX "] {
            assert_eq!(code_digest(typed), code_digest("K7M4-Q2XX"), "{typed}");
        }
        assert_ne!(code_digest("K7M4-Q2XY"), code_digest("K7M4-Q2XX"));
    }

    #[test]
    fn names_and_labs_are_what_can_be_kept_and_shown() {
        let long = "x".repeat(65);
        for (name, labs, fine) in [
            ("tray of Ana", vec!["electronics"], true),
            (" ", vec![], false),
            ("a\nb", vec![], false),
            (long.as_str(), vec![], false),
            ("ana", vec![""], false),
            ("ana", vec![long.as_str()], false),
        ] {
            let labs = labs.into_iter().map(str::to_owned);
            assert_eq!(grant(name, TokenRole::Viewer, labs).is_ok(), fine, "{name:?}");
        }
    }
}
