select host, timestamp_utc, sha256, arrived_at
from lab_station_heartbeat_variants
where {any host = ? and timestamp_utc = ?}
