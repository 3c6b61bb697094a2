select host, advanced_at, snapshot, memory, word, word_since, word_cause, skew_ms, check_at
from lab_station_state
where host in ({list})
order by host
{for update}
