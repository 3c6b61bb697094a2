select timestamp_utc, first_arrived_at
from lab_station_heartbeat
where host = ? and timestamp_utc < ?
order by timestamp_utc desc
limit 1
