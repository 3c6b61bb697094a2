//! Lambda: the schedule. Finds stations that fell silent, and everything else that time alone changes.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use stationkeeper_pipeline::lambda::{Function, LambdaConfig};

/// Many small strings come and go with every heartbeat.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One batch at a time: a second thread would only be woken in vain.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let function = LambdaConfig::from_env()?.connect().await?;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| handle(&function))).await
}

/// A failed check is an error of the invocation: the schedule runs it again, and its alarm tells.
async fn handle(function: &Function) -> Result<Value, Error> {
    let report = function.check_overdue().await?;
    let forgotten = function.prune().await?;
    Ok(json!({
        "due": report.due,
        "looked": report.looked,
        "transitions": report.transitions,
        "judged": report.judged,
        "forgotten_rows": forgotten,
    }))
}
