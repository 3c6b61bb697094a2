//! Wake-on-LAN. What is sent, where and from which interface is decided before anything is sent.

mod address;
mod packet;
mod plan;
mod send;

pub use address::{MacAddress, MacAddressError, SecureOn, SecureOnError};
pub use packet::magic_packet;
pub use plan::{Interface, WakePlan, WakeRequest, WakeWay, WakeWayError, plan};
pub use send::{WakeError, WakeFailure, WakeSent, interfaces, send};
