-- arrived_at first: MySQL assigns from left to right.
update lab_station_heartbeat
set arrived_at = coalesce(arrived_at, first_arrived_at),
    first_arrived_at = case {each when host = ? and timestamp_utc = ? then ?} else first_arrived_at end
where {any host = ? and timestamp_utc = ? and first_arrived_at > ?}
