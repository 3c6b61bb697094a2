select s.host, h.lab, s.advanced_at, s.word_cause, s.listed
from lab_station_state s
join lab_hosts h on h.name = s.host
where 1 = 1{filters}
order by s.host
limit ?
