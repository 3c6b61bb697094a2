//! `queue status` and `queue redrive`.

use serde::Serialize;

use crate::cli::{Place, QueueCommand, QueuePlace};
use crate::connections::{Connections, DATA_FOLDER};
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::up::queue::EventQueue;
use crate::up::queue::sqs::SqsQueue;

#[derive(Serialize)]
struct Status<'a> {
    queue: &'a str,
    waiting: u64,
    under_way: u64,
    delayed: u64,
    /// Null: the queue has none.
    dead_letters: Option<DeadLetters>,
}

#[derive(Serialize)]
struct DeadLetters {
    queue: String,
    waiting: u64,
    under_way: u64,
}

#[derive(Serialize)]
struct Redriven<'a> {
    queue: &'a str,
    redriven: u64,
    left: u64,
}

/// Runs `queue …`.
pub async fn run(command: &QueueCommand) -> Result<Option<Exit>, Failure> {
    match command {
        QueueCommand::Status { place } => status(place).await?,
        QueueCommand::Redrive { place, limit } => redrive(place, *limit).await?,
    }
    Ok(None)
}

async fn open(place: &QueuePlace) -> Result<SqsQueue, Failure> {
    let file = Place { config: place.config.clone(), ..Place::default() };
    let of_file = Connections::resolve(&file, None, None, DATA_FOLDER)?.elsewhere.queue;
    let Some(url) = place.queue.clone().or(of_file) else {
        let said = "no queue is named: give it by --queue, by STATIONKEEPER_QUEUE_URL or in the configuration file";
        return Err(Failure::new(Exit::Configuration, said));
    };
    Ok(SqsQueue::from_environment(&url).await?)
}

async fn status(place: &QueuePlace) -> Result<(), Failure> {
    let queue = open(place).await?;
    let depth = queue.depth().await?;
    let dead_letters = match queue.dead_letters().await? {
        None => None,
        Some(dead) => {
            let depth = dead.depth().await?;
            Some(DeadLetters { queue: dead.url().to_owned(), waiting: depth.waiting, under_way: depth.under_way })
        }
    };
    let status = Status {
        queue: queue.url(),
        waiting: depth.waiting,
        under_way: depth.under_way,
        delayed: depth.delayed,
        dead_letters,
    };
    if place.json {
        return print_json(&status);
    }
    let Status { queue, waiting, under_way, delayed, dead_letters } = status;
    print_line(format_args!("Queue         {queue}"))?;
    print_line(format_args!("Waiting       {waiting}"))?;
    print_line(format_args!("Under way     {under_way}"))?;
    print_line(format_args!("Comes later   {delayed}"))?;
    match dead_letters {
        None => print_line("Dead letters  none can be: the queue names no queue for them"),
        Some(dead) => print_line(format_args!("Dead letters  {}", dead.waiting + dead.under_way)),
    }
}

async fn redrive(place: &QueuePlace, limit: Option<u64>) -> Result<(), Failure> {
    let queue = open(place).await?;
    let Some(dead) = queue.dead_letters().await? else {
        let said = format!("{} names no queue of dead letters: there is nothing to bring back", queue.url());
        return Err(Failure::new(Exit::NoInput, said));
    };
    // What fails again meanwhile is not brought back twice.
    let lie_there = dead.depth().await?.waiting;
    let redriven = dead.move_to(&queue, limit.unwrap_or(u64::MAX).min(lie_there)).await?;
    let left = dead.depth().await?.waiting;
    if place.json {
        return print_json(&Redriven { queue: queue.url(), redriven, left });
    }
    print_line(format_args!("{redriven} brought back to {}, {left} left.", queue.url()))
}
