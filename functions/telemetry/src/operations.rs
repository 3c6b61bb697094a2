//! Recorded operations, from a heartbeat or from the INI: the same keys, the same coercions (telemetry.md section 1.3).

use serde::de::MapAccess;

use crate::json::{Scalar, Shape, Value};
use crate::judge::Judge;
use crate::{ForcedLogoff, PowerAction, SafeguardReboot, SessionOperation};

/// The keys of all operations; each has some of them.
#[derive(Debug, Default)]
pub(crate) struct OperationFields<'de> {
    pub(crate) timestamp: Scalar<'de>,
    pub(crate) success: Scalar<'de>,
    duration_ms: Scalar<'de>,
    pub(crate) user: Scalar<'de>,
    pub(crate) session_id: Scalar<'de>,
    pub(crate) state: Scalar<'de>,
    pub(crate) message: Scalar<'de>,
    pub(crate) source: Scalar<'de>,
    pub(crate) grace: Scalar<'de>,
    pub(crate) force: Scalar<'de>,
    mode: Scalar<'de>,
    delay: Scalar<'de>,
    reason: Scalar<'de>,
    wake_ready: Scalar<'de>,
    wake_issues: Scalar<'de>,
    rebooted: Scalar<'de>,
    issues: Scalar<'de>,
}

impl<'de> OperationFields<'de> {
    /// The field of a key; `None` for a key that is ignored.
    pub(crate) fn field(&mut self, key: &str) -> Option<&mut Scalar<'de>> {
        Some(match key {
            "timestamp" => &mut self.timestamp,
            "success" => &mut self.success,
            "durationMs" => &mut self.duration_ms,
            "user" => &mut self.user,
            "sessionId" => &mut self.session_id,
            "state" => &mut self.state,
            "message" => &mut self.message,
            "source" => &mut self.source,
            "grace" => &mut self.grace,
            "force" => &mut self.force,
            "mode" => &mut self.mode,
            "delay" => &mut self.delay,
            "reason" => &mut self.reason,
            "wakeReady" => &mut self.wake_ready,
            "wakeIssues" => &mut self.wake_issues,
            "rebooted" => &mut self.rebooted,
            "issues" => &mut self.issues,
            _ => return None,
        })
    }

    pub(crate) fn session_operation(&self, block: &str, judge: &mut Judge) -> SessionOperation {
        SessionOperation {
            timestamp: judge.instant((block, "timestamp"), self.timestamp),
            success: judge.boolean((block, "success"), self.success),
            duration_ms: judge.integer((block, "durationMs"), self.duration_ms),
            user: judge.text((block, "user"), self.user),
        }
    }

    pub(crate) fn forced_logoff(&self, block: &str, judge: &mut Judge) -> ForcedLogoff {
        ForcedLogoff {
            timestamp: judge.instant((block, "timestamp"), self.timestamp),
            user: judge.text((block, "user"), self.user),
            session_id: judge.integer((block, "sessionId"), self.session_id),
            grace: judge.integer((block, "grace"), self.grace),
            force: judge.boolean((block, "force"), self.force),
            message: judge.text((block, "message"), self.message),
            source: judge.text((block, "source"), self.source),
            state: judge.text((block, "state"), self.state),
            success: judge.boolean((block, "success"), self.success),
        }
    }

    pub(crate) fn power_action(&self, block: &str, judge: &mut Judge) -> PowerAction {
        let wake_ready = judge.boolean((block, "wakeReady"), self.wake_ready);
        PowerAction {
            timestamp: judge.instant((block, "timestamp"), self.timestamp),
            mode: judge.text((block, "mode"), self.mode),
            forced: judge.boolean((block, "force"), self.force),
            wake_ready,
            success: judge.boolean((block, "success"), self.success),
            delay: judge.integer((block, "delay"), self.delay),
            reason: judge.text((block, "reason"), self.reason),
            // A write never deletes keys: after a good check these are the issues of an older one.
            wake_issues: judge.text((block, "wakeIssues"), self.wake_issues).filter(|_| wake_ready == Some(false)),
        }
    }

    pub(crate) fn safeguard_reboot(&self, block: &str, judge: &mut Judge) -> SafeguardReboot {
        SafeguardReboot {
            timestamp: judge.instant((block, "timestamp"), self.timestamp),
            rebooted: judge.boolean((block, "rebooted"), self.rebooted),
            success: judge.boolean((block, "success"), self.success),
            reason: judge.text((block, "reason"), self.reason),
            message: judge.text((block, "message"), self.message),
            issues: judge.text((block, "issues"), self.issues),
        }
    }
}

impl<'de> Shape<'de> for OperationFields<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, 'de, A>) -> Result<(), A::Error> {
        match self.field(key) {
            Some(field) => *field = value.read()?,
            None => value.skip()?,
        }
        Ok(())
    }
}
