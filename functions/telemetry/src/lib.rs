//! What Lab Station really writes, made into types: the four documents, the closed list of rejections, object keys and bucket events.
//!
//! Pure: no I/O, no clock, no `tokio`. Every function takes bytes and instants and returns a value.

mod host_name;
mod snapshot;

pub use host_name::{BadHost, HostName};
pub use snapshot::*;
