insert into station_state_runs (host, from_at, to_at, state, cause)
values {rows}
{upsert host, from_at} to_at = {new to_at}
