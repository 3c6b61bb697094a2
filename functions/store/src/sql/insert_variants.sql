insert into lab_station_heartbeat_variants
    (host, timestamp_utc, sha256, arrived_at, ingested_at, raw_format, raw_dictionary, raw, raw_json, raw_length)
values {rows}
{upsert host, timestamp_utc, sha256}
    arrived_at = case
        when {new arrived_at} < lab_station_heartbeat_variants.arrived_at then {new arrived_at}
        else lab_station_heartbeat_variants.arrived_at
    end
