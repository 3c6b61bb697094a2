select host, timestamp_utc, sha256, first_arrived_at, coalesce(arrived_at, first_arrived_at) as arrived_at
from lab_station_heartbeat
where host = ?
order by case when timestamp_utc < first_arrived_at then timestamp_utc else first_arrived_at end desc, timestamp_utc desc
limit 1
