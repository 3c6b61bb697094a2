select h.name as host, h.lab, s.advanced_at, s.snapshot, s.memory, s.word, s.word_since, s.word_cause, s.skew_ms
from lab_hosts h
join lab_station_state s on s.host = h.name
where 1 = 1{filters}
order by h.name
limit ?
