//! What is wanted of the local mode of stations (`local_mode_orders`), and who tells a station of it. How long somebody has it is told by
//! the database's clock, which all share.

use std::time::Duration;

use stationkeeper_rules::requests::{LocalModeOrder, RequestId};
use stationkeeper_telemetry::HostName;

use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::stations::States;
use crate::{Store, StoreError};

impl States<'_> {
    /// Keeps what is wanted of a station's local mode, in place of what was wanted before. Whoever tells the station of that goes on.
    pub async fn order_local_mode(&mut self, order: &LocalModeOrder) -> Result<(), StoreError> {
        let row: Vec<Value> = vec![
            (&order.host).into(),
            order.enabled.into(),
            (&order.owner).into(),
            order.reason.as_ref().into(),
            order.ordered_at.into(),
            order.request_id.as_ref().map(|id| &id.0).into(),
            order.expires_at.into(),
            order.warned_at.into(),
            order.ended_by.as_ref().into(),
            order.attempts.into(),
            order.next_attempt_at.into(),
            order.applied_at.into(),
            order.problem.as_ref().into(),
        ];
        let text = include_str!("sql/save_local_mode_order.sql");
        self.0.write_rows("write what is wanted of local mode", text, vec![row]).await
    }

    /// What is wanted of the local mode of a station, if anybody said.
    pub async fn local_mode_order(&mut self, host: &HostName) -> Result<Option<LocalModeOrder>, StoreError> {
        self.0.fetch_optional(read().filter("host = ?", [host])).await?.as_ref().map(order).transpose()
    }

    /// How the station took what it was told. False: something else is wanted by now, and this changes nothing.
    pub async fn settle_local_mode(&mut self, settled: &LocalModeOrder) -> Result<bool, StoreError> {
        let text = include_str!("sql/settle_local_mode_order.sql");
        let statement = Statement::new("write how a station took what is wanted of local mode", text)
            .bind(settled.attempts)
            .bind(settled.next_attempt_at)
            .bind(settled.applied_at)
            .bind(settled.problem.as_ref())
            .bind(&settled.host)
            .bind(settled.ordered_at);
        Ok(self.0.execute(statement).await? > 0)
    }

    /// Whoever told the station of it has done so.
    pub async fn give_back_local_mode(&mut self, host: &HostName, claimant: &str) -> Result<(), StoreError> {
        let text =
            "update local_mode_orders set claimed_by = null, claimed_until = null where host = ? and claimed_by = ?";
        let statement = Statement::new("give back an order of local mode", text).bind(host).bind(claimant);
        self.0.execute(statement).await.map(|_| ())
    }
}

impl Store {
    /// What was wanted of local mode, by host name.
    pub async fn local_mode_orders(&self) -> Result<Vec<LocalModeOrder>, StoreError> {
        self.reader().await?.fetch(read()).await?.iter().map(order).collect()
    }

    /// Those that something is still to be done about: they end by themselves, or their station is to be told.
    pub async fn open_local_mode_orders(&self) -> Result<Vec<LocalModeOrder>, StoreError> {
        let open = "next_attempt_at is not null or (enabled = 1 and expires_at is not null)";
        let statement = read().filter(open, [0i64; 0]);
        self.reader().await?.fetch(statement).await?.iter().map(order).collect()
    }

    /// [`States::local_mode_order`].
    pub async fn local_mode_order(&self, host: &HostName) -> Result<Option<LocalModeOrder>, StoreError> {
        States(&mut self.reader().await?).local_mode_order(host).await
    }

    /// From now on it is `claimant`, a word that nobody else uses, who tells the station. False: somebody else does, or nothing is wanted.
    pub async fn claim_local_mode(&self, host: &HostName, claimant: &str, lasts: Duration) -> Result<bool, StoreError> {
        let text = include_str!("sql/claim_local_mode_order.sql");
        let statement =
            Statement::new("claim an order of local mode", text).bind(claimant).bind(lasts.as_secs()).bind(host);
        let mut link = self.writer().await?;
        let claimed = link.execute(statement).await?;
        link.commit().await?;
        Ok(claimed > 0)
    }
}

fn read() -> Statement {
    Statement::new("read what is wanted of local mode", include_str!("sql/local_mode_orders.sql"))
        .of("local_mode_orders", &["host"])
}

fn order(row: &Row) -> Result<LocalModeOrder, StoreError> {
    Ok(LocalModeOrder {
        host: row.host("host")?,
        enabled: row.flag("enabled")?,
        owner: row.text("owner")?,
        reason: row.optional_text("reason")?,
        ordered_at: row.instant("ordered_at")?,
        request_id: row.optional_text("request_id")?.map(RequestId),
        expires_at: row.optional_instant("expires_at")?,
        warned_at: row.optional_instant("warned_at")?,
        ended_by: row.optional_text("ended_by")?,
        attempts: row.small("attempts")?,
        next_attempt_at: row.optional_instant("next_attempt_at")?,
        applied_at: row.optional_instant("applied_at")?,
        problem: row.optional_text("problem")?,
    })
}
