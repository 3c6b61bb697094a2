//! The keys of a heartbeat and of a `status.json` that are read (telemetry.md sections 1 and 2). Values are judged later.

use serde::de::MapAccess;

use crate::json::{Block, List, Scalar, Shape, Value};
use crate::operations::OperationFields;

/// Declares an object: its fields, each with its key. Other keys are skipped.
macro_rules! shape {
    ($(#[$meta:meta])* $name:ident { $($field:ident : $type:ty = $key:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<'de> {
            $(pub(crate) $field: $type),*
        }

        impl<'de> Shape<'de> for $name<'de> {
            fn take<A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, 'de, A>) -> Result<(), A::Error> {
                match key {
                    $($key => self.$field = value.read()?,)*
                    _ => value.skip()?,
                }
                Ok(())
            }
        }
    };
}

shape! {
    /// A heartbeat.
    Heartbeat {
        timestamp: Scalar<'de> = "timestamp",
        schema_version: Scalar<'de> = "schemaVersion",
        host: Scalar<'de> = "host",
        version: Scalar<'de> = "version",
        wake: Block<Wake<'de>> = "wake",
        summary: Block<Summary<'de>> = "summary",
        operations: Block<Operations<'de>> = "operations",
        status: Block<Status<'de>> = "status",
    }
}

shape! {
    /// The status of a heartbeat, or a whole `status.json`.
    Status {
        timestamp: Scalar<'de> = "timestamp",
        schema_version: Scalar<'de> = "schemaVersion",
        station_profile: Scalar<'de> = "stationProfile",
        local_session_active: Scalar<'de> = "localSessionActive",
        local_mode_enabled: Scalar<'de> = "localModeEnabled",
        wake: Block<Wake<'de>> = "wake",
        summary: Block<Summary<'de>> = "summary",
        operations: Block<Operations<'de>> = "operations",
        power: Block<Power<'de>> = "power",
        sessions: Block<Sessions<'de>> = "sessions",
    }
}

shape! {
    /// The verdict.
    Summary {
        ready: Scalar<'de> = "ready",
        state: Scalar<'de> = "state",
        issues: List<Scalar<'de>> = "issues",
    }
}

shape! {
    /// The last operation of each kind.
    Operations {
        prepare: Block<OperationFields<'de>> = "lastPrepareSession",
        release: Block<OperationFields<'de>> = "lastReleaseSession",
        safeguard_reboot: Block<OperationFields<'de>> = "lastSafeguardReboot",
        forced_logoff: Block<OperationFields<'de>> = "lastForcedLogoff",
        power_action: Block<OperationFields<'de>> = "lastPowerAction",
    }
}

shape! {
    /// Wake settings. Of the bad adapters only the number is needed.
    Wake {
        armed_count: Scalar<'de> = "armedCount",
        armed_devices: List<Scalar<'de>> = "armedDevices",
        nic_power: List<Block<Nic<'de>>> = "nicPower",
        nic_non_compliant: List<()> = "nicNonCompliant",
    }
}

shape! {
    /// An adapter.
    Nic {
        name: Scalar<'de> = "name",
        wol_ready: Scalar<'de> = "wolReady",
        wake_armed: Scalar<'de> = "wakeArmed",
        compliance_issues: List<Scalar<'de>> = "complianceIssues",
        mac_address: Scalar<'de> = "macAddress",
        status: Scalar<'de> = "status",
        wake_on_magic_packet: Scalar<'de> = "wakeOnMagicPacket",
        wake_on_pattern: Scalar<'de> = "wakeOnPattern",
        device_sleep_on_disconnect: Scalar<'de> = "deviceSleepOnDisconnect",
        allow_turn_off: Scalar<'de> = "allowTurnOff",
    }
}

shape! {
    /// The power plan.
    Power {
        active_plan: Scalar<'de> = "activePlan",
        sleep_compliant: Scalar<'de> = "sleepCompliant",
        hibernate_compliant: Scalar<'de> = "hibernateCompliant",
        sleep: Block<Timeout<'de>> = "sleep",
        hibernate: Block<Timeout<'de>> = "hibernate",
    }
}

shape! {
    /// A timeout of the plan: only its raw text can be relied on.
    Timeout {
        raw: Scalar<'de> = "raw",
    }
}

shape! {
    /// Who is logged on.
    Sessions {
        other_users: List<Block<Session<'de>>> = "otherUsers",
    }
}

shape! {
    /// A row of the session list.
    Session {
        user: Scalar<'de> = "user",
    }
}
