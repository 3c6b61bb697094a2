//! Adapters and timeouts of a PC, as the emitter reads them (telemetry.md sections 1.4 and 1.5).

use stationkeeper_telemetry::{Nic, NicSettings};

use crate::json;

/// An adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Alias, such as `Ethernet`.
    pub name: String,
    /// Description.
    pub description: String,
    /// `AA-BB-…`.
    pub mac_address: String,
    /// A magic packet wakes the PC.
    pub magic_packet: bool,
    /// A pattern wakes it too, which it should not.
    pub pattern: bool,
    /// Windows may turn the adapter off, which it should not.
    pub allow_turn_off: bool,
}

impl Adapter {
    /// One that complies.
    pub fn new(name: &str, description: &str, mac_address: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            mac_address: mac_address.to_owned(),
            magic_packet: true,
            pattern: false,
            allow_turn_off: false,
        }
    }

    /// Its faults, in the emitter's words and order.
    pub fn compliance_issues(&self) -> Vec<&'static str> {
        [
            (!self.magic_packet, "Wake on Magic Packet disabled"),
            (self.pattern, "Wake on Pattern should be disabled"),
            (self.allow_turn_off, "Allow computer to turn off is enabled"),
        ]
        .into_iter()
        .filter_map(|(wrong, issue)| wrong.then_some(issue))
        .collect()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let issues = self.compliance_issues();
        out.extend_from_slice(b"{\"advancedWakeOnMagicPacket\":\"\",\"advancedWakeOnPattern\":\"\",\"allowTurnOff\":");
        json::text(out, switch(self.allow_turn_off));
        out.extend_from_slice(b",\"complianceIssues\":");
        json::texts(out, &issues);
        out.extend_from_slice(b",\"deviceSleepOnDisconnect\":\"Disabled\",\"interfaceDescription\":");
        json::text(out, &self.description);
        out.extend_from_slice(b",\"macAddress\":");
        json::text(out, &self.mac_address);
        out.extend_from_slice(b",\"name\":");
        json::text(out, &self.name);
        out.extend_from_slice(b",\"status\":\"Up\",\"wakeArmed\":false,\"wakeOnMagicPacket\":");
        json::text(out, switch(self.magic_packet));
        out.extend_from_slice(b",\"wakeOnPattern\":");
        json::text(out, switch(self.pattern));
        out.extend_from_slice(b",\"wolReady\":");
        json::boolean(out, issues.is_empty());
        out.push(b'}');
    }

    /// What a normalizer must make of it.
    pub(crate) fn truth(&self) -> Nic {
        let issues = self.compliance_issues();
        Nic {
            name: self.name.clone(),
            wol_ready: Some(issues.is_empty()),
            wake_armed: Some(false),
            compliance_issues: issues.into_iter().map(str::to_owned).collect(),
            settings: NicSettings {
                mac_address: Some(self.mac_address.clone()),
                status: Some("Up".to_owned()),
                wake_on_magic_packet: Some(switch(self.magic_packet).to_owned()),
                wake_on_pattern: Some(switch(self.pattern).to_owned()),
                device_sleep_on_disconnect: Some("Disabled".to_owned()),
                allow_turn_off: Some(switch(self.allow_turn_off).to_owned()),
            },
        }
    }
}

fn switch(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

/// A timeout of the power plan, as `powercfg` says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Seconds on mains; 0 is never.
    pub ac_seconds: u32,
    /// Seconds on battery.
    pub dc_seconds: u32,
}

impl Timeouts {
    /// What the emitter reads out of one value: its hex reader stops at the first lower-case letter, and a Spanish line it does not find at all.
    fn as_read(seconds: u32, spanish: bool) -> i64 {
        if spanish {
            return 0;
        }
        let hex = format!("{seconds:08x}");
        let digits = hex.split(|character: char| character.is_ascii_lowercase()).next().unwrap_or("");
        i64::from_str_radix(digits, 16).unwrap_or(0)
    }

    /// The emitter's verdict.
    pub(crate) fn compliant(self, spanish: bool) -> bool {
        Self::as_read(self.ac_seconds, spanish) == 0
    }

    pub(crate) fn write(self, out: &mut Vec<u8>, spanish: bool, setting: &str, title: &str) {
        let seconds = |out: &mut Vec<u8>, seconds| match Self::as_read(seconds, spanish) {
            0 => out.extend_from_slice(b"\"\""),
            read => json::integer(out, read),
        };
        out.extend_from_slice(b"{\"acSeconds\":");
        seconds(out, self.ac_seconds);
        out.extend_from_slice(b",\"dcSeconds\":");
        seconds(out, self.dc_seconds);
        out.extend_from_slice(b",\"raw\":\"Power Scheme GUID: 381b4222-f694-41f0-9685-ff5bb260df2e  (Balanced)\\r\\n    Power Setting GUID: ");
        out.extend_from_slice(setting.as_bytes());
        out.extend_from_slice(b"  (");
        out.extend_from_slice(title.as_bytes());
        out.extend_from_slice(b")\\r\\n      Possible Settings units: Seconds\\r\\n    ");
        let [ac, dc] = if spanish {
            [
                "Indice de configuracion de corriente alterna actual",
                "Indice de configuracion de corriente continua actual",
            ]
        } else {
            ["Current AC Power Setting Index", "Current DC Power Setting Index"]
        };
        let lines = format!("{ac}: 0x{:08x}\\r\\n    {dc}: 0x{:08x}\\r\\n\\r\\n\"}}", self.ac_seconds, self.dc_seconds);
        out.extend_from_slice(lines.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_badly_as_the_emitter_does() {
        for (seconds, shown, compliant) in [
            (0, "\"\"", true),
            (1800, "1800", false),
            (600, "600", false),
            (300, "18", false),
            (1200, "4", false),
            (7200, "true", false),
            (3600, "\"\"", true),
            (180, "\"\"", true),
            (2700, "\"\"", true),
        ] {
            let timeouts = Timeouts { ac_seconds: seconds, dc_seconds: 0 };
            let mut out = Vec::new();
            timeouts.write(&mut out, false, "", "");
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with(&format!("{{\"acSeconds\":{shown},")), "{seconds}: {text}");
            assert_eq!(timeouts.compliant(false), compliant, "{seconds}");
            assert!(timeouts.compliant(true), "a Spanish line is never found");
        }
    }
}
