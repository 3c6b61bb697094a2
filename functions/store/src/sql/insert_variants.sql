insert into lab_station_heartbeat_variants
    (host, timestamp_utc, sha256, arrived_at, ingested_at, raw_format, raw_dictionary, raw, raw_json, raw_length)
values {rows}
{keep host, timestamp_utc, sha256 = host}
