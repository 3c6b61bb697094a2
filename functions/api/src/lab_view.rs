use serde::{Deserialize, Serialize};

/// A laboratory that the settings speak of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LabView {
    /// Its name, as stations and tokens have it.
    pub name: String,
    /// Where it is, by a name of the IANA database such as `Europe/Madrid`.
    pub time_zone: String,
}
