select s.host, h.lab, h.address, h.mac, h.status, h.created_at, s.advanced_at, s.snapshot, s.memory, s.word, s.word_since,
    s.word_cause, s.skew_ms, s.check_at
from lab_station_state s
join lab_hosts h on h.name = s.host
where 1 = 1{filters}
order by s.host
limit ?
