//! Who may do what, and who did.

use serde::{Deserialize, Serialize};

use crate::Instant;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenView {
    /// Names it where the secret must not be.
    pub id: String,
    /// For people.
    pub name: String,
    /// `viewer`, `instructor`, `operator` or `admin`.
    pub role: String,
    /// For which labs its holder may act; null: for all.
    pub labs: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Instant,
    /// Not valid since.
    pub revoked_at: Option<Instant>,
}

/// A token that was just made. Its secret is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MintedTokenView {
    /// What is kept of it.
    #[serde(flatten)]
    pub about: TokenView,
    /// Goes into `Authorization: Bearer`.
    pub token: String,
}

/// A code that an app changes into a token of its own, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairingCodeView {
    /// As a person types it.
    pub code: String,
    /// From when on it is of no use.
    pub expires_at: Instant,
}

/// Who changed what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditView {
    /// Of the entry.
    pub id: String,
    /// When.
    pub at: Instant,
    /// The name of a token, or who was said to be at the command line.
    pub actor: String,
    /// What the token may do; null: the command line, or the system itself.
    pub role: Option<String>,
    /// What.
    pub action: String,
    /// On what: an id.
    pub target: String,
    /// The station that it is about.
    pub host: Option<String>,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// What the action needs to be understood.
    pub detail: Option<serde_json::Value>,
    /// Finds the request in the log.
    pub request_id: Option<String>,
}
