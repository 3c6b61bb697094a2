//! Tokens of the API (`api_tokens`): named, hashed, revocable.

use chrono::{DateTime, Utc};

use crate::row::Row;
use crate::statement::Statement;
use crate::{Store, StoreError};

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

/// A token to be kept; the token itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Given by whoever made it; derived, never counted.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
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

impl Store {
    /// Keeps a token. The same id again changes nothing.
    pub async fn insert_token(&self, token: &NewApiToken) -> Result<(), StoreError> {
        let row = vec![
            (&token.id).into(),
            (&token.name).into(),
            token.role.as_str().into(),
            token.sha256.into(),
            token.created_at.into(),
        ];
        let mut link = self.writer().await?;
        link.write_rows("keep a token", include_str!("sql/insert_token.sql"), vec![row]).await?;
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

    /// Revokes a token. `false`: there is none of that id, or it already was.
    pub async fn revoke_token(&self, id: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "revoke a token",
            "update api_tokens set revoked_at = ? where id = ? and revoked_at is null",
        )
        .bind(at)
        .bind(id);
        let mut link = self.writer().await?;
        let revoked = link.execute(statement).await?;
        link.commit().await?;
        Ok(revoked == 1)
    }
}

fn read_tokens() -> Statement {
    Statement::new("read tokens", include_str!("sql/tokens.sql")).of("api_tokens", &["id"])
}

fn token(row: &Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        token: NewApiToken {
            id: row.text("id")?,
            name: row.text("name")?,
            role: row.parsed("role", TokenRole::parse)?,
            sha256: row.sha256("sha256")?,
            created_at: row.instant("created_at")?,
        },
        revoked_at: row.optional_instant("revoked_at")?,
    })
}
