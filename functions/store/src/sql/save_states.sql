insert into lab_station_state
    (host, timestamp_utc, advanced_at, ready, snapshot, memory, word, word_since, word_cause, skew_ms, check_at, listed)
values {rows}
{upsert host}
    timestamp_utc = {new timestamp_utc}, advanced_at = {new advanced_at}, ready = {new ready},
    snapshot = {new snapshot}, memory = {new memory}, word = {new word}, word_since = {new word_since},
    word_cause = {new word_cause}, skew_ms = {new skew_ms}, check_at = {new check_at}, listed = {new listed}
