select host, logged_off_at, heartbeat, service_state, last_seen_at, noticed_at, settled
from forced_logoff_sightings
where settled = 0 and host in ({list})
order by host, logged_off_at
