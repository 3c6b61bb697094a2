//! Signatures.
use serde::Serialize;

use crate::{Events, ServiceState, Snapshot};

impl Snapshot {
    /// What `normalize` prints.
    pub fn normalized(&self) -> impl Serialize + '_ {
        unimplemented!() as ()
    }
}
impl ServiceState {
    /// What `normalize` prints.
    pub fn normalized(&self) -> impl Serialize + '_ {
        unimplemented!() as ()
    }
}
impl Events {
    /// What `normalize` prints.
    pub fn normalized(&self) -> impl Serialize + '_ {
        unimplemented!() as ()
    }
}
