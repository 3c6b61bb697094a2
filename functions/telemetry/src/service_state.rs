//! Signatures.
use crate::{Limits, Rejection, ServiceState};

/// A `service-state.ini`.
///
/// # Errors
/// By size, emptiness, encoding, or a bad operation.
pub fn normalize_service_state(_bytes: &[u8], _limits: &Limits) -> Result<ServiceState, Rejection> {
    unimplemented!()
}
