//! Tokens of the API (`api_tokens`): named, hashed, revocable.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::database::Link;
use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::{Store, StoreError};

/// How long it is known that a pairing code was good once.
const EXPIRED_KEPT: TimeDelta = TimeDelta::days(1);

/// What a token may do (gateway.md section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenRole {
    /// Read.
    Viewer,
    /// Wake, local mode, acknowledge.
    Instructor,
    /// Everything but secrets.
    Operator,
    /// Everything.
    Admin,
}

impl TokenRole {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Instructor => "instructor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Instructor, Self::Operator, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }
}

/// For which labs somebody may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labs {
    /// For every lab, and for stations of none.
    All,
    /// For these.
    Of(BTreeSet<String>),
}

impl Labs {
    /// For these; none named: for all.
    pub fn named(labs: impl IntoIterator<Item = String>) -> Self {
        let labs: BTreeSet<_> = labs.into_iter().collect();
        if labs.is_empty() { Self::All } else { Self::Of(labs) }
    }

    /// Whether a station of this lab is among them.
    pub fn hold(&self, lab: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Of(labs) => lab.is_some_and(|lab| labs.contains(lab)),
        }
    }

    /// The names; none: all.
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Of(labs) => Some(labs),
        }
    }
}

/// Who may do what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// For people.
    pub name: String,
    /// What.
    pub role: TokenRole,
    /// Where.
    pub labs: Labs,
}

/// A token to be kept; the token itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Given by whoever made it; derived, never counted.
    pub id: String,
    /// What it is good for.
    pub grant: TokenGrant,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// See [`NewApiToken`].
    pub token: NewApiToken,
    /// Not valid since.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A code by which somebody gets a token of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// SHA-256 of the code.
    pub sha256: [u8; 32],
    /// What the token will be good for.
    pub grant: TokenGrant,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is of no use.
    pub expires_at: DateTime<Utc>,
}

/// Tokens and pairing codes in a unit of work.
pub struct Tokens<'t>(pub(crate) &'t mut Link);

impl Tokens<'_> {
    /// Keeps a token. The same id again changes nothing.
    pub async fn add(&mut self, token: &NewApiToken) -> Result<(), StoreError> {
        let row = vec![
            (&token.id).into(),
            (&token.grant.name).into(),
            token.grant.role.as_str().into(),
            labs_column(&token.grant.labs)?,
            token.sha256.into(),
            token.created_at.into(),
        ];
        self.0.write_rows("keep a token", include_str!("sql/insert_token.sql"), vec![row]).await
    }

    /// Revokes a token. `false`: there is none of that id, or it already was.
    pub async fn revoke(&mut self, id: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "revoke a token",
            "update api_tokens set revoked_at = ? where id = ? and revoked_at is null",
        );
        Ok(self.0.execute(statement.bind(at).bind(id)).await? == 1)
    }

    /// Keeps a pairing code, and forgets those that have expired.
    pub async fn offer(&mut self, code: &PairingCode) -> Result<(), StoreError> {
        let forget = Statement::new(
            "forget pairing codes",
            "delete from pairing_codes where expires_at <= ? or (sha256 = ? and expires_at <= ?)",
        );
        let forget = forget.bind(code.created_at - EXPIRED_KEPT).bind(code.sha256).bind(code.created_at);
        self.0.execute(forget).await?;
        let row = vec![
            code.sha256.into(),
            (&code.grant.name).into(),
            code.grant.role.as_str().into(),
            labs_column(&code.grant.labs)?,
            code.created_at.into(),
            code.expires_at.into(),
        ];
        self.0.write_rows("keep a pairing code", include_str!("sql/insert_pairing.sql"), vec![row]).await
    }

    /// Whether it is a pairing code that nobody used in time. Known for a day: whoever types it then is told so.
    pub async fn has_expired(&mut self, sha256: &[u8; 32], now: DateTime<Utc>) -> Result<bool, StoreError> {
        let read = Statement::new("read a pairing code", include_str!("sql/lock_pairing.sql"))
            .of("pairing_codes", &["sha256"])
            .bind(*sha256);
        let Some(row) = self.0.fetch_optional(read).await? else { return Ok(false) };
        Ok(row.instant("expires_at")? <= now && row.optional_instant("used_at")?.is_none())
    }

    /// Uses a pairing code up. None: there is none, it has expired, or it was used.
    pub async fn take(&mut self, sha256: &[u8; 32], now: DateTime<Utc>) -> Result<Option<TokenGrant>, StoreError> {
        let read = Statement::new("read a pairing code", include_str!("sql/lock_pairing.sql"))
            .of("pairing_codes", &["sha256"])
            .bind(*sha256);
        let Some(row) = self.0.fetch_optional(read).await? else { return Ok(None) };
        if row.instant("expires_at")? <= now || row.optional_instant("used_at")?.is_some() {
            return Ok(None);
        }
        let used = Statement::new("use a pairing code up", "update pairing_codes set used_at = ? where sha256 = ?");
        self.0.execute(used.bind(now).bind(*sha256)).await?;
        grant(&row).map(Some)
    }
}

impl Store {
    /// [`Tokens::add`], by itself.
    pub async fn insert_token(&self, token: &NewApiToken) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        Tokens(&mut link).add(token).await?;
        link.commit().await
    }

    /// The token of this hash, revoked or not.
    pub async fn token_by_sha256(&self, sha256: &[u8; 32]) -> Result<Option<ApiToken>, StoreError> {
        let statement = read_tokens().filter("sha256 = ?", [*sha256]);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(token).transpose()
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.reader().await?.fetch(read_tokens()).await?.iter().map(token).collect()
    }

    /// [`Tokens::revoke`], by itself.
    pub async fn revoke_token(&self, id: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut link = self.writer().await?;
        let revoked = Tokens(&mut link).revoke(id, at).await?;
        link.commit().await?;
        Ok(revoked)
    }
}

fn read_tokens() -> Statement {
    Statement::new("read tokens", include_str!("sql/tokens.sql")).of("api_tokens", &["id"])
}

fn labs_column(labs: &Labs) -> Result<Value, StoreError> {
    let names = labs.names().map(serde_json::to_string).transpose();
    Ok(names.map_err(StoreError::json("keep the labs of a token"))?.into())
}

fn grant(row: &Row) -> Result<TokenGrant, StoreError> {
    Ok(TokenGrant {
        name: row.text("name")?,
        role: row.parsed("role", TokenRole::parse)?,
        labs: row.optional_json("labs")?.map_or(Labs::All, Labs::Of),
    })
}

fn token(row: &Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        token: NewApiToken {
            id: row.text("id")?,
            grant: grant(row)?,
            sha256: row.sha256("sha256")?,
            created_at: row.instant("created_at")?,
        },
        revoked_at: row.optional_instant("revoked_at")?,
    })
}
