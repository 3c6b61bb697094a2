select h.host, h.timestamp_utc, coalesce(h.arrived_at, h.first_arrived_at) as arrived_at, h.sha256, h.raw_format,
    h.raw_dictionary, h.raw, h.raw_json, h.raw_length
from lab_station_state s
join lab_station_heartbeat h on h.host = s.host and h.timestamp_utc = s.timestamp_utc
where s.host = ?
