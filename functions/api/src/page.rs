//! The one shape of a list and the one shape of an error.

use serde::{Deserialize, Serialize};

/// A list. `next` is the `cursor` of the following page; none: this was the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// In the list's own order.
    pub items: Vec<T>,
    /// Opaque; hand it back as `cursor`.
    pub next: Option<String>,
}

/// Every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A sentence to show.
    pub error: String,
    /// A stable word to decide by.
    pub code: String,
    /// Finds the request in the log. Spelled as the older clients know it.
    #[serde(rename = "requestId")]
    pub request_id: String,
    /// False where nobody was let in, as the older clients know it; else it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
}
