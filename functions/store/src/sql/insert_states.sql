insert into lab_station_state
    (host, timestamp_utc, advanced_at, ready, snapshot, memory, word, word_since, word_cause, skew_ms, check_at, listed)
values {rows}
{keep host}
