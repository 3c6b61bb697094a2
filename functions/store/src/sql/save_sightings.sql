insert into forced_logoff_sightings
    (host, logged_off_at, heartbeat, service_state, last_seen_at, noticed_at, settled)
values {rows}
{upsert host, logged_off_at}
    heartbeat = {new heartbeat}, service_state = {new service_state}, last_seen_at = {new last_seen_at},
    settled = {new settled}
