select v.host, v.timestamp_utc, v.arrived_at, v.sha256, v.raw_format, v.raw_dictionary, v.raw, v.raw_json, v.raw_length
from lab_station_heartbeat_variants v
join lab_station_heartbeat w on w.host = v.host and w.timestamp_utc = v.timestamp_utc
where v.host = ? and v.timestamp_utc = ? and v.sha256 <> w.sha256
order by v.arrived_at, v.sha256
