select host
from lab_station_state
where check_at <= ?
order by check_at, host
limit ?
