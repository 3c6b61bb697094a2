select s.word as word, count(*) as stations
from lab_station_state s
join lab_hosts h on h.name = s.host
where h.status <> 'retired'
group by s.word
order by s.word
