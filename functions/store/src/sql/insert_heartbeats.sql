insert into lab_station_heartbeat
    (host, timestamp_utc, first_arrived_at, arrived_at, ingested_at, sha256, raw_format, raw_dictionary, raw, raw_json,
     raw_length, ready, state, issues, local_session_active, local_mode_enabled, nic_issue_count, sleep_compliant,
     hibernate_compliant, last_prepare_at, last_prepare_success, last_release_at, last_power_action_at, last_power_mode,
     last_forced_logoff_at, last_forced_logoff_user, version, reservation_id)
values {rows}
{keep host, timestamp_utc = host}
