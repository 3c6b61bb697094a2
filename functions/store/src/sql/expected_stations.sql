select count(*) as stations
from lab_station_state s
join lab_hosts h on h.name = s.host
where s.word not in ('off', 'down', 'unknown') and h.status <> 'retired'
