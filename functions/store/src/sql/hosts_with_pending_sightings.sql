select host, min(noticed_at) as since
from forced_logoff_sightings
where settled = 0 and noticed_at < ?
group by host
order by since, host
limit ?
