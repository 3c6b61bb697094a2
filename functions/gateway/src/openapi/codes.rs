//! The stable words of errors. A test compares them with the code.

/// Each word, sorted, with what it means.
pub(super) const CODES: [(&str, &str); 71] = [
    ("INTERNAL_ERROR", "an unexpected failure; the log says what"),
    ("action_not_possible", "the action is over, or the station cannot be touched now"),
    ("alert_resolved", "the alert is over"),
    ("answer_not_kept", "the request with this key was carried out, and its answer held a secret"),
    ("bad_request", "the text says what is wrong with the request"),
    ("blocks_reservation", "the hold reaches over a reservation that nobody confirmed"),
    ("body_too_large", "the body is over 1 MiB"),
    ("body_too_slow", "the body did not come in time: send it again"),
    ("catalog_unreadable", "a file of the catalog cannot be read; it is as it was before"),
    ("changed_meanwhile", "somebody else was first: look again"),
    ("closing", "the gateway is stopping: try again"),
    ("command_not_allowed", "the command, or an argument of it, is not allowed"),
    ("command_output_too_large", "the command wrote more than is kept"),
    ("command_timed_out", "the command did not end in time"),
    ("connection_not_prepared", "the gateway cannot connect as it is configured"),
    ("database_away", "the database does not answer: try again"),
    ("discovery_too_weak", "nothing at the address says that it is a station"),
    ("forbidden", "the token's role does not suffice"),
    ("foreign_origin", "the page of another site asks"),
    ("from_table", "the reservation comes from a table, which alone changes it"),
    ("held_by_another", "somebody else holds the station: only they and operators may change that"),
    ("host_exists", "a station of this name is in use"),
    ("import_refused", "entries of the list are refused, and nothing was changed"),
    ("key_of_other_request", "the `Idempotency-Key` was sent with another request"),
    ("local_mode_active", "the station is in local mode, and nobody confirmed"),
    ("local_mode_not_set", "the flag of local mode is not as it was to be"),
    ("method_not_allowed", "the address does not take this method"),
    ("network_policy", "blocked by the network policy: ADMIN_ALLOWED_CIDRS"),
    ("no_heartbeat", "no heartbeat of this station has come yet"),
    ("no_login", "nobody logs in to stations: the gateway is not configured for it"),
    ("no_networks", "no management networks are configured"),
    ("no_secrets_key", "logins of stations cannot be kept: no key is configured"),
    ("not_configured", "there is no access token yet"),
    ("not_held", "nobody holds the station"),
    ("not_kept", "what the station said could not be kept: try again"),
    ("note_too_long", "the note is too long"),
    ("nothing_open", "nothing is open whose end the silence could wait for"),
    ("object_not_taken", "the object of the event could not be read: send the event again"),
    ("other_lab", "the token is for other laboratories"),
    ("outcome_unknown", "the connection broke while the command ran: it may have done its work"),
    ("own_token", "the token is the one that asks"),
    ("pairing_code", "the pairing code is of no use"),
    ("pairing_code_expired", "the pairing code was good once, and is too old now"),
    ("request_answered", "the request has its answer"),
    ("request_expired", "nobody answered the request in time"),
    ("request_in_flight", "the request with this key is being carried out: see `Retry-After`"),
    ("reservation_running", "a reservation is running"),
    ("station_busy", "something else is done on the station: try again"),
    ("station_certificate", "the station's certificate is not the one that is expected"),
    ("station_fault", "the station answered with a fault"),
    ("station_file", "a file of the station could not be read"),
    ("station_not_winrm", "what answers is not WinRM"),
    ("station_timeout", "the station did not answer in time"),
    ("station_unauthorized", "the station does not let the gateway in"),
    ("station_unreachable", "the station cannot be reached"),
    ("token_in_query", "tokens do not belong into a query string"),
    ("too_late", "the station is being made ready for a reservation"),
    ("too_many_attempts", "guessing is slowed down: see `Retry-After`"),
    ("too_many_changes", "a token asks for more changes than a lab can need: see `Retry-After`"),
    ("too_many_streams", "the token has its share of streams, or all places are taken"),
    ("too_slow", "the request took too long: try again"),
    ("unauthenticated", "no valid token, and no session"),
    ("unknown_action", "no action has this id"),
    ("unknown_address", "nothing is at this address"),
    ("unknown_alert", "no alert has this id"),
    ("unknown_operation", "no operation has this id"),
    ("unknown_request", "no request has this id"),
    ("unknown_reservation", "no reservation has this id"),
    ("unknown_silence", "no silence has this id"),
    ("unknown_station", "no station has this name"),
    ("unknown_token", "no token has this id"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Texts between quotes that `marks` follows or leads to, within a function.
    fn words(code: &'static str, from: &str, to: &str) -> BTreeSet<&'static str> {
        let body = code.split(from).nth(1).unwrap().split(to).next().unwrap();
        body.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn every_word_of_the_code_is_in_the_list_and_no_other() {
        let ours = words(include_str!("../error.rs"), "fn verdict(", "\nimpl From<StoreError>");
        let dressed = words(include_str!("../request_id.rs"), "match response.status()", "Some(ErrorParts {");
        let stations = words(include_str!("../../../station-link/src/winrm/error.rs"), "pub fn code(", "\n}\n");
        // Of a header: the text and the code do not tell.
        let failures = words(include_str!("../error.rs"), "fn station_error(", "\n    }\n");
        // An answer that says more than an error does.
        let provision = words(include_str!("../hosts/provision.rs"), "\"code\": ", ",");
        let import = words(include_str!("../reservations/import.rs"), "\"code\": ", ",");
        let all = ours.iter().chain(&dressed).chain(&failures).chain(&stations).chain(&provision).chain(&import);
        let used: BTreeSet<&str> = all.copied().filter(|word| !word.contains(' ')).collect();
        assert_eq!(used, CODES.iter().map(|(word, _)| *word).collect());
        assert!(CODES.is_sorted());
    }
}
