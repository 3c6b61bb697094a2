//! Faults on demand: the n-th call fails, so that a test can show what that costs. Only with the feature `faults`, which no shipped
//! program has.
//!
//! One plan can be asked by a store and by a bucket; then their calls are counted together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::StoreError;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// That call alone, with an error that passes by itself: nothing was done.
    Once,
    /// That call alone, with an error that does not look as if it would pass: nothing was done.
    OnceRefused,
    /// That call and all after it, until healed, with an error that passes by itself.
    Away,
    /// That call and all after it, until healed, with an error that does not look as if it would pass.
    Broken,
    /// That call alone, after it was done: its reply is lost.
    ReplyLost,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Once, Self::OnceRefused, Self::Away, Self::Broken, Self::ReplyLost];

    /// It stays until it is healed.
    pub const fn stays(self) -> bool {
        matches!(self, Self::Away | Self::Broken)
    }
}

/// What a call is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What it always does.
    Go,
    /// Nothing, and fail with an error that passes by itself.
    Fail,
    /// Nothing, and fail with an error that does not.
    Refuse,
    /// What it always does, and then fail as if the connection had been cut.
    LoseReply,
}

/// Which call fails, and how. Calls are counted from 1.
#[derive(Debug, Default)]
pub struct FaultPlan {
    nth: u64,
    fault: Option<Fault>,
    calls: AtomicU64,
    healed: AtomicBool,
    struck: Mutex<Option<String>>,
}

impl FaultPlan {
    /// Nothing fails; calls are counted.
    pub fn counting() -> Self {
        Self::default()
    }

    /// The `nth` call fails.
    pub fn at(nth: u64, fault: Fault) -> Self {
        Self { nth, fault: Some(fault), ..Self::default() }
    }

    /// A call is about to be made; `what` is said by [`struck`](Self::struck).
    pub fn ask(&self, what: &str) -> Answer {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let Some(fault) = self.fault else { return Answer::Go };
        let hit = call == self.nth || (call > self.nth && fault.stays());
        if !hit || self.healed.load(Ordering::SeqCst) {
            return Answer::Go;
        }
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| what.to_owned());
        match fault {
            Fault::Once | Fault::Away => Answer::Fail,
            Fault::OnceRefused | Fault::Broken => Answer::Refuse,
            Fault::ReplyLost => Answer::LoseReply,
        }
    }

    /// From here on nothing fails.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// The first call that failed; none: no call did.
    pub fn struck(&self) -> Option<String> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes a call of a store as the plan wants it.
pub(crate) async fn call<T>(
    plan: Option<&FaultPlan>,
    doing: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    // What a driver says when the server is gone, and when it does not understand the server.
    let reset = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
    let refused = || sqlx::Error::Protocol("a fault was asked for".to_owned());
    match plan.map_or(Answer::Go, |plan| plan.ask(doing)) {
        Answer::Go => call.await,
        Answer::Fail => Err(StoreError::doing(doing)(reset())),
        Answer::Refuse => Err(StoreError::doing(doing)(refused())),
        Answer::LoseReply => {
            call.await?;
            Err(StoreError::doing(doing)(reset()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(plan: &FaultPlan, calls: usize) -> String {
        let letter = |_| match plan.ask("call") {
            Answer::Go => '.',
            Answer::Fail => 'f',
            Answer::Refuse => 'r',
            Answer::LoseReply => 'l',
        };
        (0..calls).map(letter).collect()
    }

    #[test]
    fn the_third_call_fails_as_planned() {
        for (fault, before_healing, after) in [
            (Fault::Once, "..f..", "..."),
            (Fault::OnceRefused, "..r..", "..."),
            (Fault::Away, "..fff", "..."),
            (Fault::Broken, "..rrr", "..."),
            (Fault::ReplyLost, "..l..", "..."),
        ] {
            let plan = FaultPlan::at(3, fault);
            assert_eq!(answers(&plan, 5), before_healing, "{fault:?}");
            plan.heal();
            assert_eq!((answers(&plan, 3).as_str(), plan.calls()), (after, 8), "{fault:?}");
            assert_eq!(plan.struck().as_deref(), Some("call"), "{fault:?}");
        }
        let plan = FaultPlan::counting();
        assert_eq!((answers(&plan, 4).as_str(), plan.calls(), plan.struck()), ("....", 4, None));
    }

    #[tokio::test]
    async fn injected_errors_are_told_apart_like_real_ones() {
        for (fault, done, transient) in
            [(Fault::Once, false, true), (Fault::OnceRefused, false, false), (Fault::ReplyLost, true, true)]
        {
            let plan = FaultPlan::at(1, fault);
            let mut was_done = false;
            let error = call(Some(&plan), "write", async {
                was_done = true;
                Ok(())
            })
            .await
            .unwrap_err();
            assert_eq!((was_done, error.is_transient(), error.is_conflict()), (done, transient, false), "{fault:?}");
        }
    }
}
