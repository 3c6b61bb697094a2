//! Texts of `summary.issues` and their codes (telemetry.md section 1.2).

/// Whole texts.
const TEXTS: [(&str, &str); 15] = [
    ("Lab user not found", "lab_user_missing"),
    ("RemoteApp policy missing", "remoteapp_policy"),
    ("WinRM not ready for Lab Gateway", "winrm_not_ready"),
    ("Controller autostart missing", "autostart_missing"),
    ("AutoAdminLogon disabled", "autologon_disabled"),
    ("Autologon user mismatch", "autologon_user"),
    ("Autologon password not stored", "autologon_password"),
    ("Lab user missing from Remote Desktop Users", "rdp_lab_user"),
    ("SeDenyInteractiveLogonRight not configured", "deny_interactive_unset"),
    ("Lab user denied interactive logon", "lab_user_denied"),
    ("No wake-armed devices detected", "no_wake_armed"),
    ("Sleep timeout is not disabled", "sleep_timeout"),
    ("Hibernate timeout is not disabled", "hibernate_timeout"),
    ("FMU executor internal token is not configured", "fmu_token"),
    ("FMU executor is not running", "fmu_down"),
];

/// Beginnings; names follow them.
const BEGINNINGS: [(&str, &str); 2] = [
    ("Unexpected Remote Desktop Users members:", "rdp_extra_members"),
    ("NIC power settings incomplete for:", "nic_policy"),
];

/// The code of an issue; `None` for a text that this version does not know, which is kept as it is.
pub fn issue_code(text: &str) -> Option<&'static str> {
    let whole = TEXTS.iter().find(|(known, _)| *known == text);
    let begun = || BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning));
    whole.or_else(begun).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_codes_and_unknown_ones_have_none() {
        for (text, code) in [
            ("Lab user not found", Some("lab_user_missing")),
            ("FMU executor is not running", Some("fmu_down")),
            ("NIC power settings incomplete for: Ethernet, 2, Wi-Fi", Some("nic_policy")),
            ("Unexpected Remote Desktop Users members: A, B", Some("rdp_extra_members")),
            ("lab user not found", None),
            ("Lab user not found: X", None),
            ("Disk is full", None),
            ("", None),
        ] {
            assert_eq!(issue_code(text), code, "{text}");
        }
    }
}
