//! The dead man's switch: somebody else's alarm rings when these calls stop.

use stationkeeper_pipeline::deliver::NotifyError;

use crate::connections::Secret;
use crate::http;

/// An address that is called while all is well. It is a secret: whoever knows it can say that all is well.
#[derive(Debug, Clone)]
pub struct Alive {
    http: reqwest::Client,
    url: Secret,
}

impl Alive {
    pub(crate) fn new(http: reqwest::Client, url: Secret) -> Self {
        Self { http, url }
    }

    /// Calls it.
    pub async fn call(&self) -> Result<(), NotifyError> {
        http::post(self.http.get(self.url.expose())).await
    }
}
