//! What Lab Station really writes, made into types: the four documents, the closed list of rejections, object keys and bucket events.
//!
//! Pure: no I/O, no clock, no `tokio`. Every function takes bytes and instants and returns a value.

mod bucket_event;
mod events;
mod heartbeat;
mod host_name;
mod instant;
mod issue;
mod json;
mod judge;
mod limits;
mod normalized;
mod object_key;
mod operations;
mod rejection;
mod service_state;
mod snapshot;
mod wire;

pub use bucket_event::{
    DecodedEvents, EventFault, EventRejection, ObjectEvent, compare_sequencers, decode_event, decode_message,
};
pub use events::{Events, RejectedLine, normalize_events, resume_events};
pub use heartbeat::{misdated_timestamp, normalize_heartbeat, normalize_status};
pub use host_name::{BadHost, HostName};
pub use instant::{InstantError, WrittenInstant, format_instant, parse_instant};
pub use issue::issue_code;
pub use limits::Limits;
pub use normalized::{NormalizedEvents, NormalizedOperations, NormalizedSnapshot};
pub use object_key::{ObjectKey, ObjectKind, classify_key, has_unsafe_segment};
pub use rejection::{Reason, Rejection};
pub use service_state::normalize_service_state;
pub use snapshot::*;
