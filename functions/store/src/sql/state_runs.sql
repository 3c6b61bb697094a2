select host, from_at, to_at, state, cause
from station_state_runs
where host = ? and from_at < ? and (to_at is null or to_at > ?)
    and from_at >= coalesce((select max(begun.from_at) from station_state_runs begun where begun.host = ? and begun.from_at <= ?), ?)
order by from_at
