select host, holder, leased_until - {epoch} as seconds_left, run, begun_at, stop_asked_by
from station_leases
where 1 = 1{filters}
order by host
