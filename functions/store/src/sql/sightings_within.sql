select host, logged_off_at, heartbeat, service_state, last_seen_at, noticed_at, settled
from forced_logoff_sightings
where {any host = ? and logged_off_at between ? and ?}
order by host, logged_off_at
