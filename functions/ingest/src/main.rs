//! Lambda: bucket events from a queue. What fails for now comes back; what can never be read is put aside.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stationkeeper_pipeline::ingest::Delivery;
use stationkeeper_pipeline::lambda::{Function, LambdaConfig};

/// Many small strings come and go with every heartbeat.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One batch at a time: a second thread would only be woken in vain.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let function = LambdaConfig::from_env()?.connect().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| handle(&function, event.payload))).await
}

/// Answers message by message: the queue redelivers those that failed, and no other.
async fn handle(function: &Function, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let deliveries: Vec<_> = event
        .records
        .into_iter()
        .map(|message| Delivery { id: message.message_id.unwrap_or_default(), body: message.body.unwrap_or_default() })
        .collect();
    let report = function.batch(&deliveries).await;
    let mut response = SqsBatchResponse::default();
    for failure in report.failed {
        response.add_failure(failure.id);
    }
    Ok(response)
}
