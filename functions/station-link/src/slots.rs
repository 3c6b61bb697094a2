//! How many commands run on one station at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::command::StationCommand;

/// The places of one station: two commands at once, of which one may change it. Whoever waits longest comes next.
#[derive(Debug, Clone)]
pub struct CommandSlots {
    all: Arc<Semaphore>,
    changing: Arc<Semaphore>,
}

/// A place, free again when it is dropped.
#[derive(Debug)]
pub struct CommandSlot {
    _changing: Option<OwnedSemaphorePermit>,
    _any: Option<OwnedSemaphorePermit>,
}

impl Default for CommandSlots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(2)), changing: Arc::new(Semaphore::new(1)) }
    }
}

impl CommandSlots {
    /// Waits for a place.
    pub async fn take(&self, command: &StationCommand) -> CommandSlot {
        // First the scarcer one: who waits for it keeps no place from those that only read. Neither is ever closed.
        let changing = match command.changes_station() {
            true => Arc::clone(&self.changing).acquire_owned().await.ok(),
            false => None,
        };
        let any = Arc::clone(&self.all).acquire_owned().await.ok();
        CommandSlot { _changing: changing, _any: any }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Power, PowerMode, StatusJson};
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A place, if there is one now.
    fn free(slots: &CommandSlots, command: &StationCommand) -> Option<CommandSlot> {
        match pin!(slots.take(command)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_command_changes_a_station_while_another_reads() {
        let reads = StationCommand::StatusJson(StatusJson::default());
        let changes = StationCommand::Power(Power::new(PowerMode::Shutdown));
        let slots = CommandSlots::default();
        let changing = free(&slots, &changes).unwrap();
        assert!(free(&slots, &changes).is_none(), "a second that changes waits");
        let reading = free(&slots, &reads).unwrap();
        assert!(free(&slots, &reads).is_none(), "a third waits");
        drop(changing);
        let second = free(&slots, &changes).unwrap();
        assert!(free(&slots, &reads).is_none());
        drop((reading, second));
        let both = (free(&slots, &reads), free(&slots, &reads));
        assert!(both.0.is_some() && both.1.is_some());
    }
}
