select host, from_at, to_at, state, cause
from station_state_runs
where host in ({list}) and to_at is null
