delete from lab_station_heartbeat_variants
where {any host = ? and timestamp_utc = ? and sha256 = ?}
