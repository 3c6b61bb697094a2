//! Requests that name themselves by a key (`idempotency_keys`): each is carried out by one, and what was answered is kept for its
//! repetitions. Whoever claims one has it under a lease, so that one whose claimant died is not stuck.

use chrono::{DateTime, Utc};

use crate::statement::Statement;
use crate::{Store, StoreError};

const KEY: &[&str] = &["token_id", "idempotency_key"];

/// A request with a key, in the hands of one who wants to carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Of whose token; keys of one are no keys of another.
    pub token_id: String,
    /// As the caller named it.
    pub key: String,
    /// Of all that makes it this request.
    pub sha256: [u8; 32],
    /// Whoever claims it: a word that nobody else uses.
    pub claimed_by: String,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimTimes {
    /// When.
    pub now: DateTime<Utc>,
    /// Until when nobody else carries it out.
    pub claimed_until: DateTime<Utc>,
    /// From when on the key is unknown again.
    pub expires_at: DateTime<Utc>,
}

/// What a claim came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyClaim {
    /// It is the claimant's to carry out.
    Taken,
    /// It was answered so.
    Answered(String),
    /// Somebody carries it out.
    InFlight {
        /// The end of their lease.
        until: DateTime<Utc>,
    },
    /// The key is another request's.
    OtherRequest,
}

impl Store {
    /// Claims a request. Whose lease has ended without an answer is claimed anew; an expired key is a new one.
    pub async fn claim_request(&self, request: &KeyedRequest, times: ClaimTimes) -> Result<KeyClaim, StoreError> {
        let mut link = self.writer().await?;
        let row = vec![
            (&request.token_id).into(),
            (&request.key).into(),
            request.sha256.into(),
            (&request.claimed_by).into(),
            times.claimed_until.into(),
            times.expires_at.into(),
        ];
        // Inserted first: of two at once the second waits here, and sees what the first has made.
        link.write_rows("claim a request", include_str!("sql/insert_idempotency_key.sql"), vec![row]).await?;
        let read = Statement::new("read a request's key", include_str!("sql/lock_idempotency_key.sql"))
            .of("idempotency_keys", KEY)
            .bind(&request.token_id)
            .bind(&request.key);
        // In this unit of work it was inserted, or was there and is locked.
        let Some(row) = link.fetch_optional(read).await? else {
            return Ok(KeyClaim::InFlight { until: times.claimed_until });
        };
        let until = row.instant("claimed_until")?;
        let is_fresh = row.text("claimed_by")? == request.claimed_by;
        let has_expired = row.instant("expires_at")? <= times.now;
        let answer = row.optional_text("answer")?;
        let claim = match answer {
            _ if is_fresh || has_expired => KeyClaim::Taken,
            _ if row.sha256("request_sha256")? != request.sha256 => KeyClaim::OtherRequest,
            Some(answer) => KeyClaim::Answered(answer),
            None if times.now < until => KeyClaim::InFlight { until },
            None => KeyClaim::Taken,
        };
        if claim == KeyClaim::Taken && !is_fresh {
            let statement = Statement::new("claim a request", include_str!("sql/claim_idempotency_key.sql"))
                .bind(request.sha256)
                .bind(&request.claimed_by)
                .bind(times.claimed_until)
                .bind(times.expires_at)
                .bind(&request.token_id)
                .bind(&request.key);
            link.execute(statement).await?;
        }
        link.commit().await?;
        Ok(claim)
    }

    /// Keeps the answer of a claimed request. `false`: somebody else has claimed it since.
    pub async fn keep_answer(&self, request: &KeyedRequest, answer: &str) -> Result<bool, StoreError> {
        let statement =
            Statement::new("keep the answer of a request", include_str!("sql/answer_idempotency_key.sql")).bind(answer);
        self.settle_request(statement, request).await
    }

    /// Gives a claimed request back: it was not carried out. `false`: somebody else has claimed it since.
    pub async fn release_request(&self, request: &KeyedRequest) -> Result<bool, StoreError> {
        let statement = Statement::new("give a request back", include_str!("sql/release_idempotency_key.sql"));
        self.settle_request(statement, request).await
    }

    async fn settle_request(&self, statement: Statement, request: &KeyedRequest) -> Result<bool, StoreError> {
        let mut link = self.writer().await?;
        let statement = statement.bind(&request.token_id).bind(&request.key).bind(&request.claimed_by);
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held == 1)
    }
}
