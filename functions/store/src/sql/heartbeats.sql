select coalesce(arrived_at, first_arrived_at) as arrived_at, host, timestamp_utc, first_arrived_at, ingested_at,
    sha256, raw_length, ready, state, issues, local_session_active, local_mode_enabled, nic_issue_count,
    sleep_compliant, hibernate_compliant, last_prepare_at, last_prepare_success, last_release_at,
    last_power_action_at, last_power_mode, last_forced_logoff_at, last_forced_logoff_user, version, reservation_id
from lab_station_heartbeat
where host = ? and timestamp_utc >= ? and timestamp_utc < ?
order by timestamp_utc
limit ?
