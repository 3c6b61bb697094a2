select host, timestamp_utc, coalesce(arrived_at, first_arrived_at) as arrived_at, sha256, raw_format, raw_dictionary, raw, raw_json, raw_length
from lab_station_heartbeat
where host = ? and timestamp_utc = ?
