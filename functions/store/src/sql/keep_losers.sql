insert into lab_station_heartbeat_variants
    (host, timestamp_utc, sha256, arrived_at, ingested_at, raw_format, raw_dictionary, raw, raw_json, raw_length)
select host, timestamp_utc, sha256, coalesce(arrived_at, first_arrived_at), ingested_at, raw_format, raw_dictionary, raw, raw_json,
    raw_length
from lab_station_heartbeat
where {any host = ? and timestamp_utc = ? and sha256 <> ?}
{keep host, timestamp_utc, sha256 = lab_station_heartbeat_variants.host}
