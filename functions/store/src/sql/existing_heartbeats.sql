select host, timestamp_utc, sha256, first_arrived_at, coalesce(arrived_at, first_arrived_at) as arrived_at
from lab_station_heartbeat
where {any host = ? and timestamp_utc = ?}
