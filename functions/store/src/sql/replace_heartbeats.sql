insert into lab_station_heartbeat
    (host, timestamp_utc, first_arrived_at, arrived_at, ingested_at, sha256, raw_format, raw_dictionary, raw, raw_json,
     raw_length, ready, state, issues, local_session_active, local_mode_enabled, nic_issue_count, sleep_compliant,
     hibernate_compliant, last_prepare_at, last_prepare_success, last_release_at, last_power_action_at, last_power_mode,
     last_forced_logoff_at, last_forced_logoff_user, version, reservation_id)
values {rows}
{upsert host, timestamp_utc}
    first_arrived_at = {new first_arrived_at}, arrived_at = {new arrived_at}, ingested_at = {new ingested_at},
    sha256 = {new sha256}, raw_format = {new raw_format}, raw_dictionary = {new raw_dictionary},
    raw = {new raw}, raw_json = {new raw_json}, raw_length = {new raw_length},
    ready = {new ready}, state = {new state}, issues = {new issues},
    local_session_active = {new local_session_active}, local_mode_enabled = {new local_mode_enabled}, nic_issue_count = {new nic_issue_count},
    sleep_compliant = {new sleep_compliant}, hibernate_compliant = {new hibernate_compliant}, last_prepare_at = {new last_prepare_at},
    last_prepare_success = {new last_prepare_success}, last_release_at = {new last_release_at}, last_power_action_at = {new last_power_action_at},
    last_power_mode = {new last_power_mode}, last_forced_logoff_at = {new last_forced_logoff_at}, last_forced_logoff_user = {new last_forced_logoff_user},
    version = {new version}, reservation_id = {new reservation_id}
